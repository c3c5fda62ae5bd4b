"""The door to PETSc: met here, late; matrices go through without copies where they can."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm, launched

from .system import System, is_mat


@cache
def petsc() -> Any:
    """petsc4py's `PETSc`, for real numbers, or how to get it."""
    try:
        import petsc4py

        if "petsc4py.PETSc" not in sys.modules:  # a program that uses PETSc itself has chosen its own options
            # Its handler of signals would end a process whose peer hangs up (SIGPIPE), and hide Python's own.
            with unmarked():
                petsc4py.init(["pdebench", "-no_signal_handler"])
        from petsc4py import PETSc
    except ImportError as error:
        raise SolverError(
            "this method needs petsc4py: on Debian `apt-get install python3-petsc4py` and a virtual environment with "
            "--system-site-packages, elsewhere `conda install petsc4py`"
        ) from error
    if np.dtype(PETSc.ScalarType) != np.float64:
        raise SolverError(f"this method needs a PETSc of float64 real numbers, not {PETSc.ScalarType.__name__}")
    return PETSc


@contextmanager
def unmarked() -> Iterator[None]:
    """Take away what MPI's start leaves in the environment of a process that no launcher started.

    PETSc starts MPI, which marks the process as a rank, below Python's `os.environ`: its children would believe that
    mpiexec had started them, and mpiexec among them would refuse to.
    """
    before = set() if launched() else _names()
    yield
    if not launched():
        for name in _names() - before:
            os.unsetenv(name)


def _names() -> set[str]:
    """Names in the environment that children get, which C code changes behind Python's back."""
    try:
        table = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    except (OSError, ValueError):  # no such symbol: another C library
        return set()
    entries = itertools.takewhile(lambda entry: entry is not None, (table[i] for i in itertools.count()))
    return {os.fsdecode(entry).partition("=")[0] for entry in entries if entry}


def missing() -> str:
    """Empty, or why PETSc cannot be used."""
    try:
        petsc()
    except SolverError as error:
        return str(error)
    return ""


def new_mat(matrix: Any) -> Any:
    """A serial Mat that shares the CSR matrix's values, so that they can be changed there."""
    PETSc = petsc()
    indices = (part.astype(PETSc.IntType, copy=False) for part in (matrix.indptr, matrix.indices))
    mat = PETSc.Mat().createAIJWithArrays(matrix.shape, (*indices, matrix.data), comm=PETSc.COMM_SELF)
    mat.assemble()
    return mat


def spread(system: System, comm: Comm) -> System:
    """The same system with its rows shared out over `comm`, on each of whose ranks the whole of it is given."""
    PETSc = petsc()
    rows = system.matrix
    mat = PETSc.Mat().create(comm=comm)
    mat.setSizes(rows.shape)
    mat.setType("aij")
    mat.setUp()
    own = rows[rows_of(mat)]
    mat.setPreallocationCSR((own.indptr.astype(PETSc.IntType), own.indices.astype(PETSc.IntType), own.data))
    mat.assemble()
    return replace(system, operator=mat, rhs=system.rhs[rows_of(mat)].copy(), comm=comm)


def collect_garbage(comm: Comm) -> None:
    """Free the PETSc objects that all ranks of `comm` have dropped; every rank calls it.

    An object on several ranks cannot be freed when one of them drops it, so petsc4py ≥ 3.18 keeps it until then.
    """
    clean = getattr(petsc(), "garbage_cleanup", None)
    if clean is not None:
        clean(comm)


def rows_of(mat: Any) -> slice:
    """The rows of a Mat that this rank holds."""
    return slice(*mat.getOwnershipRange())


def multiply(mat: Any, x: Array) -> Array:
    """A x of this rank's rows."""
    PETSc = petsc()
    given = PETSc.Vec().createWithArray(np.ascontiguousarray(x), comm=mat.getComm())
    result = mat.createVecLeft()
    mat.mult(given, result)
    return np.array(result.getArray())


def absolute(mat: Any) -> Any:
    """|A|, entry by entry, as a Mat of its own."""
    copy = mat.duplicate(copy=True)
    indptr, indices, values = copy.getValuesCSR()
    copy.setValuesCSR(indptr, indices, np.abs(values))
    copy.assemble()
    return copy


class Assembly:
    """The Mat of a sequence of systems: new values in the same memory while the pattern stays."""

    def __init__(self) -> None:
        self._matrix: Any = None
        self._mat: Any = None

    def mat(self, system: System) -> Any:
        """A as a PETSc Mat, marked as changed."""
        if is_mat(system.operator):
            return system.operator
        new = system.matrix
        if self._matrix is not None and _same_pattern(self._matrix, new):
            np.copyto(self._matrix.data, new.data)
            self._mat.stateIncrease()
            self._mat.assemble()  # SOR keeps the inverse diagonal until then
        else:
            self._matrix = new.copy()
            self._mat = new_mat(self._matrix)
        return self._mat


def _same_pattern(a: Any, b: Any) -> bool:
    return a.shape == b.shape and np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)
