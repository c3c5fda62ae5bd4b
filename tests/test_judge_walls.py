"""Hostile submissions: each tries something from inside its cell, and nothing comes of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pdebench.errors import ModelError, PdebenchError
from pdebench.judge import walls
from pdebench.judge.cell import readable, within_reach
from pdebench.judge.judging import Prisoner
from pdebench.judge.submission import Submission
from pdebench.testing import tiny_spec

SPEC = tiny_spec()

# Each returns when it got what it wanted, and raises when it did not.
ATTACKS = """
import ctypes, os, resource, socket, struct, subprocess, sys, threading, time
from pathlib import Path
import numpy as np

HERE, SEED = Path(__file__).parent, {seed!r}
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")

def own_file(): assert (HERE / "note.txt").read_text() == "mine"
def own_thread():
    done = []
    thread = threading.Thread(target=lambda: done.append(1)); thread.start(); thread.join()
    assert done

def read_seed(): open(SEED).read()
def read_through_proc(): open("/proc/self/root" + SEED).read()
def read_through_path(): os.open(f"/proc/self/fd/{{os.open(SEED, os.O_PATH)}}", os.O_RDONLY)
def list_temporary(): os.listdir("/tmp")
def list_root(): os.listdir("/")
def read_passwords(): open("/etc/passwd").read()
def read_parent(): open(f"/proc/{{os.getppid()}}/environ").read()
def read_first(): open("/proc/1/environ").read()
def write_own_folder(): open(HERE / "x", "w").write("x")
def write_temporary(): open("/tmp/pdebench_attack", "w").write("x")
def write_shared_memory(): open("/dev/shm/pdebench_attack", "w").write("x")
def remove_own(): os.remove(HERE / "note.txt")
def rename_own(): os.rename(HERE / "note.txt", HERE / "other.txt")
def make_folder(): os.mkdir(HERE / "folder")
def make_link(): os.symlink(SEED, HERE / "link")
def memory_file(): os.memfd_create("x")
def internet(): socket.socket(socket.AF_INET)
def unix_socket(): socket.socket(socket.AF_UNIX)
def pair(): socket.socketpair()
def raw_uring(): call(425, 8, ctypes.create_string_buffer(256))
def fork():
    pid = os.fork()
    if pid == 0: os._exit(0)
def fork_without_end():
    for _ in range(1000):
        try: fork(); return
        except OSError as error: last = error
    raise last
