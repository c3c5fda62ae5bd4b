"""A multigrid V-cycle for flux forms, in NumPy: what `kernels.multigrid` computes, and what serves where it is missing.

Each level is again a flux form. One axis is coarsened at a time, cells in pairs (an odd last one alone):

- a face between two pairs has the resistance of the path between their centres, ½/f + 1/f + ½/f, so a jump of the
  coefficient is met as in one dimension (Alcouffe, Brandt, Dendy & Painter 1981, §3); all else is summed over the pair;
- values go up by what a flux that stays the same along the path makes of them (their "operator-induced" interpolation),
  residuals go down by the transpose. With constant coefficients that is ¾, ¼.

Axes whose conductance is small beside the largest wait, so stretched grids are coarsened where the coupling is
strong. Smoothing is red–black Gauss–Seidel, red first on the way down and last on the way up: the cycle is symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdebench.arrays import Array
from pdebench.solvers.krylov.flux import FluxForm

SMALLEST = 32  # unknowns of the level that is solved directly
WEAK = 0.3  # an axis is coarsened where its mean conductance is not below this share of the largest


@dataclass(frozen=True)
class Transfer:
    """Between a level and the one coarsened along `axis`: the share of its own pair in each value, `(*fine shape)`."""

    axis: int
    own: Array
    periodic: bool

    def up(self, coarse: Array) -> Array:
        """Coarse values interpolated."""
        size = self.own.shape[self.axis]
        here, far = self._neighbours(coarse, size)
        return np.asarray(self.own * here + (1 - self.own) * far)

    def down(self, fine: Array) -> Array:
        """Fine residuals to the coarse level: the transpose of `up`."""
        mine, other = (np.moveaxis(part, self.axis, 0) for part in (self.own * fine, (1 - self.own) * fine))
        pairs = (len(mine) + 1) // 2
        out = np.zeros((pairs + 2, *mine.shape[1:]))
        np.add(out[1:-1], mine[0::2], out=out[1:-1])
        out[1 : 1 + len(mine) // 2] += mine[1::2]
        out[:pairs] += other[0::2]
        out[2 : 2 + len(mine) // 2] += other[1::2]
        if self.periodic:
            out[-2] += out[0]
            out[1] += out[-1]
        return np.moveaxis(out[1:-1], 0, self.axis)

    def _neighbours(self, coarse: Array, size: int) -> tuple[Array, Array]:
        """For each fine unknown the coarse values of its own pair, and of that on its other side (0 beyond a wall)."""
        moved = np.moveaxis(coarse, self.axis, 0)
        edge = np.zeros_like(moved[:1])
        padded = np.concatenate([moved[-1:], moved, moved[:1]] if self.periodic else [edge, moved, edge])
        fine = np.arange(size)
        own = fine // 2 + 1
        far = own + np.where(fine % 2, 1, -1)
        return np.moveaxis(padded[own], 0, self.axis), np.moveaxis(padded[far], 0, self.axis)


def coarsened(form: FluxForm, axis: int) -> tuple[FluxForm, Transfer]:
    """The flux form with half as many unknowns along `axis`, and the way to it and back."""
    wraps = form.periodic[axis]
    edges = np.moveaxis(form.faces[axis], axis, 0)
    near, far = _conductances(edges, wraps)
    total = near + far
    here = np.isinf(near) | (total == 0)
    own = np.where(here, 1.0, np.where(here, 1.0, near) / np.where(here, 1.0, total))
    transfer = Transfer(axis, np.moveaxis(own, 0, axis), wraps)

    path = _series(far[::2], near[::2])
    if wraps:
        last = path[:1]
    else:
        last = edges[-1:] if len(near) % 2 else _series(far[-1:], near[-1:])
    faces = [np.moveaxis(np.concatenate([path, last]), 0, axis)] * len(form.faces)
    for other in set(range(len(form.faces))) - {axis}:
        faces[other], extra = _crossed(form, other, transfer)
        faces[axis] = faces[axis] + extra
    shift = np.add.reduceat(np.broadcast_to(form.shift, form.shape), np.arange(0, len(near), 2), axis=axis)
    return FluxForm(tuple(faces), shift, form.periodic), transfer


def _conductances(path: Array, wraps: bool) -> tuple[Array, Array]:
    """From each unknown to its own pair's centre (∞: it is there), and to the centre on its other side, or the wall."""
    size = len(path) - 1
    near = np.full((size, *path.shape[1:]), np.inf)
    near[: size - size % 2] = np.repeat(2 * path[1:size:2], 2, axis=0)
    beyond = np.full((size + 2, *path.shape[1:]), np.inf)
    beyond[1:-1] = near
    if wraps:
        beyond[0], beyond[-1] = near[-1], near[0]
    far = np.empty_like(near)
    far[::2] = _series(path[:size:2], beyond[0:size:2])
    far[1::2] = _series(path[2::2], beyond[3::2])
    return near, far


