"""−∇·(a∇u) + c u in flux form on a uniform grid: what multigrid and fast transforms take, and what makes the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.solvers.krylov.stencil import five_points

End = Literal["lower", "upper"]


@dataclass(frozen=True, eq=False)
class FluxForm:
    """The symmetric operator −∇·(a∇u) + c u on the unknowns (cells or nodes) of a uniform grid in 1D to 3D.

    `faces[axis]` holds conductance/h² [1/s or the like: a/h² per unknown] between neighbours, with one more entry than
    unknowns along its axis: entry i lies **below** unknown i. The first and the last are 0 where nothing flows, the
    conductance to the boundary value where one is given (which then adds to the diagonal only; see `source`), and one
    and the same face where the axis is periodic. `shift` is c, one number or one per unknown.
    """

    faces: tuple[Array, ...]
    shift: Array | float
    periodic: tuple[bool, ...]

    def __post_init__(self) -> None:
        dim = len(self.faces)
        if not 1 <= dim <= 3 or len(self.periodic) != dim or any(face.ndim != dim for face in self.faces):
            raise ValueError(
                f"expected 1 to 3 face arrays, each with as many axes, and as many `periodic` flags; "
                f"got faces of shapes {[face.shape for face in self.faces]} and periodic = {self.periodic}"
            )
        for axis, face in enumerate(self.faces):
            expected = tuple(n + (a == axis) for a, n in enumerate(self.shape))
            if face.shape != expected:
                raise ValueError(f"expected faces[{axis}] of shape {expected}, got {face.shape}")
            if self.periodic[axis] and not np.array_equal(*_ends(face, axis)):
                raise ValueError(f"axis {axis} is periodic, so its first and last faces must be the same")
        if np.ndim(self.shift) and np.shape(self.shift) != self.shape:
            raise ValueError(f"expected one shift or an array of shape {self.shape}, got {np.shape(self.shift)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Unknowns along each axis."""
        first = self.faces[0].shape
        return (first[0] - 1, *first[1:])

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return int(np.prod(self.shape))

    def apply(self, x: Array) -> Array:
        """A x, by differences of fluxes (nothing cancels for a constant x), of x's shape: `shape` or `(size,)`."""
        field = np.reshape(x, self.shape)
        out = np.multiply(self.shift, field)
        for axis, face in enumerate(self.faces):
            first, last, below, above = (_cut(axis, k) for k in (0, -1, slice(None, -1), slice(1, None)))
            flux = field[above] - field[below]
            flux *= face[_cut(axis, slice(1, -1))]
            out[above] += flux
            out[below] -= flux
            if self.periodic[axis]:
                wrapped = face[first] * (field[first] - field[last])
                out[first] += wrapped
                out[last] -= wrapped
            else:
                out[first] += face[first] * field[first]
                out[last] += face[last] * field[last]
        return np.asarray(out.reshape(np.shape(x)))

    def diagonal(self) -> Array:
        """The diagonal, of shape `shape`."""
        out = np.broadcast_to(np.asarray(self.shift, dtype=self.faces[0].dtype), self.shape)
        for axis, face in enumerate(self.faces):
            out = out + _part(face, axis, slice(None, -1)) + _part(face, axis, slice(1, None))
        return out

    def matrix(self) -> Any:
        """The same as a SciPy CSR array over the unknowns in C order.

        Its sparsity depends on shape and periodicity only, zeros are kept, and columns are sorted: `values` refills it.
        """
        indptr, indices, _ = five_points(self.shape, self.periodic)
        return sparse.csr_matrix((self.values(), indices.copy(), indptr.copy()), shape=(self.size, self.size))

    def values(self) -> Array:
        """The entries of `matrix()`, row by row."""
        parts = [self.diagonal().ravel()]
        for axis, face in enumerate(self.faces):
            parts += [-_part(face, axis, cut).ravel() for cut in (slice(None, -1), slice(1, None))]
        return np.asarray(np.concatenate(parts)[five_points(self.shape, self.periodic)[2]])

    @property
    def semidefinite(self) -> bool:
        """Whether every conductance and shift is finite and not negative, so that xᵀA x ≥ 0."""
        return all(bool(np.isfinite(a).all() and (a >= 0).all()) for a in (*self.faces, np.asarray(self.shift)))

    @property
    def singular(self) -> bool:
        """Whether constants are in the null space: nothing is shifted and no boundary value is given."""
        held = any(np.any(end) for axis in self._walled() for end in _ends(self.faces[axis], axis))
        return not held and not np.any(self.shift)

    @property
    def definite(self) -> bool:
        """Whether conjugate gradients are safe without a null space (supposing that all unknowns are connected)."""
        return self.semidefinite and not self.singular

    def source(self, axis: int, end: End, values: Array | float) -> Array:
        """What a boundary value g on one side adds to the right-hand side: its conductance times g, next to that side.

        `values`: one number, or an array over the side (the other axes).
        """
        out = np.zeros(self.shape)
        lower, upper = _ends(self.faces[axis], axis)
        out[_side(self, axis, end)] = (lower if end == "lower" else upper) * values
        return out

    def inflow(self, axis: int, end: End, flux: Array | float, spacing: float) -> Array:
        """What a flux a ∂u/∂n into the domain through one side adds to the right-hand side: flux / h, next to it."""
        out = np.zeros(self.shape)
        out[_side(self, axis, end)] = np.asarray(flux) / spacing
        return out

    def _walled(self) -> Iterator[int]:
        return (axis for axis, wraps in enumerate(self.periodic) if not wraps)


def _part(array: Array, axis: int, cut: slice | int) -> Array:
    return array[_cut(axis, cut)]


def _cut(axis: int, cut: slice | int) -> tuple[slice | int, ...]:
    return (slice(None),) * axis + (cut,)


def _ends(array: Array, axis: int) -> tuple[Array, Array]:
    return _part(array, axis, 0), _part(array, axis, -1)


def _side(form: FluxForm, axis: int, end: End) -> tuple[slice | int, ...]:
    if end not in ("lower", "upper"):
        raise ValueError(f"end must be 'lower' or 'upper', got {end!r}")
    if form.periodic[axis]:
        raise ValueError(f"axis {axis} is periodic: it has no {end} side")
    return (slice(None),) * axis + (0 if end == "lower" else -1,)


def flux_form(operator: Any) -> FluxForm:
    """The operator of a `Structured` system as a `FluxForm` (itself, where it is one)."""
    if isinstance(operator, FluxForm):
        return operator
    return FluxForm(tuple(operator.faces), operator.shift, tuple(operator.periodic))
