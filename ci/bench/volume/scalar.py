"""Advection and Burgers, 1024 cells, batch 32: against a JAX jit of the scheme that PDEBench's paper describes."""

from __future__ import annotations

import jax
import numpy as np
from timing import Table, interleave, met

from . import rival_jax
from .ours import scalar

N, BATCH, STEPS, LENGTH = 1024, 32, 100, 0.1


def table(quick: bool) -> Table:
    out = Table(
        "Scalar laws, 1024 cells, batch 32",
        "at least 10 times the speed of JAX, by cell-steps and by simulated time",
        (
            "law",
            "precision",
            "lanes, 1e6 cell-steps per s",
            "JAX",
            "ratio of cell-steps",
            "",
            "of simulated times",
            "",
            "L1 errors",
        ),
        notes=(
            "JAX: second order upwind in space, two stages in time, Courant number 0.4. Ours: one flux a step, 0.8; "
            "simulated time is what a second of either buys. Errors, ours and theirs: of advection, beside the exact "
            "averages at the time that JAX reaches.",
        ),
    )
    jax.config.update("jax_enable_x64", True)
    for law in ("advection", "burgers"):
        for precision in ("float32", "float64"):
            own = scalar(law, N, precision=precision, count=BATCH)
            run, u = rival_jax.scalar(law, 1 / N, STEPS, 0.4), jax.numpy.asarray(own.q[0])
            rivals = {
                "lanes": lambda own=own: own.run(LENGTH),
                "jax": lambda u=u, run=run: run(u)[0].block_until_ready(),
            }
            samples = interleave(rivals, seconds=3 if quick else 15)
            seconds = {name: samples.seconds(name) for name in rivals}
            ours, theirs = own.cell_steps() / seconds["lanes"] / 1e6, BATCH * N * STEPS / seconds["jax"] / 1e6
            reached, times = (np.asarray(one, float) for one in run(u))
            simulated = BATCH * LENGTH / seconds["lanes"] / (times.sum() / seconds["jax"])
            errors = _errors(own, reached, times[0]) if law == "advection" else ""
            out.add(
                law,
                precision,
                f"{ours:.0f}",
                f"{theirs:.1f}",
                f"{ours / theirs:.1f}",
                met(ours / theirs, least=10),
                f"{simulated:.1f}",
                met(simulated, least=10),
                errors,
            )
    return out


def _errors(own, theirs, time):
    """Both against the start shifted by a whole number of cells and what is left of it by its Fourier modes."""
    start = np.array(own.q[0], float)
    waves = np.exp(-2j * np.pi * np.arange(N // 2 + 1) * time)  # speed 1 in a box of length 1
    truth = np.fft.irfft(np.fft.rfft(start) * waves, N)
    ours = own.run(float(time))[0]
    return " / ".join(f"{np.abs(found - truth).mean():.1e}" for found in (ours, theirs))
