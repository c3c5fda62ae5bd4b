"""A right-hand side of 2D Navier–Stokes against the transforms alone."""

from __future__ import annotations

import numpy as np
from timing import Table, between, interleave, met, spread, time_of

from pdebench.solvers.spectral.engine import fastest

from . import transforms
from .ours import decaying

BATCH, STEPS = 16, 16
GOALS = {"float32": 0.6, "mixed": 0.6, "float64": 0.7}


def table(seconds: float, quick: bool) -> Table:
    """µs per sample and right-hand side; a quarter of an IFRK4 step, its updates included."""
    out = Table(
        "Right-hand side of 2D Navier–Stokes, batch 16",
        "at most 0.6 (float32) and 0.7 (float64) of the best library's time for the transforms alone",
        (
            "grid",
            "precision",
            "kernel",
            "engine",
            "transforms alone",
            "by",
            "kernel / transforms",
            "engine / transforms",
            "goal",
        ),
        (
            "Kernel: the slope between calls of 16 and 48 steps, so without packing states into lanes and out again. "
            f"Engine: `advance` of `engine: fastest`, {STEPS} steps a call, packing included. Both are divided by four "
            "right-hand sides per step. `mixed` (float64 state, float32 right-hand side) is held against float32 "
            "transforms. Transforms: a complex pair per sample, the best of pyFFTW (measured and patient plans, one "
            "by one, in place, batch), torch (MKL) and SciPy.",
        ),
    )
    for n in (64, 128) if quick else (64, 128, 256):
        for double, precisions in ((False, ("float32", "mixed")), (True, ("float64",))):
            _rows(out, n, double, precisions, seconds)
    return out


def _rows(out: Table, n: int, double: bool, precisions: tuple[str, ...], seconds: float) -> None:
    problem, grid, states = decaying(n, BATCH)
    calls = transforms.rivals(n, BATCH, double)
    libraries = list(calls)
    for precision in precisions:
        engine = fastest(problem, grid, precision)
        start = engine.modes.forward(states[:, None].astype(engine.modes.dtype)) * engine.modes.kept
        params = {"viscosity": np.full(BATCH, 1e-3), "drag": np.zeros(BATCH)}

        def call(steps, engine=engine, start=start, params=params):
            return lambda: engine.advance(start, params, length=1e-4 * steps, steps=np.full(BATCH, steps))

        calls |= {f"{precision} {k}": call(k) for k in (STEPS, 3 * STEPS)}
    samples = interleave(calls, seconds=seconds)
    best = samples.best(libraries)
    for precision in precisions:
        short, long = samples.rounds[f"{precision} {STEPS}"], samples.rounds[f"{precision} {3 * STEPS}"]
        kernel = [(b - a) / (2 * STEPS * 4) for a, b in zip(short, long, strict=True)]
        engine_time = [a / (STEPS * 4) for a in short]
        alone = samples.rounds[best]
        of_kernel = spread([a / b for a, b in zip(kernel, alone, strict=True)])
        of_engine = spread([a / b for a, b in zip(engine_time, alone, strict=True)])
        out.add(
            f"{n}²",
            precision,
            *(time_of(spread(values)[0] / BATCH) for values in (kernel, engine_time, alone)),
            best,
            between(of_kernel),
            between(of_engine),
            f"{GOALS[precision]}: {met(of_kernel[0], most=GOALS[precision])}",
        )
