"""Memory of the lane kernels: their arenas, and what the process really grew by while they ran."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from timing import Table, met

from pdebench.solvers.kernels import _compiled, navier_stokes_2d
from pdebench.solvers.spectral.fourier import Modes

from .ours import decaying

GOAL = 6.0


def table(seconds: float, quick: bool) -> Table:
    """State copies per block, and whether the peak depends on the number of members."""
    out = Table(
        "Memory of the 2D Navier–Stokes kernels, one thread",
        f"at most {GOAL:g} state copies per lane block, whatever the number of members",
        ("grid", "precision", "layout", "arena", "state copies", "more for 128 members than for 16", "goal"),
        (
            "State copies: the arena over the bytes of the modes that the 2/3 rule keeps, of one block (a lane each, "
            "or one sample where lanes are lines) in the precision of the state. Last: how much more the resident set "
            "peaks in a call with 128 members than with 16, beyond the results that the calls return.",
        ),
    )
    for n in (64, 128) if quick else (64, 128, 256):
        for precision in ("float32", "mixed", "float64"):
            few, many = (_peak(n, precision, count) for count in (16, 128))
            samples, lines = _compiled.navier_stokes_2d_kernels(precision)[:2]
            for kernel in (samples, lines):
                arena = _compiled.navier_stokes_2d_memory((n, n), precision, kernel)
                copies = arena / _block(n, precision, kernel)
                verdict = f"{GOAL:g}: {met(copies, most=GOAL)}" if kernel == samples else "–"
                more = f"{max(0, many - few) / 2**20:.1f} MiB" if kernel == samples else "–"
                out.add(f"{n}²", precision, kernel, f"{arena / 2**20:.2f} MiB", f"{copies:.1f}", more, verdict)
    return out


def _block(n: int, precision: str, kernel: str) -> int:
    """Bytes of the kept half plane of the samples of a block; the kernel's name is instructions/layout/lanes."""
    _, layout, lanes = kernel.split("/")
    held = (n - 1) // 3
    values = 2 * (held + 1) * (2 * held + 1)
    return values * (4 if precision == "float32" else 8) * (int(lanes) if layout == "samples" else 1)


def _peak(n: int, precision: str, count: int) -> int:
    """Bytes by which the resident set peaks above its start while `count` members march, less the result."""
    problem, grid, states = decaying(n, 1)
    modes = Modes(grid, "float32" if precision == "float32" else "float64")
    one = modes.forward(states[:, None].astype(modes.dtype)) * modes.kept
    start = np.repeat(one, count, axis=0)
    params = {"viscosity": np.full(count, 5e-3), "drag": np.zeros(count)}
    ctypes.CDLL(None).malloc_trim(0)  # free memory would be used again unseen
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    new, *_ = navier_stokes_2d.advance(
        problem, modes, start, params, length=1e-3, steps=np.ones(count, int), precision=precision
    )
    return _status("VmHWM") - before - new.nbytes


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(key))) * 1024