def spawn(): subprocess.run(["true"])
def become(): os.execv("/bin/true", ["true"])
def kill_parent(): os.kill(os.getppid(), 0)
def kill_all(): os.kill(-1, 0)
def trace(): call(101, 16, os.getppid(), 0, 0)
def new_space(): call(272, 0x10000000)
def mount(): call(165, b"none", b"/mnt", b"tmpfs", 0, None)
def raise_limits(): resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
def raise_own_through_prlimit():
    resource.prlimit(0, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
def forbid_seed(): os.chmod(SEED, 0)
def forbid_own(): os.chmod(HERE, 0)
def forbid_by_descriptor(): os.fchmod(os.open(HERE / "note.txt", os.O_RDONLY), 0o777)
def own_seed(): os.chown(SEED, os.getuid(), os.getgid())
def own_by_descriptor(): os.fchown(os.open(HERE / "note.txt", os.O_RDONLY), -1, -1)
def touch_seed(): os.utime(SEED, (1, 1))
def mark_own(): os.setxattr(HERE / "note.txt", "user.x", b"1")
def unmark_own(): os.removexattr(HERE / "note.txt", "user.x")
def signal_thread(): call(297, os.getpid() + 1, os.getpid() + 1, 10, ctypes.create_string_buffer(128))
def signal_by_input():  # a pipe that signals whom it is told to
    import fcntl
    end, _ = os.pipe()
    fcntl.fcntl(end, fcntl.F_SETOWN, os.getppid() or 1)
def be_first(): call(314, 0, struct.pack("IIQiIQQQ", 48, 1, 0, 0, 1, 0, 0, 0), 0)
def be_next(): os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
def attach_memory(): call(30, 0, None, 0)
def send_message(): call(69, 0, ctypes.create_string_buffer(64), 8, 0)
def kernel_log(): call(103, 3, ctypes.create_string_buffer(4096), 4096)
def limit_others(): resource.prlimit(os.getppid() or 1, resource.RLIMIT_CPU)
def more_memory(): np.ones(2**28 * 8, np.uint8)
def many_threads():
    for _ in range(5000): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()

ALL = {names!r}

class Attack:
    def __init__(self, spec, weights=None, **options):
        pass

    def predict(self, history, params, times):
        out = np.zeros((len(history), len(times), 1, 16, 16))
        try:
            globals()[ALL[int(params[0, 0])]]()
            out[:] = 1
        except BaseException as error:
            out[:] = -1
            print(ALL[int(params[0, 0])], type(error).__name__, error, file=sys.stderr)
        return out
"""
ALLOWED = ("own_file", "own_thread")
REFUSED = (
    *("read_seed", "read_through_proc", "read_through_path", "list_temporary", "list_root", "read_passwords"),
    *("read_parent", "read_first", "write_own_folder", "write_temporary", "write_shared_memory", "remove_own"),
    *("rename_own", "make_folder", "make_link", "memory_file", "internet", "unix_socket", "pair", "raw_uring"),
    *("fork", "fork_without_end", "spawn", "become", "kill_parent", "kill_all", "trace", "new_space", "mount"),
    *("raise_limits", "raise_own_through_prlimit", "limit_others", "forbid_seed", "forbid_own", "forbid_by_descriptor"),
    *("own_seed", "own_by_descriptor", "touch_seed", "mark_own", "unmark_own", "signal_thread", "signal_by_input"),
    *("be_first", "be_next", "attach_memory", "send_message", "kernel_log", "more_memory", "many_threads"),
)

pytestmark = pytest.mark.skipif(
    not (sys.platform == "linux" and walls.landlock_version()), reason="the walls need Linux with Landlock"
)


def prisoner(folder, *, memory=2**30, seconds=20.0, **options):
    model = Prisoner(
        SPEC, folder, Submission(label="Bad", model="m.py:Attack", options=options), memory=memory, seconds=seconds
    )
    model.start()
    return model


def asked(what=0.0, b=1):
    return np.ones((b, 1, 1, 16, 16), np.float32), np.full((b, 2), float(what)), np.array([0.25, 0.5])


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """One cell whose submission attacks as it is told, and the folder it lies in."""
    room = tmp_path_factory.mktemp("hidden")
    (room / "seed").write_text("secret")
    folder = room / "submission"
    folder.mkdir()
    (folder / "note.txt").write_text("mine")
    (folder / "m.py").write_text(ATTACKS.format(seed=str(room / "seed"), names=[*ALLOWED, *REFUSED]))
    model = prisoner(folder)
    yield model
    model.close()


@pytest.mark.parametrize("what", ALLOWED)
def test_what_a_model_needs_is_allowed(cell, what):
    assert (cell.predict(*asked(ALLOWED.index(what))) == 1).all()


@pytest.mark.parametrize("what", REFUSED)
def test_an_attack_is_refused_and_the_model_lives_on(cell, what):
    assert (cell.predict(*asked(len(ALLOWED) + REFUSED.index(what))) == -1).all()
    assert not Path("/tmp/pdebench_attack").exists()
    assert not Path("/dev/shm/pdebench_attack").exists()


def test_the_walls_are_named(cell):
    assert {"rlimits", "no-new-privileges", "landlock", "seccomp"} <= set(cell.isolation)


def code(folder, body, head=""):
    """A submission whose `predict` is `body`."""
    folder.mkdir()
    text = f"import os, sys, time\nimport numpy as np\n{head}\nclass Attack:\n"
    text += (
        "    def __init__(self, spec, weights=None, **options): pass\n    def predict(self, history, params, times):\n"
    )
    (folder / "m.py").write_text(text + "".join(f"        {line}\n" for line in body.splitlines()))
    return folder


GARBAGE = """
for fd in range(3, 64):
    try: os.write(fd, {what!r})
    except OSError: pass
time.sleep(30)
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("time.sleep(100)", "no answer within 1.5 s"),
        ("while True: pass", "no answer within 1.5 s"),
        (GARBAGE.format(what=b"you win\n"), "'you win'.*only answers may go to standard output"),
        (GARBAGE.format(what=b"array f8 1 137438953472\n"), r"announces an array of shape \(137438953472,\)"),
        (GARBAGE.format(what=b"x" * 5000), "more than 256 bytes"),
        ("os.abort()", "was killed by signal|ended with status"),
        ("os._exit(0)", "ended with status 0 instead of answering"),
        ("import ctypes; ctypes.string_at(0)", "was killed by signal|ended with status"),
        ("return np.zeros(3)", r"announces an array of shape \(3,\)"),
        ("raise ValueError('line\\nline')", "the model says: ValueError: line line"),
        ("return [np.ones(2**28) for _ in range(64)]", "MemoryError"),
    ],
)
def test_a_submission_that_breaks_the_protocol_loses(tmp_path, body, words):
    model = prisoner(code(tmp_path / "s", body), seconds=1.5)
    with pytest.raises(ModelError, match=words):
        model.predict(*asked())
    model.close()


def test_gigabytes_on_standard_error_end_at_a_megabyte(tmp_path):
    body = "while True: os.write(2, b'x' * 2**16)"
    model = prisoner(code(tmp_path / "s", body), seconds=5)
    with pytest.raises(ModelError):
        model.predict(*asked())
    model = prisoner(
        code(tmp_path / "t", "try:\n    " + body + "\nexcept OSError:\n    return np.ones((1, 2, 1, 16, 16))")
    )
    model.predict(*asked())
    assert os.fstat(model._talk._errors.fileno()).st_size <= walls.FILE_SIZE
    model.close()


def test_printing_harms_nobody(tmp_path):
    model = prisoner(code(tmp_path / "s", "print('hello')\nreturn np.ones((1, 2, 1, 16, 16))"))
    assert (model.predict(*asked()) == 1).all()
    model.close()


def test_code_at_import_is_inside_as_well(tmp_path):
    (tmp_path / "seed").write_text("secret")
    folder = code(tmp_path / "s", "return 1", head=f"open({str(tmp_path / 'seed')!r}).read()")
    with pytest.raises(ModelError, match="Permission denied"):
        prisoner(folder).predict(*asked())


def test_without_walls_nobody_is_judged(tmp_path, monkeypatch):
    folder = code(tmp_path / "s", "return 1")
    monkeypatch.setattr(Prisoner, "_hello", lambda self: b'{"isolation": ["rlimits"]}\n')
    with pytest.raises(PdebenchError, match="no landlock and no seccomp"):
        prisoner(folder)


def test_what_is_readable_holds_no_home_and_no_checkout(tmp_path):
    root = Path(__file__).parent.parent
    assert within_reach(tmp_path / "seed") is None
    assert within_reach(root / "seed") is None
    assert within_reach(root / "pdebench" / "seed") == root / "pdebench"
    assert Path("/") not in readable()
    assert Path.home() not in readable()
