"""PETSc's preconditioners by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from pdebench.arrays import Array
from pdebench.errors import SolverError

from .petsc import Assembly, missing, petsc
from .preconditioner import preconditioners
from .system import System


@dataclass(frozen=True, slots=True)
class Kind:
    """A PETSc preconditioner: on several ranks the local ones work on each rank's block."""

    type: str
    local: bool = False  # a factorisation or sweep of one rank's rows
    symmetric: bool = False  # for symmetric matrices only


KINDS = {
    "none": Kind("none"),
    "jacobi": Kind("jacobi"),
    "block_jacobi": Kind("bjacobi"),
    "sor": Kind("sor"),
    "ilu": Kind("ilu", local=True),
    "icc": Kind("icc", local=True, symmetric=True),
    "asm": Kind("asm"),
    "gamg": Kind("gamg"),
    "boomeramg": Kind("hypre"),
}


class PetscPreconditioner:
    """One of `KINDS`. `level`: fill of ILU or ICC; `blocks` of block Jacobi and ASM in all; `overlap` of ASM."""

    def __init__(self, kind: str, *, level: int = 0, blocks: int = 0, overlap: int = 1) -> None:
        self._kind, self._level, self._blocks, self._overlap = kind, level, blocks, overlap
        self.name = f"{kind}({level})" if kind in {"ilu", "icc"} else kind
        self._assembly = Assembly()
        self.mat: Any = None
        self.pc: Any = None
        self._marked = False  # whether `mat` was given a null space here
        self._options: dict[str, object] = {}  # in PETSc's table until the set-up has read them

    def eligible(self, system: System) -> str:
        kind = KINDS[self._kind]
        if kind.symmetric and not (system.symmetric and system.definite):
            return f"{self._kind} needs a symmetric positive definite matrix"
        return missing()

    def prepare(self, system: System) -> None:
        mat = self._assembly.mat(system)
        fresh = self.pc is None or mat is not self.mat
        self.mat = mat
        if fresh:
            self.pc = petsc().PC().create(comm=mat.getComm())
        constant = system.nullspace == "constant"
        if constant or (self._marked and not fresh):  # an empty null space takes the one before back
            mat.setNullSpace(petsc().NullSpace().create(constant=constant, comm=mat.getComm()))
        self._marked = constant
        self.pc.setOperators(mat)
        try:
            if fresh:
                self._configure(self.pc, system)  # a kind that this PETSc was built without shows here
            self.pc.setUp()
        except petsc().Error as error:
            self.pc = None
            raise SolverError(f"{self.name} cannot be set up: PETSc error {error.ierr}") from error
        finally:
            self._forget_options()

    def apply(self, residual: Array, out: Array) -> None:
        comm = self.mat.getComm()
        given, found = (petsc().Vec().createWithArray(part, comm=comm) for part in (residual, out))
        self.pc.apply(given, found)

    def _configure(self, pc: Any, system: System) -> None:
        """A prefix of its own: those given here are not global. Inner solvers read theirs in the set-up."""
        kind = KINDS[self._kind]
        prefix = f"pdebench_{id(self):x}_"
        pc.setOptionsPrefix(prefix)
        inner, outer = kind.type, "bjacobi" if kind.local and system.comm.size > 1 else kind.type
        pc.setType(outer)
        factor = "sub_pc_factor" if outer in {"bjacobi", "asm"} else "pc_factor"
        settings: dict[str, object] = {} if inner == outer else {"sub_pc_type": inner}
        if inner in {"ilu", "icc", "bjacobi", "asm"}:
            settings[f"{factor}_levels"] = self._level
            settings[f"{factor}_shift_type"] = "positive_definite" if inner == "icc" else "nonzero"
        if inner == "asm":
            settings["pc_asm_overlap"] = self._overlap
        if inner == "sor":
            settings["pc_sor_local_symmetric"] = True
        if self._blocks and inner in {"asm", "bjacobi"}:
            settings[f"pc_{inner}_blocks"] = self._blocks
        self._options = {f"{prefix}{name}": value for name, value in settings.items()}
        options = petsc().Options()
        for name, value in self._options.items():
            options[name] = value
        pc.setFromOptions()

    def _forget_options(self) -> None:
        options = petsc().Options()
        for name in self._options:
            options.delValue(name)
        self._options = {}


for _kind in KINDS:
    preconditioners(_kind)(partial(PetscPreconditioner, _kind))
