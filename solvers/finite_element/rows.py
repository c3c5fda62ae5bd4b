"""Rows of linear systems shared by the ranks of a member; everything else is the same on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.parallel import Comm
from pdebench.solvers.krylov import Solve, SolverSequence, System, methods
from pdebench.solvers.krylov.petsc import petsc

from .flow import Flow
from .transport import Transport

Solver = tuple[str, dict[str, Any]]  # a name of krylov.methods and its options


class Rows:
    """The rows of `count` that this rank holds: as even as they come, in order."""

    def __init__(self, comm: Comm, count: int) -> None:
        self.comm, self.count = comm, count
        self.own = slice(comm.rank * count // comm.size, (comm.rank + 1) * count // comm.size)

    def operator(self, matrix: Any) -> Any:
        """What a `System` takes, from each rank's rows of a matrix, CSR with all columns."""
        if self.comm.size == 1:
            return matrix
        PETSc = petsc()
        mat = PETSc.Mat().create(comm=self.comm)
        mat.setSizes(((len(matrix.indptr) - 1, self.count),) * 2)
        mat.setType("aij")
        mat.setPreallocationCSR(_csr(matrix))
        mat.assemble()
        return mat

    def whole(self, own: Array) -> Array:
        """A vector from each rank's rows of it, the same on all."""
        return own if self.comm.size == 1 else np.concatenate(self.comm.allgather(own))

    def sequence(self, solver: Solver, *, rtol: float, guess: int) -> SolverSequence:
        """Of this solver; where ranks share a system, MUMPS' LU in place of a factorisation."""
        name, options = solver
        method = methods[name](**options)
        if self.comm.size > 1 and method.direct:
            method = methods["lu"]()
        return SolverSequence(method, rtol=rtol, guess=guess, comm=self.comm)


class Constant:
    """Systems with one matrix, set up once; `known` is said of it to `System`."""

    def __init__(
        self, rows: Rows, matrix: Any, solver: Solver, accuracy: tuple[float, int], known: dict[str, Any]
    ) -> None:
        self._rows, self._known = rows, known
        self._operator = rows.operator(matrix[rows.own])
        self._sequence = rows.sequence(solver, rtol=accuracy[0], guess=accuracy[1])

    def solve(self, rhs: Array) -> tuple[Array, Solve]:
        """x of A x = b, `(n,)`."""
        system = System(self._operator, rhs[self._rows.own].copy(), comm=self._rows.comm, **self._known)
        x, solve = self._sequence.solve(system)
        return self._rows.whole(x), solve


class Momentum:
    """(rate M + ν K + C(w)) u = b, with rows of the identity where u is held: each rank makes and solves its rows."""

    def __init__(self, flow: Flow, rows: Rows, solver: Solver, rtol: float) -> None:
        s, own = flow.space, rows.own
        self._flow, self._rows = flow, rows
        self._mass, self._stiffness = s.mass[own], s.stiffness[own]
        self._transport = s.transport if rows.comm.size == 1 else Transport(s, own)
        index = np.repeat(np.arange(own.start, own.stop), np.diff(self._mass.indptr))
        self._diagonal = np.flatnonzero(index == self._mass.indices)  # one entry per row, in order
        held = np.isin(np.arange(own.start, own.stop), flow.fixed)
        self._held, self._held_entries = np.flatnonzero(held), np.repeat(held, np.diff(self._mass.indptr))
        self._sequence = rows.sequence(solver, rtol=rtol, guess=0)  # the extrapolated velocity is the guess
        self._mat: Any = None

    def changes(self, rate: float, rhs: Array, carried: Array, velocity: Array) -> Iterator[tuple[Array, Solve]]:
        """What is to be added to each component of `velocity`, which has its held values, and what it took."""
        matrix = self.matrix(rate, carried)
        operator = self._operator(matrix)
        for axis in (0, 1):
            left = rhs[axis][self._rows.own] - matrix @ velocity[axis]
            left[self._held] = 0
            x, solve = self._sequence.solve(System(operator, left, comm=self._rows.comm))
            yield self._rows.whole(x), solve

    def matrix(self, rate: float, carried: Array) -> Any:
        """This rank's rows, w = `carried`."""
        own = self._rows.own
        values = rate * self._mass.data + self._flow.viscosity * self._stiffness.data + self._transport(carried)
        values[self._diagonal] += self._flow.backflow(carried)[own]
        values[self._held_entries] = 0
        values[self._diagonal[self._held]] = 1
        return sparse.csr_matrix((values, self._mass.indices, self._mass.indptr), shape=self._mass.shape)

    def _operator(self, matrix: Any) -> Any:
        """What a `System` takes; one Mat on several ranks, filled anew each time."""
        if self._rows.comm.size == 1:
            return matrix
        if self._mat is None:
            self._mat = self._rows.operator(matrix)
        else:
            self._mat.setValuesCSR(*_csr(matrix))
            self._mat.assemble()
        return self._mat


def _csr(matrix: Any) -> tuple[Any, Any, Any]:
    kind = petsc().IntType
    return matrix.indptr.astype(kind, copy=False), matrix.indices.astype(kind, copy=False), matrix.data
