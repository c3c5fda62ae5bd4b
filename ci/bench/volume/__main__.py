"""`ci/bench.sh volume`: finite volumes against PyClaw, JAX and the machine, as Markdown tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import topic

ROWS = {name: topic.Row(name) for name in ("dam", "gas", "scalar", "large", "stages", "roofline", "growth")}
RIVALS = ("clawpack", "jax", "numpy")

if __name__ == "__main__":
    versions = partial(topic.installed, RIVALS)
    topic.run("volume", __doc__, ROWS, Path("docs/finite_volume.md"), versions, draft="few rounds")
