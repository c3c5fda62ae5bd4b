"""How much work random tests do."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """So many, but a fifth under the sanitizers (`ci/sanitize.sh`), where each takes several times as long."""
    return -(-count // 5) if os.environ.get("PDEBENCH_SANITIZE") else count
