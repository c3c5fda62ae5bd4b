"""Walls that a process puts round itself before it touches what a stranger made; Linux, x86-64 and arm64.

rlimits bound memory, processor time, file size and open files. Landlock (5.13 and later) leaves only named folders to
be read, and none to be written. seccomp refuses system calls: new processes, programs, sockets, signals to others,
memory of others, mounts, name spaces, and what Landlock lets pass: modes, owners, times and attributes of files. No
capabilities, and no new privileges: the superuser is a user, no setuid program helps. None of it can be undone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable
from pathlib import Path

FILE_SIZE = 2**20  # bytes: what a model may tell on standard error, the one file it has
OPEN_FILES = 256
THREADS = 256

_libc = ctypes.CDLL(None, use_errno=True)
_NO_NEW_PRIVILEGES = 38
_SECCOMP, _FILTER, _ALL_THREADS = (317, 277), 1, 1  # the call on x86-64 and arm64, and its arguments
_LANDLOCK = {"create": 444, "add": 445, "restrict": 446}  # the same on every architecture
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_OF = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # rights over files known to each version of Landlock

# System calls refused with EPERM, x86-64 and arm64 (None: it has none). From the kernel's tables.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "mq_open": (240, 180),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "truncate": (76, 45),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "open_by_handle_at": (304, 265),
    "quotactl": (179, 60),
}
_CLONE, _CLONE3, _PRLIMIT, _TGKILL = (56, 220), (435, 435), (302, 261), (234, 131)
_CLONE_THREAD = 0x10000
_CAPSET, _CAPABILITIES = (126, 91), 0x20080522  # the call, and the version of its layout
# Requests to an open file that are refused: signals on its input sent to others, leases; flags of the inode.
_FCNTL, _TELLS = (72, 25), (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_IOCTL, _FLAGS = (16, 29), (0x40086602, 0x401C5820)  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR


def limit(memory: int, seconds: int, *, alone: bool) -> None:
    """rlimits: `memory` bytes beyond what is mapped now, `seconds` of processor time over all threads.

    `alone`: in a user name space of its own, where the number of threads is counted apart from the user's others.
    """
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    for what, value in (
        (resource.RLIMIT_AS, mapped + memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        resource.setrlimit(what, (value, value))
    if alone:
        resource.setrlimit(resource.RLIMIT_NPROC, (THREADS, THREADS))


def no_new_privileges() -> None:
    if _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def no_capabilities() -> bool:
    """Give up every capability, for good; False where the call is not known."""
    machine = _machine()
    if machine is None:
        return False
    if _libc.syscall(_CAPSET[machine], struct.pack("Ii", _CAPABILITIES, 0), bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")
    return True


def landlock_version() -> int:
    """0 where the kernel has none."""
    return max(0, int(_libc.syscall(_LANDLOCK["create"], None, 0, 1)))


def landlock(readable: Iterable[Path]) -> bool:
    """Allow reading what lies under `readable`, and no other file access; False where the kernel cannot."""
    version = landlock_version()
    if not version:
        return False
    handled = (1 << _ALL_OF.get(version, 16)) - 1
    ruleset = struct.pack("Q", handled)
    rules = _libc.syscall(_LANDLOCK["create"], ruleset, len(ruleset), 0)
    if rules < 0:
        return False
    for path in readable:
        if path.exists():
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rights = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
            rule = struct.pack("=Qi", rights, place)
            failed = _libc.syscall(_LANDLOCK["add"], rules, 1, rule, 0)
            os.close(place)
            if failed:
                raise OSError(ctypes.get_errno(), f"landlock_add_rule({path})")
    if _libc.syscall(_LANDLOCK["restrict"], rules, 0):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(rules)
    return True


def seccomp() -> bool:
    """Refuse system calls as the table says, for all threads to come; False on other machines than those it knows."""
    machine = _machine()
    if machine is None:
        return False
    program = _filter(machine)
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    return not _libc.syscall(_SECCOMP[machine], _FILTER, _ALL_THREADS, head)


def _machine() -> int | None:
    """Which column of the tables this machine reads."""
    return {"x86_64": 0, "aarch64": 1}.get(platform.machine())


def _filter(machine: int) -> bytes:
    """The rules as classic BPF, 8 bytes an instruction."""
    load, equal, at_least, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, absent, kill = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38, 0x80000000

    def op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, k)

    def only(number: int, first_argument: bytes) -> list[bytes]:
        """A call that is allowed where the test of its first argument says yes."""
        return [op(equal, number, 0, 4), op(load, 16), first_argument, op(give, refuse), op(give, allow)]

    def but(number: int, requests: tuple[int, ...]) -> list[bytes]:
        """A call that is refused where its second argument is one of the requests."""
        tests = [op(equal, request, len(requests) - i) for i, request in enumerate(requests)]
        return [op(equal, number, 0, len(tests) + 3), op(load, 24), *tests, op(give, allow), op(give, refuse)]

    lines = [op(load, 4), op(equal, (0xC000003E, 0xC00000B7)[machine], 1), op(give, kill), op(load, 0)]
    if machine == 0:  # the x32 calls, another table under the same architecture
        lines += [op(at_least, 0x40000000, 0, 1), op(give, kill)]
    for numbers in _REFUSED.values():
        if (number := numbers[machine]) is not None:
            lines += [op(equal, number, 0, 1), op(give, refuse)]
    # Threads are allowed, processes are not; clone3 hides its flags: glibc takes clone where it is absent.
    lines += [op(equal, _CLONE3[machine], 0, 1), op(give, absent)]
    lines += only(_CLONE[machine], op(bits, _CLONE_THREAD, 1))
    lines += only(_PRLIMIT[machine], op(equal, 0, 1))  # its own limits
    lines += only(_TGKILL[machine], op(equal, os.getpid(), 1))  # its own threads
    lines += but(_FCNTL[machine], _TELLS) + but(_IOCTL[machine], _FLAGS)
    return b"".join([*lines, op(give, allow)])
