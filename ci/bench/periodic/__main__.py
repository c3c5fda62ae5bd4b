"""`ci/bench.sh periodic`: the figures that the lane kernels must reach, against their rivals, as Markdown tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import topic


def row(module: str, long: float, short: float, *, cores: int = 1) -> topic.Row:
    """A figure with its seconds per comparison, without and with --quick."""
    return topic.Row(module, cores, lambda quick: (short if quick else long,))


ROWS = {
    "rhs": row("right_hand_side", 6.0, 1.5),
    "accuracy": row("accuracy", 20.0, 5.0),
    "lines": row("lines", 4.0, 1.0),
    "box": row("box", 20.0, 5.0),
    "parallel": row("parallel", 20.0, 5.0, cores=2),
    "whole": row("whole", 20.0, 5.0),
    "memory": row("memory", 0.0, 0.0),
    "growth": row("growth", 0.6, 0.15),
    "taylor_green": row("taylor_green", 0.0, 0.0),
}
RIVALS = ("exponax", "jax", "jax-cfd", "torch", "pyFFTW", "mpi4py-fft", "dedalus", "numpy")

if __name__ == "__main__":
    versions = partial(topic.installed, RIVALS)
    topic.run("periodic", __doc__, ROWS, Path("docs/performance.md"), versions, draft="fewer cases, shorter runs")
