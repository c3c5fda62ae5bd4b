"""Fast sine, cosine and Fourier transforms: exact inverses for constant coefficients, preconditioners for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft

from pdebench.arrays import Array

from .flux import FluxForm

WALL, NODE, HALF = "wall", "node", "half"  # how a side is closed: no flux, a value at distance h, at distance h/2


@dataclass(frozen=True, slots=True)
class Axis:
    """What diagonalises the second difference along one axis with a given pair of closures."""

    transform: str  # "dct", "dst" or "fft"
    type: int
    angle: Callable[[int], Array]  # eigenvalue k is 2 − 2 cos(angle k)


def _angles(offset: float, longer: int = 0) -> Callable[[int], Array]:
    return lambda n: np.pi * (np.arange(n) + offset) / (n + longer)


# Strang (1999), SIAM Review 41, 135: the eight discrete cosine transforms, and the sine transforms beside them.
AXES = {
    (WALL, WALL): Axis("dct", 2, _angles(0)),
    (HALF, HALF): Axis("dst", 2, _angles(1)),
    (NODE, NODE): Axis("dst", 1, _angles(1, 1)),
    (HALF, WALL): Axis("dst", 4, _angles(0.5)),
    (WALL, HALF): Axis("dct", 4, _angles(0.5)),
}
WRAP = Axis("fft", 0, lambda n: 2 * np.pi * np.arange(n) / n)


class ConstantInverse:
    """The inverse of Σ κ_axis (−∂²) + shift with the closures of a flux form; work and memory O(n log n).

    κ [conductance/h²] one per axis. Eigenvalues smaller than `floor` times the smallest non-zero one of the Laplacian
    are pushed out to it, with their sign: that of constants, or those at a resonance.
    """

    def __init__(self, form: FluxForm, conductance: tuple[float, ...], shift: float, *, floor: float = 0.0) -> None:
        self._shape = form.shape
        self._axes = [axis_of(form, axis) for axis in range(len(form.shape))]
        self._wrapping = [a for a, axis in enumerate(self._axes) if axis.transform == "fft"]
        laplacian = np.zeros([1] * len(form.shape))
        for a, (axis, kappa) in enumerate(zip(self._axes, conductance, strict=True)):
            n = form.shape[a]
            values = kappa * (2 - 2 * np.cos(axis.angle(n)))
            if self._wrapping and a == self._wrapping[-1]:
                values = values[: n // 2 + 1]
            laplacian = laplacian + values.reshape([-1 if b == a else 1 for b in range(len(form.shape))])
        positive = laplacian[laplacian > 1e-13 * laplacian.max(initial=0.0)]
        least = float(positive.min()) if positive.size else 1.0
        values = laplacian + shift
        bound = max(floor, 1e-12) * least
        pushed = np.where(values < 0, -bound, bound) if floor else np.inf  # an infinite eigenvalue leaves the mode out
        self._inverse = 1 / np.where(np.abs(values) < bound, pushed, values)

    def __call__(self, rhs: Array) -> Array:
        """x, of the shape of `rhs` (the grid's, or `(n,)`)."""
        hat = rhs.reshape(self._shape)
        for a, axis in enumerate(self._axes):
            if axis.transform != "fft":
                hat = getattr(fft, axis.transform)(hat, axis.type, axis=a, norm="ortho", workers=1)
        if self._wrapping:
            lengths = [self._shape[a] for a in self._wrapping]
            hat = fft.irfftn(
                fft.rfftn(hat, axes=self._wrapping, workers=1) * self._inverse, lengths, self._wrapping, workers=1
            )
        else:
            hat = hat * self._inverse
        for a, axis in enumerate(self._axes):
            if axis.transform != "fft":
                hat = getattr(fft, "i" + axis.transform)(hat, axis.type, axis=a, norm="ortho", workers=1)
        return np.asarray(hat).reshape(rhs.shape)


def closures(form: FluxForm, axis: int) -> tuple[str, str]:
    """How each side is closed, by its mean conductance beside that of the inner faces next to it."""
    face = np.moveaxis(form.faces[axis], axis, 0)
    found = []
    for end, inner in ((face[0], face[1:-1][:1]), (face[-1], face[1:-1][-1:])):
        ratio = float(np.mean(end)) / float(np.mean(inner)) if inner.size else 1.0
        found.append(WALL if ratio < 0.25 else NODE if ratio < 1.5 else HALF)
    return found[0], found[1]


def axis_of(form: FluxForm, axis: int) -> Axis:
    """The transform of an axis; a node side opposite another kind is taken as a half cell (an approximation)."""
    if form.periodic[axis]:
        return WRAP
    pair = closures(form, axis)
    lower, upper = (HALF if side == NODE and pair != (NODE, NODE) else side for side in pair)
    return AXES[lower, upper]


def constant_part(form: FluxForm) -> tuple[float, ...]:
    """One conductance per axis: the mean of the inner faces (1 where there are none)."""
    parts: list[float] = []
    for axis, face in enumerate(form.faces):
        inner = np.moveaxis(face, axis, 0)[1:-1]
        parts.append(float(np.mean(inner)) if inner.size else float(np.mean(face)) or 1.0)
    return tuple(parts)


def exact_inverse(form: FluxForm) -> ConstantInverse:
    """A⁻¹ of a form with constant coefficients (on its mean-free part, where constants are the null space).

    Raises `ValueError` where the form is not one that a transform diagonalises.
    """
    inverse = ConstantInverse(form, constant_part(form), float(np.mean(form.shift)))
    probe = np.cos(np.arange(form.size, dtype=float)).reshape(form.shape)
    back = inverse(form.apply(probe))
    error = back - probe - (np.mean(back - probe) if form.singular else 0.0)
    if not np.abs(error).max() <= 1e-6:
        raise ValueError("the coefficients or the sides of this flux form are not those that a fast transform solves")
    return inverse


class ScaledInverse:
    """s⁻¹ T⁻¹ s⁻¹ with s = √(local coefficient / mean) and T of constant coefficients: symmetric.

    Concus & Golub (1973), SIAM J. Numer. Anal. 10, 1103. The shift of T is the mean of c/s²: the constant-shift
    preconditioner of a Helmholtz problem, with real numbers, where c = −k².
    """

    def __init__(self, form: FluxForm, *, floor: float = 0.1) -> None:
        conductance = constant_part(form)
        wanted, mean = _leaning(form, form.faces), _leaning(form, _constant_faces(form, conductance))
        self._scale = np.sqrt(np.maximum(wanted / mean, 1e-300))
        shift = float(np.mean(np.asarray(form.shift) / self._scale**2))
        self._inverse = ConstantInverse(form, conductance, shift, floor=floor)

    def __call__(self, rhs: Array) -> Array:
        scale = self._scale.reshape(rhs.shape)
        return np.asarray(self._inverse(rhs / scale) / scale)


def _leaning(form: FluxForm, faces: tuple[Array, ...]) -> Array:
    """The diagonal without its shift."""
    return FluxForm(faces, 0.0, form.periodic).diagonal()


def _constant_faces(form: FluxForm, conductance: tuple[float, ...]) -> tuple[Array, ...]:
    faces = []
    weight: dict[str, Any] = {WALL: 0.0, NODE: 1.0, HALF: 2.0}
    for axis, (face, kappa) in enumerate(zip(form.faces, conductance, strict=True)):
        new = np.full(face.shape, kappa)
        if not form.periodic[axis]:
            moved, sides = np.moveaxis(new, axis, 0), closures(form, axis)
            moved[0], moved[-1] = kappa * weight[sides[0]], kappa * weight[sides[1]]
        faces.append(new)
    return tuple(faces)
