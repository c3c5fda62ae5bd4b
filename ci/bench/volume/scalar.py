"""Advection and Burgers, 1024 cells, batch 32: against a JAX jit of the scheme that PDEBench's paper describes."""

from __future__ import annotations

import jax
from timing import Table, interleave, met

from . import rival_jax
from .ours import scalar

STEPS = 100


def table(quick: bool) -> Table:
    out = Table(
        "Scalar laws, 1024 cells, batch 32",
        "at least 10 times the cell-steps per second of JAX",
        ("law", "precision", "lanes, 1e6 cell-steps per s", "JAX", "ratio", ""),
        notes=(
            "JAX: second order upwind in space, two stages in time, Courant number 0.4. Ours: one flux a step, 0.8.",
        ),
    )
    jax.config.update("jax_enable_x64", True)
    for law in ("advection", "burgers"):
        for precision in ("float32", "float64"):
            own = scalar(law, 1024, precision=precision, count=32)
            run, u = rival_jax.scalar(law, 1 / 1024, STEPS, 0.4), jax.numpy.asarray(own.q[0])
            rivals = {"lanes": lambda own=own: own.run(0.1), "jax": lambda u=u, run=run: run(u).block_until_ready()}
            samples = interleave(rivals, seconds=3 if quick else 15)
            ours = own.cell_steps() / samples.seconds("lanes") / 1e6
            theirs = 32 * 1024 * STEPS / samples.seconds("jax") / 1e6
            out.add(
                law, precision, f"{ours:.0f}", f"{theirs:.1f}", f"{ours / theirs:.1f}", met(ours / theirs, least=10)
            )
    return out
