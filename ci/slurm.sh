#!/usr/bin/env bash
# A single-node SLURM from Debian packages, for the time of a command; without one, for the tests of tests/slurm.
#   ci/slurm.sh                  install what is missing (as root), start, run the tests, stop
#   ci/slurm.sh COMMAND...       the same with another command, e.g. `sinfo`
# No systemd, no cgroups, no root file system changes: all its files are in a folder of their own, and SLURM_CONF says
# which. Needs root: slurmd starts jobs in their users' names.
set -euo pipefail
. "$(dirname "$0")/env.sh"

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "slurm: skipped, it needs root on Debian"
    [ -z "${CI:-}" ]
    exit
fi
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi
python -c 'import distributed, dask_jobqueue' || { echo "slurm: pip install -e '.[cluster]' first"; exit 1; }

home=$(mktemp -d /tmp/pdebench-slurm.XXXXXX)
chmod 755 "$home"
export SLURM_CONF="$home/slurm.conf"
name=$(hostname -s)
mkdir -p "$home/state" "$home/spool" "$home/munge" "$home/logs"
chown munge: "$home/munge"

pids=()
finish() {
    status=$?
    scancel --user=root >/dev/null 2>&1 || true
    scontrol shutdown >/dev/null 2>&1 || true
    sleep 0.5
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    if [ -f "$home/munge/munged.pid" ]; then kill "$(cat "$home/munge/munged.pid")" 2>/dev/null || true; fi
    [ $status = 0 ] || tail -n 20 "$home"/logs/*.log
    rm -rf "$home"
    exit $status
}
trap finish EXIT

# munge: a key and a socket of our own, so that a running one is left alone.
dd if=/dev/urandom of="$home/munge/munge.key" bs=1 count=1024 status=none
chown munge: "$home/munge/munge.key"
chmod 400 "$home/munge/munge.key"
chmod 755 "$home/munge"
runuser -u munge -- /usr/sbin/munged --socket="$home/munge/socket" --key-file="$home/munge/munge.key" \
    --pid-file="$home/munge/munged.pid" --seed-file="$home/munge/seed" --log-file="$home/munge/log" --force 2>/dev/null

# slurm 22.05 reads cgroup.conf even where nothing uses cgroups.
printf 'CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\n' >"$home/cgroup.conf"
free_port() { python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
cat >"$SLURM_CONF" <<CONF
ClusterName=pdebench
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$home/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/logs/slurmctld.log
SlurmdLogFile=$home/logs/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=pmix
SchedulerParameters=bf_interval=1
SchedulerType=sched/backfill
ReturnToService=2
KillWait=2
MessageTimeout=30
NodeName=$name NodeAddr=127.0.0.1 CPUs=8 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=$name Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld -c -D >/dev/null 2>&1 &
pids+=($!)
slurmd -D -N "$name" >/dev/null 2>&1 &
pids+=($!)
for _ in $(seq 100); do
    sinfo --noheader --format=%t 2>/dev/null | grep -q idle && break
    sleep 0.1
done
sinfo --noheader --format=%t | grep -q idle || { echo "slurm: the node does not come up"; exit 1; }

if [ $# = 0 ]; then
    set -- pytest -q -n 0 tests/slurm
fi
"$@"
