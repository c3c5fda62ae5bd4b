"""Cell-steps per second beside what the machine's arithmetic and memory would allow, measured in the same run."""

from __future__ import annotations

import numpy as np
from timing import Table, interleave, met

from .ours import dam, gas

# Counted in sweep.hpp and the laws' fluxes (a fused multiply-add is two; an extreme, a division or a root one;
# comparisons and selections none): per cell and axis, and once per cell for the rate.
FLOPS = {"shallow water": (113, 19), "gas, 128²": (161, 29), "gas, 128³": (191, 33)}


def table(quick: bool) -> Table:
    out = Table(
        "Share of the roofline",
        "at least 0.35 of the lower of two bounds",
        ("case", "precision", "1e6 cell-steps per s", "bound by arithmetic", "bound by memory", "share", ""),
        notes=(
            "Arithmetic: the speed of a matrix product (BLAS, one thread) over operations per cell-step. Memory: "
            "each axis reads and writes the state once, at the speed of a copy of 64 MB; 128² stays in the caches.",
        ),
    )
    for name, make, axes, variables, cached in (
        ("shallow water, 128² × 16", lambda p: dam(128, precision=p, count=16), 2, 3, True),
        ("gas, 128² × 16", lambda p: gas((128, 128), precision=p, count=16), 2, 4, True),
        ("shallow water, 1024²", lambda p: dam(1024, precision=p, count=1), 2, 3, False),
        ("gas, 128³", lambda p: gas((128,) * 3, precision=p, count=1), 3, 5, False),
    ):
        for precision in ("float32", "float64"):
            own, size = make(precision), np.dtype(precision).itemsize
            time = 0.1 if cached else 0.025  # some ten steps: not what starts and ends them
            a, b = (np.ones((768, 768), precision) for _ in range(2))
            source = np.ones(64 * 2**20 // size, precision)
            target = np.empty_like(source)
            rivals = {
                "ours": lambda own=own, time=time: own.run(time),
                "product": lambda a=a, b=b: a @ b,
                "copy": lambda source=source, target=target: np.copyto(target, source),
            }
            samples = interleave(rivals, seconds=2 if quick else 8)
            speed = own.cell_steps() / samples.seconds("ours")
            sweep, once = next(flops for law, flops in FLOPS.items() if name.startswith(law))
            arithmetic = 2 * 768**3 / samples.seconds("product") / (sweep * axes + once)
            memory = 2 * source.nbytes / samples.seconds("copy") / (2 * size * variables * axes)
            share = speed / (arithmetic if cached else min(arithmetic, memory))
            out.add(
                name,
                precision,
                f"{speed / 1e6:.0f}",
                f"{arithmetic / 1e6:.0f}",
                "in cache" if cached else f"{memory / 1e6:.0f}",
                f"{share:.2f}",
                met(share, least=0.35),
            )
    return out
