"""One linear system A x = b, whatever A is kept as: the currency of this package."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeGuard

import google_crc32c
import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm, Serial

from .reduce import everywhere, norm, without_mean


class Structured(Protocol):
    """−∇·(a∇u) + c u on a uniform grid; what `flux.FluxForm` is. Arrays have the grid's `shape`.

    `faces[axis]` holds conductance / h², with one more entry than cells along that axis: 0 at a border without
    flux, the conductance to the boundary value for Dirichlet, equal first and last when `periodic`.
    """

    @property
    def faces(self) -> tuple[Array, ...]: ...
    @property
    def shift(self) -> Array | float: ...
    @property
    def periodic(self) -> tuple[bool, ...]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def apply(self, x: Array) -> Array: ...
    def matrix(self) -> Any: ...
    def diagonal(self) -> Array: ...


@dataclass(frozen=True)
class System:
    """A x = b with what is known about A. Under MPI, A is a PETSc Mat and vectors are this rank's rows of it.

    Values of `operator` may be changed in place between systems, but not while a `System` made of it is in use.
    """

    operator: Any  # Structured | scipy CSR matrix or array | PETSc Mat
    rhs: Array  # (n,), float64, this rank's rows
    symmetric: bool = False
    definite: bool = False  # positive definite, or semi-definite with the null space named
    nullspace: Literal["none", "constant"] = "none"  # of A and of Aᵀ: pure Neumann or periodic
    comm: Comm = field(default_factory=Serial)

    def __post_init__(self) -> None:
        if self.rhs.ndim != 1 or self.rhs.dtype != np.float64:
            raise SolverError(
                f"the right-hand side must be float64 of shape (n,), not {self.rhs.dtype} {self.rhs.shape}"
            )
        if not (is_structured(self.operator) or is_mat(self.operator) or hasattr(self.operator, "indptr")):
            raise SolverError(
                f"the operator must be a flux form, a CSR matrix or a PETSc Mat, not {type(self.operator).__name__}"
            )
        if self.comm.size > 1 and not is_mat(self.operator):
            raise SolverError("a system shared by several ranks needs a PETSc Mat for its operator")
        if self.comm.size == 1 and self.rows != (self.rhs.size, self.rhs.size):
            raise SolverError(f"the operator is {self.rows}, but the right-hand side has {self.rhs.size} entries")
        if self.definite and not self.symmetric:
            raise SolverError("a system called positive definite must be called symmetric too")

    @property
    def rows(self) -> tuple[int, int]:
        """Rows and columns of A, over all ranks."""
        if is_structured(self.operator):
            return (int(np.prod(self.operator.shape)),) * 2
        if is_mat(self.operator):
            return tuple(self.operator.getSize())
        return tuple(self.operator.shape)

    @cached_property
    def matrix(self) -> Any:
        """A as a scipy CSR matrix with sorted columns and no duplicates, made once; on one rank only."""
        if self.comm.size > 1:
            raise SolverError("a matrix spread over ranks has no scipy form; use a method that takes a PETSc Mat")
        if is_mat(self.operator):
            indptr, indices, values = self.operator.getValuesCSR()
            return sparse.csr_matrix((values, indices, indptr), shape=self.rows)
        given = self.operator.matrix() if is_structured(self.operator) else self.operator
        matrix = sparse.csr_matrix(given, dtype=float)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        return matrix

    @cached_property
    def mat(self) -> Any:
        """A as a PETSc Mat, made once. `petsc.Assembly` does the same along a sequence, in the same memory."""
        from .petsc import new_mat

        return self.operator if is_mat(self.operator) else new_mat(self.matrix)

    @cached_property
    def diagonal(self) -> Array:
        """This rank's part of A's diagonal, `(n,)`."""
        if is_mat(self.operator):
            return np.array(self.operator.getDiagonal().getArray())
        return np.asarray(self.operator.diagonal(), dtype=float).reshape(-1)

    @cached_property
    def consistent_rhs(self) -> Array:
        """b, without its mean where constants are the null space: the part that a solution can meet."""
        return without_mean(self.comm, self.rhs) if self.nullspace == "constant" else self.rhs

    def apply(self, x: Array) -> Array:
        """A x, `(n,)`."""
        if is_structured(self.operator):
            return np.asarray(self.operator.apply(x.reshape(self.operator.shape))).reshape(-1)
        if is_mat(self.operator):
            from .petsc import multiply

            return multiply(self.operator, x)
        return np.asarray(self.operator @ x)

    def residual(self, x: Array) -> Array:
        """b − A x, with b `consistent_rhs`."""
        return np.asarray(self.consistent_rhs - self.apply(x))

    def relative_residual(self, x: Array) -> float:
        """‖b − A x‖ / ‖b‖: what a solution is accepted on; 0 for x = b = 0, NaN and ∞ where x has them."""
        if not everywhere(self.comm, bool(np.isfinite(x).all())):
            return float("nan")
        size, left = norm(self.comm, self.consistent_rhs), norm(self.comm, self.residual(x))
        return left / size if size > 0 else left

    def roundoff(self, x: Array) -> float:
        """The relative residual that float64 leaves uncertain at x: 4 ε ‖ |A| |x| + |b| ‖ / ‖b‖."""
        spread = self._absolute_product(np.abs(x)) + np.abs(self.consistent_rhs)
        size = norm(self.comm, self.consistent_rhs)
        return 4 * float(np.finfo(float).eps) * norm(self.comm, spread) / size if size > 0 else 0.0

    def _absolute_product(self, x: Array) -> Array:
        """|A| x for x ≥ 0."""
        if is_structured(self.operator):  # |A| x = |d| x + (d x − A x), d the diagonal: the rest is ≤ 0
            return np.asarray((np.abs(self.diagonal) + self.diagonal) * x - self.apply(x))
        if is_mat(self.operator):
            from .petsc import absolute, multiply

            return multiply(absolute(self.operator), x)
        return np.asarray(abs(self.matrix) @ x)  # not of `operator`, whose entries SciPy would sort in place

    @cached_property
    def fingerprint(self) -> tuple[object, ...]:
        """Equal for equal matrices: shape and checksums of what defines A, or a Mat's identity and state."""
        operator = self.operator
        if is_mat(operator):
            return (operator.handle, operator.stateGet())
        if is_structured(operator):
            shift = np.atleast_1d(np.asarray(operator.shift, dtype=float))
            return (operator.periodic, *(_checksum(part) for part in (*operator.faces, shift)))
        return (operator.shape, *(_checksum(getattr(operator, part)) for part in ("indptr", "indices", "data")))


def is_structured(operator: Any) -> TypeGuard[Structured]:
    """Whether the operator is a flux form on a uniform grid."""
    return hasattr(operator, "faces")


def is_mat(operator: Any) -> bool:
    """Whether the operator is a PETSc Mat; does not import PETSc."""
    return hasattr(operator, "getValuesCSR")


def _checksum(values: Array) -> tuple[tuple[int, ...], int]:
    return values.shape, google_crc32c.value(np.ascontiguousarray(values))


class Watch:
    """Tells whether a system's matrix is the one seen last."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] | None = None
        self._kept: object = None  # so that a Mat's handle is not used again for another while it is remembered

    def is_new(self, system: System) -> bool:
        """Whether the matrix differs from that of the last call, on any rank."""
        same = everywhere(system.comm, system.fingerprint == self._seen)
        self._seen, self._kept = system.fingerprint, system.operator
        return not same

    def forget(self) -> None:
        """The next matrix is new."""
        self._seen = self._kept = None
