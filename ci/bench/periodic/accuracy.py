"""Time to a temporal error in decaying turbulence: the fewest steps that each solver needs, then what they cost.

Everybody brings the schemes there are, ours included, and the fastest counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import exponax as ex
import numpy as np
import torch
from timing import Samples, Table, between, fewest, interleave, met, spread, time_of

from pdebench.solvers.spectral import ifab4, ifrk4

from . import fno_generator, rivals_jax
from .ours import TAU, March, decaying, peak_rate, stepper

N, VISCOSITY = 128, 5e-3
PARAMS = {"viscosity": VISCOSITY, "drag": 0.0}
TARGETS = {1e-3: 10.0, 1e-4: 14.0}
GENERATOR, GENERATOR_GOAL, PROBE = "FNO generator's scheme", 600.0, 200
PRECISIONS = ("float32", "float64")
Key = tuple[str, str]  # solver, precision
# The longest steps are those that a card may ask for, or as long as one likes: rivals have no limit of their own.
HELD = {"ours, IFRK4": ("ifrk4", ifrk4.COURANT_LIMIT), "ours, IF-AB4": ("ifab4", ifab4.COURANT_LIMIT)}
OURS = HELD | {"ours, IFRK4, any step": ("ifrk4", inf)}


@dataclass(frozen=True, slots=True)
class Entry:
    """A solver in one precision: to time, for all members; to seek steps, for a few; and its own truth for these."""

    march: March
    trial: March
    truth: np.ndarray
    least: int = 0  # steps that stability asks for

    def error(self, steps: int) -> float:
        """Relative L2 error at the end, root mean square over the members; infinite after a blow-up, or before one."""
        if steps < self.least:
            return np.inf
        wrong = np.sum((self.trial(steps).astype(float) - self.truth) ** 2, (1, 2))
        error = np.sqrt(np.mean(wrong / np.sum(self.truth**2, (1, 2))))
        return float(error) if np.isfinite(error) else np.inf


def table(seconds: float, quick: bool) -> Table:
    """Seconds per sample to reach each error; ratios to ours, of like precision."""
    batch, trial, length = (16, 1, 0.5) if quick else (16, 2, 1.0)
    states = decaying(N, batch)[2]
    fine = ceil(400 * length)
    solvers = _solvers(states, trial, length, fine, quick)
    generator = _generator(states, trial, length, fine)
    out = Table(
        f"Time to a temporal error, decaying turbulence at {N}², batch {batch}",
        "at least 10 times (1e-3) and 14 times (1e-4) the speed of exponax and jax-cfd; 600 times that of the FNO "
        "generator's scheme at 1e-3",
        ("error", "solver", "precision", "steps", "time per sample", "over ours", "over ours, held", "goal"),
        (
            f"Viscosity {VISCOSITY:g}, box 2π, energy 0.5, t = 0 … {length:g}, equal steps, every solver against its "
            f"own solution in double precision and {fine} steps (the generator's, of first order, against ours). "
            f"The fewest steps that meet the error were sought to 3 %, in double precision, on {trial} of the members. "
            "exponax: ETDRK4; jax-cfd: CN-RK4, CN-RK3 and SIL3; both compiled, loops in Fourier space, vmap over "
            "members or members in turn, whichever was faster. Ours: IFRK4, and IF-AB4 (one right-hand side a step "
            "after three Runge–Kutta steps, against IFRK4's solution), in no longer steps than a card may ask for, as "
            "an instability may grow too slowly to show here, and IFRK4 also in steps as long as it likes, which the "
            "rivals take; packing and the transforms of the ends included. “over ours”: float64 over the fastest of "
            "ours in float64, the others over our fastest of float32 and mixed; “held”: over the fastest that a card "
            "may ask for. “float64 over mixed”: what who asks for "
            "float64 may gain by a float64 state with its right-hand side in float32, as these errors are met so. "
            "“none”: round-off exceeds the error. The generator's scheme is timed "
            f"over {PROBE} steps; how many it needs follows from its error at fewer, along its order of one.",
        ),
    )
    steps = dict.fromkeys(solvers, 8)
    for target, goal in TARGETS.items():
        steps |= {name: fewest(versions["float64"].error, target, steps[name]) for name, versions in solvers.items()}
        calls = {}
        for name, versions in solvers.items():
            for precision, entry in versions.items():
                if precision == "float64" or entry.error(steps[name]) <= 1.05 * target:
                    calls[name, precision] = lambda entry=entry, k=steps[name]: entry.march(k)
        if target == 1e-3:
            calls[GENERATOR, "float32"] = lambda: generator.march(PROBE)
        samples = interleave(calls, seconds=seconds, least=3)
        best = {
            p: [samples.best(k for k in calls if k[0] in ours and k[1] in p) for ours in (OURS, HELD)]
            for p in _MATCH.values()
        }
        for name, versions in solvers.items():
            for precision in versions:
                setting = (target, goal, steps[name], batch)
                _row(out, (name, precision), samples, best[_MATCH[precision]], setting)
                if name not in OURS and precision == "float64":
                    _row(out, (name, precision), samples, best["mixed",], setting, label="float64 over mixed")
        if target == 1e-3:
            _generator_row(out, _needed(generator, target), samples, best[_MATCH["float32"]], batch)
    return out


# Which of our precisions a rival's is held against.
_MATCH = {"float32": ("float32", "mixed"), "mixed": ("float32", "mixed"), "float64": ("float64",), "": ("mixed",)}


def _row(out: Table, key: Key, samples: Samples, mine: list[Key], setting: Any, *, label: str = "") -> None:
    target, goal, steps, batch = setting
    if key not in samples.rounds:
        out.add(f"{target:g}", *key, "none", "–", "–", "–", "–")
        return
    ratios = [samples.ratio(key, one) for one in mine]
    verdict = _verdict(goal, ratios) if key[0] not in OURS else "–"
    name, precision = key
    taken = time_of(samples.seconds(key) / batch)
    out.add(
        f"{target:g}", name, label or precision, str(steps), taken, *(between(ratio, 1) for ratio in ratios), verdict
    )


def _verdict(goal: float, ratios: list[tuple[float, ...]]) -> str:
    """Of like and like, then with ours held to a card's steps."""
    free, held = (met(ratio[0], least=goal) for ratio in ratios)
    return f"{goal:g}: {free}, held {held}"


