"""What may go wrong for a user: one line each, saying what, what was expected, and the way out."""

from __future__ import annotations


class PdebenchError(Exception):
    """Base of all errors that the command line prints without a traceback."""


class CardError(PdebenchError):
    """A dataset or task card that cannot be followed."""


class StoreError(PdebenchError):
    """A store that cannot be written or trusted."""


class SolverError(PdebenchError):
    """A problem that a classical solver refuses before it starts."""


class ModelError(PdebenchError):
    """A model that broke its contract: wrong shape, NaN, an exception, or no answer in time."""


class RecordError(PdebenchError):
    """A leaderboard record that does not belong to its task or was altered."""
