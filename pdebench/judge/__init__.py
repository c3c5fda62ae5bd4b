"""Models judged on data that nobody has seen: a secret seed, a sandboxed process, a signed record."""

from __future__ import annotations

from .hidden import hidden_spec, read_seed
from .judging import judge
from .submission import Submission, load_submission

__all__ = ["Submission", "hidden_spec", "judge", "load_submission", "read_seed"]
