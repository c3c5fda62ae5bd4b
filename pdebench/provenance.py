"""Which code ran, and where: what a record and a store say of their making."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from . import __version__


def commit() -> str:
    """The checkout's commit, marked if it was changed since; the version where there is no checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return __version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git, or no commit yet
        return __version__
    return said or __version__


def hardware() -> str:
    """The CPU's name and how many logical cores there are."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} logical cores"