def _series(a: Array, b: Array) -> Array:
    """Conductance of a and b in a row; either may be 0, b may be infinite."""
    joined = np.isfinite(b) & (a + b > 0)
    return np.where(joined, a * np.where(joined, b, 1.0) / np.where(joined, a + b, 1.0), np.where(a > 0, a, 0.0))


def _crossed(form: FluxForm, axis: int, transfer: Transfer) -> tuple[Array, Array]:
    """Faces of another axis, shared out between the pairs; and what their ends' unlike shares add to faces along pairs.

    Interpolation with shares w, w′ at the two ends makes the difference
    w(U − U′) + (1 − w)(V − V′) + (w − w′)(U′ − V′): the last term couples U and V. Without it the coarse operator is
    too soft by the jump of the coefficient.
    """
    own, periodic = transfer.own, form.periodic[axis]
    ends = np.concatenate([own.take([-1 if periodic else 0], axis), own, own.take([0 if periodic else -1], axis)], axis)
    lower, upper = (np.moveaxis(np.moveaxis(ends, axis, 0)[cut], 0, axis) for cut in (slice(None, -1), slice(1, None)))
    shared = Transfer(transfer.axis, (lower + upper) / 2, transfer.periodic).down(form.faces[axis])
    energy = form.faces[axis] * (upper - lower) ** 2 / 2
    both = np.moveaxis(energy, axis, 0)
    lines = np.moveaxis(np.moveaxis(both[:-1] + both[1:], 0, axis), transfer.axis, 0)
    extra = np.zeros((len(lines[::2]) + 1, *lines.shape[1:]))
    extra[:-1] = lines[::2]
    extra[1 : 1 + len(lines[1::2])] += lines[1::2]
    if transfer.periodic:
        extra[0] += extra[-1]
        extra[-1] = extra[0]
    return shared, np.moveaxis(extra, 0, transfer.axis)


def strong_axes(form: FluxForm) -> tuple[int, ...]:
    """The axes to coarsen, in turn: long enough, and not weak beside the strongest of those."""
    means = [float(np.mean(face)) for face in form.faces]
    long = [axis for axis, n in enumerate(form.shape) if n > 2]
    largest = max((means[axis] for axis in long), default=0.0)
    return tuple(axis for axis in long if means[axis] >= WEAK * largest)


@dataclass(frozen=True)
class Level:
    """A flux form with what smoothing it needs, and the transfers to the next level."""

    form: FluxForm
    inverse_diagonal: Array
    red: NDArray[np.bool_]  # where the sum of the indices is even
    transfers: tuple[Transfer, ...]


class Hierarchy:
    """The levels of one matrix; `cycle` is the preconditioner."""

    def __init__(self, form: FluxForm) -> None:
        self.levels: list[Level] = []
        while form.size > SMALLEST and (axes := strong_axes(form)):
            transfers, fine = [], form
            for axis in axes:
                form, transfer = coarsened(form, axis)
                transfers.append(transfer)
            diagonal = fine.diagonal()
            red = np.indices(fine.shape).sum(axis=0) % 2 == 0
            self.levels.append(Level(fine, 1 / diagonal, red, tuple(transfers)))
        self.coarsest = form
        self.inverse = _inverse(form)

    def cycle(self, rhs: Array, depth: int = 0) -> Array:
        """One V(1, 1)-cycle from zero."""
        if depth == len(self.levels):
            return (self.inverse @ rhs.ravel()).reshape(rhs.shape)
        level = self.levels[depth]
        x = np.where(level.red, rhs * level.inverse_diagonal, 0.0)
        x = _relaxed(level, x, rhs, ~level.red)
        residual = rhs - level.form.apply(x)
        for transfer in level.transfers:
            residual = transfer.down(residual)
        correction = self.cycle(residual, depth + 1)
        for transfer in reversed(level.transfers):
            correction = transfer.up(correction)
        x = _relaxed(level, x + correction, rhs, ~level.red)
        return _relaxed(level, x, rhs, level.red)


def _relaxed(level: Level, x: Array, rhs: Array, colour: NDArray[np.bool_]) -> Array:
    return np.where(colour, x + (rhs - level.form.apply(x)) * level.inverse_diagonal, x)


def _inverse(form: FluxForm) -> Array:
    """The inverse as a full matrix; where constants are the null space, that of A + (mean of the diagonal) 1 1ᵀ/n."""
    matrix = np.stack([form.apply(unit.reshape(form.shape)).ravel() for unit in np.eye(form.size)])
    if form.singular:
        matrix += np.mean(np.diag(matrix)) / form.size
    return np.asarray(np.linalg.inv((matrix + matrix.T) / 2))
