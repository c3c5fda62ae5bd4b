"""One field in two views: planes z of the grid for the sweeps along y and x, lines of all z for those along z."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.parallel import Comm


class Slabs:
    """`planes` holds this rank's planes with the rows ky of all, `lines` all planes with this rank's rows.

    What goes from one rank to another lies together in both, so an exchange is one `Alltoallv` without packing:
    planes as `[rank][own plane][slot][row of that rank][kx]`, lines as `[plane][slot][own row][kx]`. On one rank both
    are the same memory.
    """

    def __init__(self, comm: Comm, planes: Index, rows: Index, width: int, dtype: np.dtype[Any]) -> None:
        from . import aligned

        self._comm: Any = comm
        own_planes, own_rows = np.diff(planes)[comm.rank], np.diff(rows)[comm.rank]
        self._plane_counts, self._line_counts = own_planes * np.diff(rows) * width, np.diff(planes) * own_rows * width
        self.planes = aligned((int(self._plane_counts.sum()),), dtype)
        self.lines = self.planes if comm.size == 1 else aligned((int(self._line_counts.sum()),), dtype)

    @property
    def nbytes(self) -> int:
        return self.planes.nbytes + (self.lines.nbytes if self._comm.size > 1 else 0)

    def to_planes(self) -> None:
        self._exchange(self.lines, self._line_counts, self.planes, self._plane_counts)

    def to_lines(self) -> None:
        self._exchange(self.planes, self._plane_counts, self.lines, self._line_counts)

    def _exchange(self, source: Array, sent: Index, target: Array, received: Index) -> None:
        if self._comm.size > 1:
            self._comm.Alltoallv([source, (sent, _starts(sent))], [target, (received, _starts(received))])


def _starts(counts: Index) -> Index:
    return np.cumsum(counts) - counts
