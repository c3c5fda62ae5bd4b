"""Who is tried for a system, likeliest winner first, and what a factorisation would cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from .method import Method, methods
from .system import System, is_mat, is_structured

# A first system may cost this many times the best method's, before a rival is dropped.
PATIENCE, PATIENCE_DIRECT, PATIENCE_RECYCLED = 1.3, 2.5, 3.0
PLANE = 2.35  # of `dimension`: below it, a grid in the plane
CHEAP = 3e-6  # seconds for LU and unknown: below it, indefinite systems are factorised first
SMALL = 4000  # unknowns: below it, a sweep of ILU costs less than a transform
RECYCLED = 5  # systems that a space needs to show what it saves


STEADY = frozenset({"gmres"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method of the table with its options (JSON values), and how it is to be tried."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    patience: float = PATIENCE
    room: float = 2.0  # systems of the best method that trials must still be allowed, for this one to be tried
    least: int = 1  # systems that it must have solved before it is judged
    factor: float = 0.0  # of `elimination`'s estimate, for methods that factorise: 1 for LU, ½ for Cholesky
    floor: tuple[float, float] = (0.0, 0.0)  # seconds, and seconds per unknown, that a new matrix costs at least

    @property
    def steady(self) -> bool:
        """Whether its residual never rises, so that what the first iterations promise can be believed."""
        return self.name in STEADY

    @property
    def recycles(self) -> bool:
        return self.least >= RECYCLED

    def build(self) -> Method:
        return methods[self.name](**self.options)


def _direct(name: str, factor: float = 1.0, floor: tuple[float, float] = (0.0, 0.0)) -> Candidate:
    return Candidate(name, {}, PATIENCE_DIRECT, 4.0, 2, factor, floor)


def _recycled(name: str, **options: Any) -> Candidate:
    return Candidate(name, options, PATIENCE_RECYCLED, 6.0, RECYCLED)


def _plain(name: str, **options: Any) -> Candidate:
    return Candidate(name, options)


def _floored(name: str, floor: float, **options: Any) -> Candidate:
    return Candidate(name, options, floor=(0.0, floor))


def _multilevel(name: str, **options: Any) -> Candidate:
    """Its set-up cannot be stopped."""
    return Candidate(name, options, PATIENCE, 6.0, floor=(0.0, 7e-7))


# Floors: a factorisation; set-up with two iterations of a transform, ten with ICC; MUMPS' own start. All measured at
# 1000 to 10 000 unknowns on cores of 2020 to 2025, and taken from below.
STRUCTURED = (_plain("multigrid-cg"), _floored("transform-cg", 2.5e-7))
DEFINITE = (
    _floored("cg", 3.5e-7, pc="icc"),
    _multilevel("cg", pc="boomeramg"),
    _direct("direct-cholesky", 0.5, (0.0, 5e-7)),
    _multilevel("cg", pc="gamg"),
    _recycled("gcrodr", pc="icc"),
)
WAVES = (_recycled("transform-gcrodr", m=60, k=30),)
PLANE_LU, SPACE_LU = _direct("direct-klu", 1.0, (0.0, 7.5e-7)), _direct("direct-mumps", floor=(2.4e-3, 1.3e-6))
SPACES = (_recycled("gcrodr", pc="ilu", level=1, m=60, k=30), _recycled("gcrodr", pc="ilu"))
PLAIN = (
    _plain("bicgstab", pc="ilu", level=2),
    _plain("bicgstab", pc="ilu"),
    _plain("gmres", pc="ilu", level=1, restart=200),
    _plain("gmres", pc="ilu", restart=30),
    _multilevel("gmres", pc="boomeramg", restart=30),
)
WITHOUT_PETSC = (_recycled("gcrodr", pc="diagonal"), _direct("lu"))


def usual(system: System, *, same: bool = False) -> tuple[Candidate, ...]:
    """Candidates in the order of their prospects; `same`: the matrix stays, so a factorisation is made once.

    With constant coefficients a fast transform is nearly the inverse. An indefinite matrix makes incomplete factors
    poor and BiCGStab erratic: factors come first where they are cheap, else recycled spaces.
    """
    structured = is_structured(system.operator)
    uniform = structured and _uniform(system)
    cheap = elimination(system)[0] < CHEAP * system.rows[0]
    factored = (PLANE_LU, SPACE_LU) if dimension(system) < PLANE else (SPACE_LU,)
    if system.definite:
        found = (STRUCTURED[:: -1 if uniform else 1] if structured else ()) + DEFINITE
    elif system.symmetric:
        small = system.rows[0] < SMALL
        spaces = (SPACES[::-1] + WAVES if small else WAVES + SPACES) if structured else SPACES
        found = (factored + spaces if cheap else spaces[:1] + factored + spaces[1:]) + PLAIN
    else:
        found = PLAIN[:2] + factored + SPACES + PLAIN[2:] + (WAVES if structured else ())
    found += WITHOUT_PETSC
    if not same:
        return found
    direct = tuple(one for one in found if one.factor)
    rest = tuple(one for one in found if not one.factor)
    return direct + rest if cheap and not uniform else rest[:1] + direct + rest[1:]


def _uniform(system: System) -> bool:
    """Whether conductances are constant along each axis, but for the sides."""
    inner = [np.moveaxis(face, axis, 0)[1:-1] for axis, face in enumerate(system.operator.faces)]
    return bool(all(face.size == 0 or np.ptp(face) == 0 for face in inner))


def elimination(system: System) -> tuple[float, float]:
    """Seconds for LU by nested dissection and for one solve with it, on one core of 2020 to 2025; within a factor of 3.

    Two dimensions: 2 · 9.9 n^1.5 operations, 7.75 n log₂ n entries a factor (George 1973, SIAM J. Numer. Anal. 10,
    345); three: 2 n² and 9 n^(4/3), both fitted. Rates, and what goes with n, are fitted to CHOLMOD and KLU at
    64² … 256² and MUMPS at 12³ … 48³.
    """
    n, axes = float(system.rows[0]), dimension(system)
    if axes < 1.5:
        return 2e-7 * n, 2e-8 * n
    if axes < PLANE:
        return 1e-8 * n**1.5 + 3e-7 * n, 2 * 7.75 * n * np.log2(n + 1) * 4e-10
    return 2e-10 * n**2 + 3e-6 * n, 2 * 9 * n ** (4 / 3) * 4e-10


def dimension(system: System) -> float:
    """How fast the neighbourhood of an unknown grows: 1.0 in a line, near 2 on a plane grid, near 2.7 in a cube.

    Of a matrix without grid: log₂ of how many unknowns lie within 8 couplings over those within 4,
    which sees a cube of fewer than 16 unknowns a side as a plane.
    """
    if is_structured(system.operator):
        return float(len(system.operator.shape))
    if is_mat(system.operator) and system.comm.size > 1:
        return 3.0
    matrix = system.matrix
    pattern = sparse.csr_matrix((np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), matrix.shape)
    n = matrix.shape[0]
    reached = np.zeros((n, 3), np.float32)
    reached[[n // 2, n // 3, n // 5], range(3)] = 1  # of several, because one may lie in a corner
    sizes = []
    for _ in range(8):
        reached = np.minimum(reached + pattern @ reached, 1)
        sizes.append(np.count_nonzero(reached, axis=0))
    return float(np.log2(sizes[7] / sizes[3]).max())
