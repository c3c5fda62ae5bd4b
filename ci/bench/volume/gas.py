"""Compressible Euler, 128², HLLC: cell-steps per second against a JAX jit of the same scheme."""

from __future__ import annotations

import jax
import numpy as np
from timing import Table, interleave, met

from . import rival_jax
from .ours import gas

STEPS = 20


def table(quick: bool) -> Table:
    out = Table(
        "Compressible Euler, 128², batch 16",
        "at least 10 times the cell-steps per second of JAX",
        ("precision", "lanes, 1e6 cell-steps per s", "JAX", "ratio", ""),
    )
    jax.config.update("jax_enable_x64", True)
    for precision in ("float32", "float64"):
        own = gas((128, 128), precision=precision, count=16)
        q = jax.numpy.asarray(np.swapaxes(own.q, 0, 1))
        run = rival_jax.gas(1 / 128, 1.4, STEPS, 0.9)
        rivals = {"lanes": lambda own=own: own.run(0.05), "jax": lambda q=q, run=run: run(q).block_until_ready()}
        samples = interleave(rivals, seconds=5 if quick else 20)
        ours = own.cell_steps() / samples.seconds("lanes") / 1e6
        theirs = 16 * 128**2 * STEPS / samples.seconds("jax") / 1e6
        out.add(precision, f"{ours:.0f}", f"{theirs:.1f}", f"{ours / theirs:.1f}", met(ours / theirs, least=10))
    return out
