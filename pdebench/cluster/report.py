"""What a campaign came to: throughput, failures, cost per member, balance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .orders import Delivery


@dataclass(slots=True)
class Tally:
    """Counts kept while a campaign runs."""

    deliveries: list[Delivery] = field(default_factory=list)
    deaths: int = 0  # workers that went while they had a unit
    hung: int = 0  # of them, that were ended because they did not move
    replaced: int = 0  # processes or jobs started in the place of lost ones
    errors: int = 0  # units that came back with an error
    aside: dict[int, str] = field(default_factory=dict)  # members given up, and why
    given_up: dict[int, str] = field(default_factory=dict)  # units given up, and the error


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a campaign."""

    tally: Tally
    members: int
    nbytes: int
    seconds: float
    workers: int
    ranks: int

    def __str__(self) -> str:
        lines = [
            f"{self.members} members in {self.seconds:.1f} s: {self.members / max(self.seconds, 1e-9):.3g} per second, "
            f"{self.nbytes / 1e6 / max(self.seconds, 1e-9):.3g} MB/s"
        ]
        if self.tally.deliveries:
            cost = np.array([delivery.seconds for delivery in self.tally.deliveries]) * self.ranks
            busy: dict[str, float] = {}
            for delivery in self.tally.deliveries:
                busy[delivery.worker] = busy.get(delivery.worker, 0.0) + delivery.seconds
            share = np.array(list(busy.values()))
            per_member = cost.sum() / max(self.members, 1)
            lines.append(
                f"cost: {per_member:.3g} core-seconds per member; units {np.median(cost):.3g} (median), "
                f"{cost.max():.3g} (longest)"
            )
            lines.append(
                f"balance: {len(share)} workers worked, {share.mean():.3g} s each on average, {share.max():.3g} s the "
                f"busiest; {share.sum() / max(self.workers * self.seconds, 1e-9):.0%} of the time of {self.workers}"
            )
        lines.append(
            f"trouble: {self.tally.deaths} units lost their worker ({self.tally.hung} of them hung), "
            f"{self.tally.replaced} workers replaced, "
            f"{self.tally.errors} errors, {len(self.tally.aside)} members set aside, "
            f"{len(self.tally.given_up)} units given up"
        )
        return "\n".join(lines)
