"""The compiled kernels; everything else is in setup.cfg. Without a compiler the package installs and NumPy serves."""

import fcntl
import os
import platform
import re
import sys
from pathlib import Path
from zlib import crc32

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup
from setuptools.command.build_ext import build_ext

# A source called `<name>_<isa>.cpp` is compiled for that instruction set alone, and left out on other processors.
ISA_FLAGS = {
    "baseline": "",
    "avx2": "-mavx2 -mfma",
    "avx512": "-mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512",
}
# The family's transforms are a tenth faster when GCC orders instructions before it hands out registers, of which
# AVX-512 has enough.
ORDERED = ["-fschedule-insns", "-fsched-pressure"]
OURS = set(ISA_FLAGS) if platform.machine() in {"x86_64", "AMD64"} else {"baseline"}
# For builds that stay on one machine: PDEBENCH_ISAS="baseline avx512" takes two thirds of the time.
if wanted := os.environ.get("PDEBENCH_ISAS", "").split():
    if unknown := {*wanted} - ISA_FLAGS.keys():
        raise SystemExit(f"PDEBENCH_ISAS: {', '.join(sorted(unknown))}? There are {', '.join(ISA_FLAGS)}")
    OURS &= {"baseline", *wanted}
WITHOUT = "".join(f" -DLANES_WITHOUT_{isa.upper()}" for isa in ISA_FLAGS if isa not in OURS)

# What binds kernels to Python holds no loop that counts; without much optimising it compiles in two thirds of the time.
OWN_FLAGS = ISA_FLAGS | {"bind": "-O1", "module": "-O1"}

# No -ffast-math: at link time it would flush subnormal numbers for the whole process.
FLAGS = (
    os.environ.get("PDEBENCH_OPTIMISE", "-O3")
    + " -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wno-psabi"
    + WITHOUT
)
KERNELS = Path("solvers/kernels")


def isa_of(source):
    return Path(source).stem.rpartition("_")[2]


def included(source, seen=None):
    """The source and all of ours that it includes."""
    seen = set() if seen is None else seen
    path = Path(source).resolve()
    if path not in seen and path.is_file():
        seen.add(path)
        for name in re.findall(r'#include "(.+)"', path.read_text()):
            included(path.parent / name, seen)
    return seen


def must_compile(obj, source):
    """Whether the object is older than its source, what that includes, or this file with its flags."""
    made = Path(obj).stat().st_mtime if Path(obj).exists() else 0
    return any(path.stat().st_mtime >= made for path in {*included(source), Path(__file__).resolve()})


class BuildKernels(build_ext):
    """Sources of one instruction set have flags of their own."""

    def build_extensions(self):
        # One place for all ways to build, pip's editable one among them, so that each source is compiled once.
        flags = [FLAGS, *(os.environ.get(name, "") for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS")), sys.version]
        self.build_temp = str(Path("build") / f"kernels-{crc32(' '.join(flags).encode()):08x}")
        compile_one, clang = self.compiler._compile, "clang" in " ".join(self.compiler.compiler_so)

        def with_own_flags(obj, src, ext, cc_args, extra_postargs, pp_opts):
            own = OWN_FLAGS.get(isa_of(src), "").split()
            if not clang and Path(src).match("family/isa_avx512.cpp"):
                own += ORDERED
            compile_one(obj, src, ext, cc_args, [*extra_postargs, *own], pp_opts)

        self.compiler._compile = with_own_flags
        Path(self.build_temp).mkdir(parents=True, exist_ok=True)
        with open(Path(self.build_temp) / "lock", "w") as lock:  # ci/setup.sh begins to compile before pip gets here
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().build_extensions()


ParallelCompile("PDEBENCH_BUILD_JOBS", default=2, needs_recompile=must_compile).install()
setup(
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[
        Pybind11Extension(
            "pdebench.solvers.kernels._compiled",
            sorted(str(path) for path in KERNELS.rglob("*.cpp") if isa_of(path) not in ISA_FLAGS.keys() - OURS),
            depends=sorted(str(header) for header in KERNELS.rglob("*.hpp")),
            cxx_std=17,
            extra_compile_args=FLAGS.split(),
            optional=True,
        )
    ],
)
