"""Active sampling: which parameters the solvers try next, given the trainer's losses so far.

Everything lives in the unit cube, one axis for each parameter of the card that varies, where the card's own law is the
uniform density 1. A proposal says a density q there; a point from it has the weight 1/q, so that weighted means over
the members estimate means over the card's law without bias, whatever the losses were.

The rule of the draws: the points of unit n come from `numpy.random.default_rng([seed of the card, n, WORD])` and from
what was told until the unit is first handed out, in order of member: each member's point, weight and mean loss. Given
the same losses at the same units they are the same; a unit that is handed out again keeps its points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from .. import sample
from ..arrays import Array, Index
from ..errors import PdebenchError
from ..registry import Registry
from ..spec import DatasetSpec, Distribution

WORD = 0x61637469  # keeps these streams apart from those of the members
WIDEST, NARROWEST = 0.25, 0.02  # of a kernel, in the unit cube


@dataclass(frozen=True, slots=True)
class Told:
    """Members that the trainer has seen: points `(n, axis)`, weights and mean losses `(n,)`."""

    points: Array
    weights: Array
    losses: Array


class Proposal(Protocol):
    """Where to look next."""

    def draw(self, rng: np.random.Generator, count: int, told: Told) -> tuple[Array, Array]:
        """Points `(count, axis)` in the unit cube, and the density there of the law that they come from."""
        ...


proposals: Registry[Callable[[], Proposal]] = Registry("proposal")


@proposals("uniform")
class Uniform:
    """The card's own law, whatever the losses."""

    def draw(self, rng: np.random.Generator, count: int, told: Told) -> tuple[Array, Array]:
        return rng.random((count, told.points.shape[1])), np.ones(count)


@proposals("importance")
class Importance:
    """Where the loss is large: a mixture of truncated Gaussian kernels at the members seen, weighted by loss.

    After Cornuet, Marin, Mira & Robert (2012), "Adaptive multiple importance sampling", Scand. J. Stat. 39, 798: the
    target is the loss under the card's law, known at all past points, each with its importance weight times its loss.
    Kernels in place of one Gaussian keep several maxima apart; their width is Silverman's, axis by axis. A `defensive`
    share of uniform draws (Hesterberg 1995) bounds the weights by its reciprocal.
    """

    defensive = 0.3
    enough = 8  # members told before anything is made of them

    def draw(self, rng: np.random.Generator, count: int, told: Told) -> tuple[Array, Array]:
        n, axes = told.points.shape
        mass = told.weights * np.maximum(told.losses, 0)
        if n < self.enough or not mass.sum() > 0:
            return rng.random((count, axes)), np.ones(count)
        share, width = mass / mass.sum(), _widths(told.points, mass)
        low, high = ndtr(-told.points / width), ndtr((1 - told.points) / width)  # of each kernel, inside the cube
        parent = rng.choice(n, size=count, p=share)
        level = low[parent] + rng.random((count, axes)) * (high - low)[parent]
        points = np.clip(told.points[parent] + width * ndtri(level), 0, np.nextafter(1, 0))
        uniform = rng.random(count) < self.defensive
        points[uniform] = rng.random((count, axes))[uniform]
        return points, self.defensive + (1 - self.defensive) * mixture(points, told.points, share, width)


def mixture(points: Array, centres: Array, share: Array, width: Array) -> Array:
    """Density at `(count, axis)` of Gaussian kernels at `(n, axis)`, each cut off at the unit cube and made whole."""
    inside = ndtr((1 - centres) / width) - ndtr(-centres / width)
    away = (points[:, None] - centres) / width
    kernels = np.exp(-0.5 * away**2) / np.sqrt(2 * np.pi) / width / inside
    return np.asarray(kernels.prod(axis=2) @ share)


def _widths(points: Array, mass: Array) -> Array:
    """Silverman's rule for weighted points, with the effective number of them (Kish): `(axis,)`."""
    share = mass / mass.sum()
    effective, axes = 1 / (share**2).sum(), points.shape[1]
    spread = np.sqrt(share @ (points - share @ points) ** 2)
    factor = (4 / ((axes + 2) * effective)) ** (1 / (axes + 4))
    return np.asarray(np.clip(factor * spread, NARROWEST, WIDEST))


class Draws:
    """Parameters and weights of every member that was handed out, and the losses told; its owner locks it."""

    def __init__(self, spec: DatasetSpec, proposal: Proposal | None) -> None:
        self._spec, self._proposal = spec, proposal
        self._axes = [name for name, law in spec.parameters.items() if law.value is None]
        self._points: Array = np.full((spec.samples.count, len(self._axes)), np.nan)
        self.weights: Array = np.ones(spec.samples.count)
        self._sums, self._counts = np.zeros(spec.samples.count), np.zeros(spec.samples.count)
        self._params: dict[int, dict[str, float]] = {}

    @property
    def active(self) -> bool:
        """Whether parameters come from a proposal, and not from the card alone."""
        return self._proposal is not None

    def unit(self, number: int, members: Index) -> None:
        """Fix the parameters of a unit that is handed out; a second time changes nothing."""
        if self._proposal is None or not np.isnan(self._points[members[0], :1]).any():
            return
        seen = np.flatnonzero(self._counts)
        told = Told(self._points[seen], self.weights[seen], self._sums[seen] / self._counts[seen])
        rng = np.random.default_rng([self._spec.samples.seed, number, WORD])
        points, density = self._proposal.draw(rng, len(members), told)
        self._points[members], self.weights[members] = points, 1 / density

    def parameters(self, member: int) -> dict[str, float]:
        """By name; from the card's law while no proposal has drawn them."""
        if member not in self._params:
            own = sample.parameters(self._spec, member)
            if self.active:
                laws = self._spec.parameters
                if np.isnan(self._points[member]).any():
                    raise PdebenchError(f"the parameters of member {member} are not drawn yet")
                named = zip(self._axes, self._points[member], strict=True)
                own |= {name: quantile(laws[name], float(point)) for name, point in named}
            self._params[member] = own
        return self._params[member]

    def learn(self, members: Index, losses: Array) -> None:
        """What the trainer lost on windows of these members."""
        if len(members) != len(losses) or not np.isfinite(losses).all():
            raise ValueError("a finite loss is wanted for each window of the batch")
        np.add.at(self._sums, members, losses)
        np.add.at(self._counts, members, 1)

    def state(self) -> dict[str, Array]:
        """What a restarted trainer needs; nothing without a proposal."""
        if not self.active:
            return {}
        return {"points": self._points, "weights": self.weights, "sums": self._sums, "counts": self._counts}

    def restore(self, state: Mapping[str, Array]) -> None:
        if self.active:
            self._points, self.weights = state["points"].copy(), state["weights"].copy()
            self._sums, self._counts = state["sums"].copy(), state["counts"].copy()


def quantile(law: Distribution, point: float) -> float:
    """The value below which a share `point` (0 … 1) of a parameter's law lies."""
    if law.choice is not None:
        return float(law.choice[min(int(point * len(law.choice)), len(law.choice) - 1)])
    low, high = law.bounds
    if law.log_uniform is not None:
        return float(np.exp(np.log(low) + point * (np.log(high) - np.log(low))))
    return low + point * (high - low)
