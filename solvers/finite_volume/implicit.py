"""Stiff laws on a line, ∂m(v)/∂t = F(v, t): steps of TR-BDF2 whose error is watched, by Newton's method.

Second order, L-stable, with an error estimate of third order (Bank et al. 1985, IEEE Trans. Electron Devices 32, 1992;
Hosea & Shampine 1996, Appl. Numer. Math. 20, 21). What the faces exchange is exchanged in full: Σ m is conserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import lapack

from pdebench.arrays import Array, Index

Bands = tuple[Array, Array, Array]  # below, on and above the diagonal, `(b, n)` each, by row

GAMMA = 2 - np.sqrt(2)  # where in the step the first stage ends
SAME = GAMMA / 2  # weight of a stage's own rate
OTHER = np.sqrt(2) / 4  # of the rates before the second stage
DEFECT = (OTHER - (1 - OTHER) / 3, OTHER - (3 * OTHER + 1) / 3, SAME - SAME / 3)  # to the weights of third order
ROUNDS = 12  # of Newton's method
CLOSE = 1e-8  # change of the last round but one, beside the largest value: the next is of its square


class StoredLaw(Protocol):
    """Members `(b, n)` of one law. The unknown v may be any function of the field that makes m and F smooth."""

    def field(self, v: Array) -> Array: ...
    def field_slope(self, v: Array) -> Array:
        """Derivative of the field by v."""
        ...

    def stored(self, v: Array) -> Array:
        """m, what a cell holds per unit of length."""
        ...

    def stored_slope(self, v: Array) -> Array: ...
    def rate(self, v: Array, time: Array) -> Array:
        """F, what the faces bring; `time` `(b, 1)`."""
        ...

    def rate_slopes(self, v: Array) -> Bands:
        """Derivatives of F by v of the cell before, the cell itself and the cell after."""
        ...


@dataclass(frozen=True, slots=True)
class Stepped:
    """The unknown after a step, the step's estimated error in the field, and how Newton's method fared."""

    v: Array  # (b, n)
    error: Array  # (b,) root mean square; not finite where no solution was found
    rounds: Index


def step(law: StoredLaw, v: Array, time: Array, length: Array, *, least: float = 0.0) -> Stepped:
    """One step of each member, `time` and `length` `(b,)`; changes of v up to `least` do not matter."""
    now, h = time[:, None], length[:, None]
    held, first = law.stored(v), law.rate(v, now)
    middle, one = _solved(law, v, held + SAME * h * first, now + GAMMA * h, h, least)
    second = law.rate(middle, now + GAMMA * h)
    end, two = _solved(law, middle, held + OTHER * h * (first + second), now + h, h, least)
    third = law.rate(end, now + h)
    missing = h * (DEFECT[0] * first + DEFECT[1] * second + DEFECT[2] * third)
    # Taken through the implicit operator, so that stiff parts, which the method damps, do not count.
    change = law.field_slope(end) * tridiagonal(_matrix(law, end, h), missing)
    error = np.sqrt(np.mean(change**2, axis=1))
    return Stepped(end, np.where((one < ROUNDS) & (two < ROUNDS), error, np.inf), one + two)


def _solved(law: StoredLaw, guess: Array, target: Array, time: Array, h: Array, least: float) -> tuple[Array, Index]:
    """v of m(v) − SAME·h·F(v) = target, and the rounds it took; `ROUNDS` of them: none was found.

    Each member stops by itself, so that it has the same bits whatever its neighbours.
    """
    v, rounds, active = guess, np.zeros(len(guess), int), np.ones(len(guess), bool)
    while active.any() and rounds.max() < ROUNDS:
        residual = law.stored(v) - SAME * h * law.rate(v, time) - target
        change = tridiagonal(_matrix(law, v, h), -residual)
        v = np.where(active[:, None], np.maximum(v + change, 0), v)
        rounds = rounds + active
        active = active & ~(np.abs(change).max(axis=1) <= np.maximum(CLOSE * np.abs(v).max(axis=1), least))
    return v, rounds


def _matrix(law: StoredLaw, v: Array, h: Array) -> Bands:
    """m′ − SAME·h·F′."""
    before, own, after = law.rate_slopes(v)
    return -SAME * h * before, law.stored_slope(v) - SAME * h * own, -SAME * h * after


def tridiagonal(bands: Bands, rhs: Array) -> Array:
    """Solutions `(b, n)` of b systems by one elimination: the systems are blocks of one without a link between them.

    NaN for those that are singular or not finite.
    """
    before, own, after = (band.copy() for band in bands)
    before[:, 0], after[:, -1] = 0, 0
    good = np.isfinite(own).all(axis=1) & np.isfinite(rhs).all(axis=1)
    own[~good], before[~good], after[~good] = 1, 0, 0  # NaN would spread to the neighbours through 0 · NaN
    while True:
        calm = np.where(good[:, None], rhs, 0)
        *_, found, info = lapack.dgtsv(before.ravel()[1:], own.ravel(), after.ravel()[:-1], calm.ravel())
        if not info:
            return np.where(good[:, None], found.reshape(rhs.shape), np.nan)
        singular = (info - 1) // rhs.shape[1]  # this member has no solution; the others have theirs
        good[singular], own[singular], before[singular], after[singular] = False, 1, 0, 0
