"""When a recycled space is renewed and when it is given up: by iterations alone, so that every run decides alike."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pdebench.arrays import Array

GROWTH = 1.15  # iterations over the best since the last renewal, above which the space is renewed
GAIN = 0.9  # a renewal that brings iterations below this fraction is followed by another
NEARLY = 1  # cycles: a solve that has at most so many to go is nearly done
WORTH = 20  # plain solves of fewer iterations are not worth a space
PATIENCE = 3  # solves in a row that a space may fail to pay for itself
PAUSE = 8  # solves without a space after one that was given up twice; doubles each time


@dataclass(slots=True)
class Ledger:
    """Iterations with and without the space. Numbers only, so that it can be saved beside the space."""

    alone: float = np.inf  # of the last solve that recycled nothing
    best: float = np.inf  # since the last renewal
    before: float = np.inf  # of the solve that ended in the last renewal
    unpaid: int = 0  # solves in a row that did not pay
    dropped: int = 0  # spaces given up in a row
    rest: int = 0  # solves still to be done without
    since: int = 0  # solves since a space was last given up

    def hard(self, iterations: int, recycled: int, cycle: int) -> bool:
        """Whether a solve that comes to a restart should renew its space there, `cycle` the iterations of the next one.

        Not where the last solves say that it is nearly done, and it does not take longer than they did.
        """
        expected = min(self.best, self.before)
        return recycled == 0 or iterations > GROWTH * expected or expected - iterations > NEARLY * cycle

    def renew(self, iterations: int, recycled: int) -> bool:
        """Whether the space should be renewed at the end of a solve."""
        if self.rest > 0:
            return False
        if recycled == 0:
            return iterations > WORTH
        learning = self.best == np.inf and iterations < GAIN * self.before
        return learning or iterations > GROWTH * self.best

    def enter(self, iterations: int, recycled: int, products: int, *, renewed: bool) -> bool:
        """Book a solve; whether the space should be dropped. `products` with A were spent to carry it over."""
        self.since += 1
        self.rest = max(self.rest - 1, 0)
        if recycled == 0:
            self.alone, self.unpaid = iterations, 0
        else:
            pays = iterations + products / 2 < GAIN * self.alone
            self.unpaid = 0 if pays else self.unpaid + 1
        self.best = np.inf if renewed else min(self.best, iterations)
        if renewed:
            self.before = iterations
        if self.unpaid < PATIENCE:
            return False
        self.dropped = self.dropped + 1 if self.since < 3 * PAUSE else 1
        self.rest = PAUSE * 2 ** (self.dropped - 2) if self.dropped > 1 else 0
        self.unpaid, self.since, self.best, self.before = 0, 0, np.inf, np.inf
        return True

    def saved(self) -> Array:
        """Its numbers as an array."""
        return np.array([float(getattr(self, one.name)) for one in fields(self)])

    @classmethod
    def restored(cls, numbers: Array) -> Ledger:
        """Back from `saved`."""
        alone, best, before = (float(x) for x in numbers[:3])
        return cls(alone, best, before, *(int(x) for x in numbers[3:]))