def _generator_row(out: Table, steps: int, samples: Samples, mine: list[Key], batch: int) -> None:
    key, more = (GENERATOR, "float32"), steps / PROBE
    rounds = samples.rounds
    ratios = [spread([more * a / b for a, b in zip(rounds[key], rounds[one], strict=True)]) for one in mine]
    taken = time_of(more * samples.seconds(key) / batch)
    verdict = _verdict(GENERATOR_GOAL, ratios)
    out.add("0.001", *key, f"{steps} (extrapolated)", taken, *(between(ratio, 0) for ratio in ratios), verdict)


def _needed(generator: Entry, target: float) -> int:
    """Steps to the target along order one, from runs that show it."""
    steps = 8 * PROBE
    coarse, fine = generator.error(steps), generator.error(2 * steps)
    if not 0.85 < (order := np.log2(coarse / fine)) < 1.15:
        raise RuntimeError(f"the generator's scheme shows order {order:.2f} at {steps} steps, so no extrapolation")
    return ceil(2 * steps * fine / target)


def _solvers(states, trial: int, length: float, fine: int, quick: bool) -> dict[str, dict[str, Entry]]:
    """name -> precision -> entry; ours also in mixed precision."""
    out, truth = {}, _ours(states[:trial], "float64", length)(fine)
    rate = peak_rate(*decaying(N, 1)[:2], states[:trial], PARAMS, length=length, steps=fine)
    for name, (scheme, limit) in OURS.items():
        least = ceil(rate * length / limit)
        out[name] = {}
        for precision in ("mixed", *PRECISIONS):
            march, few = (_ours(some, precision, length, scheme) for some in (states, states[:trial]))
            out[name][precision] = Entry(march, few, truth, least)
    for name in ("exponax", *(f"jax-cfd {scheme}" for scheme in list(rivals_jax.SCHEMES)[: 1 if quick else 3])):
        truth = _rival(name, states[:trial], length, x64=True)(fine)
        out[name] = {}
        for precision in PRECISIONS:
            x64 = precision == "float64"
            ways = {how: _rival(name, states, length, x64=x64, batching=how) for how in rivals_jax.BATCHING}
            tries = interleave({how: (lambda way=way: way(8)) for how, way in ways.items()}, seconds=0.5, least=3)
            out[name][precision] = Entry(ways[tries.best(ways)], _rival(name, states[:trial], length, x64=x64), truth)
    return out


def _ours(states, precision: str, length: float, scheme: str = "ifrk4") -> March:
    problem, grid, _ = decaying(N, 1)
    return stepper(problem, grid, states, PARAMS, precision=precision, scheme=scheme, length=length)[0]


def _rival(name: str, states, length: float, **how) -> March:
    def vorticity(dt: float) -> ex.BaseStepper:
        return ex.stepper.NavierStokesVorticity(2, TAU, N, dt, diffusivity=VISCOSITY, order=4)

    if name == "exponax":  # its stream function has the other sign, and its first axis is x: both together are ours
        return rivals_jax.exponax(vorticity, states, length=length, **how)
    scheme = name.removeprefix("jax-cfd ")
    return rivals_jax.jax_cfd(states, viscosity=VISCOSITY, length=length, scheme=scheme, **how)


def _generator(states, trial: int, length: float, fine: int) -> Entry:
    def march(some: np.ndarray) -> March:
        return fno_generator.march(some, viscosity=VISCOSITY, length=length, dtype=torch.float32)

    return Entry(march(states), march(states[:trial]), _ours(states[:trial], "float64", length)(fine))
