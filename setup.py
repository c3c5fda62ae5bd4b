"""The compiled kernels; everything else is in setup.cfg. Without a compiler the package installs and NumPy serves."""

import os
import platform
from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup
from setuptools.command.build_ext import build_ext

ISA_FLAGS = {"isa_baseline": ""}
if platform.machine() in {"x86_64", "AMD64"}:
    ISA_FLAGS["isa_avx2"] = "-mavx2 -mfma"
    ISA_FLAGS["isa_avx512"] = "-mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512"

# No -ffast-math: at link time it would flush subnormal numbers for the whole process.
FLAGS = os.environ.get("PDEBENCH_OPTIMISE", "-O3") + " -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wno-psabi"
KERNELS = Path("solvers/kernels")


class BuildLanes(build_ext):
    """Every `isa_*.cpp` has flags of its own."""

    def build_extensions(self):
        compile_one = self.compiler._compile

        def with_own_flags(obj, src, ext, cc_args, extra_postargs, pp_opts):
            own = ISA_FLAGS.get(Path(src).stem, "").split()
            compile_one(obj, src, ext, cc_args, [*extra_postargs, *own], pp_opts)

        self.compiler._compile = with_own_flags
        super().build_extensions()


ParallelCompile("PDEBENCH_BUILD_JOBS", default=2).install()
setup(
    cmdclass={"build_ext": BuildLanes},
    ext_modules=[
        Pybind11Extension(
            "pdebench.solvers.kernels._lanes",
            [str(KERNELS / f"{name}.cpp") for name in ("module", *ISA_FLAGS)],
            depends=sorted(str(header) for header in KERNELS.glob("*.hpp")),
            cxx_std=17,
            extra_compile_args=FLAGS.split(),
            optional=True,
        )
    ],
)
