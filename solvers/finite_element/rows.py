"""Rows of linear systems shared by the ranks of a member; everything else is the same on each of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm
from pdebench.solvers import kernels
from pdebench.solvers.kernels import elements
from pdebench.solvers.krylov import SolverSequence, System, methods
from pdebench.solvers.krylov.direct import PetscDirect
from pdebench.solvers.krylov.petsc import new_mat, petsc

from .flow import Flow
from .transport import Transport

LIMIT = 1000  # iterations of BiCGStab before other methods are tried
Solver = tuple[str, dict[str, Any]]  # a name of krylov.methods and its options


class Rows:
    """The rows of `count` that this rank holds: as even as they come, in order."""

    def __init__(self, comm: Comm, count: int) -> None:
        self.comm, self.count = comm, count
        self.own = slice(comm.rank * count // comm.size, (comm.rank + 1) * count // comm.size)

    def mat(self, matrix: Any) -> Any:
        """A Mat from each rank's rows of a matrix, CSR with all columns; on one rank it shares the values."""
        if self.comm.size == 1:
            return new_mat(matrix)
        PETSc = petsc()
        mat = PETSc.Mat().create(comm=self.comm)
        mat.setSizes(((matrix.shape[0], self.count),) * 2)
        mat.setType("aij")
        mat.setPreallocationCSR(_csr(matrix))
        mat.assemble()
        return mat

    def refill(self, mat: Any, matrix: Any) -> None:
        """Let `mat`, made of `matrix`, see the values that it has now."""
        if self.comm.size > 1:
            mat.setValuesCSR(*_csr(matrix))
        else:
            mat.stateIncrease()
        mat.assemble()

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
        self._operator = matrix if rows.comm.size == 1 else rows.mat(matrix[rows.own])
        self._sequence, self._rtol = rows.sequence(solver, rtol=accuracy[0], guess=accuracy[1]), accuracy[0]
        self._factors: PetscDirect | None = None

    def solve(self, rhs: Array) -> tuple[Array, int]:
        """x of A x = b, `(n,)`, and the iterations it took."""
        if self._factors is not None and (x := self._directly(self._factors, rhs)) is not None:
            return x, 0
        system = System(self._operator, rhs[self._rows.own].copy(), comm=self._rows.comm, **self._known)
        x, solve = self._sequence.solve(system)
        method = self._sequence.method
        if isinstance(method, PetscDirect) and self._rows.comm.size == 1 and not solve.fallback:
            self._factors = method if method.factorisations else None  # none for a right-hand side of zeros
        return self._rows.whole(x), solve.iterations

    def _directly(self, factors: PetscDirect, rhs: Array) -> Array | None:
        """What the sequence would give, without its care; None where the residual asks for that."""
        if loose := self._known.get("nullspace") == "constant":
            rhs = rhs - rhs.mean()
        x = factors.inverse(rhs)
        if loose:
            x -= x.mean()
        left = rhs - elements.multiply(self._operator, x)
        return x if left @ left <= self._rtol**2 * (rhs @ rhs) else None


class Momentum:
    """(rate M + ν K + C(w)) u = b, with rows of the identity where u is held: each rank makes and solves its rows.

    One matrix, whose values are overwritten in each step; of `flow` it takes space and outflow.
    """

    def __init__(self, flow: Flow, rows: Rows, solver: Solver, rtol: float) -> None:
        s, own = flow.space, rows.own
        self._flow, self._rows = flow, rows
        self._mass, self._stiffness = s.mass[own], s.stiffness[own]
        self._transport = Transport(s, own, without=flow.fixed)
        self._constant, self._made = np.empty(self._mass.nnz), (np.nan, np.nan)  # rate M + ν K, and their numbers
        self._matrix = self._mass.copy()
        self._mat = rows.mat(self._matrix)
        self._stale = False  # whether PETSc has yet to see the values
        index = np.repeat(np.arange(own.start, own.stop), np.diff(self._mass.indptr))
        self._diagonal = np.flatnonzero(index == self._mass.indices)  # one entry per row, in order
        held, out = (np.isin(np.arange(own.start, own.stop), some) for some in (flow.fixed, flow.outflow))
        self._held, self._held_entries = np.flatnonzero(held), np.flatnonzero(held[index - own.start])
        self._out = np.flatnonzero(out)
        self._sequence = rows.sequence(solver, rtol=rtol, guess=0)  # the extrapolated velocity is the guess
        self._rtol, self._limit = rtol, _compiled_limit(solver) if rows.comm.size == 1 else 0

    def changes(self, terms: tuple[float, float], rhs: Array, carried: Array, velocity: Array) -> tuple[Array, int]:
        """What is to be added to `velocity` `(2, n)`, which has its held values, and the iterations it took.

        `terms` are rate and ν.
        """
        self.fill(terms, carried)
        left = rhs[:, self._rows.own] - elements.multiply(self._matrix, velocity)
        left[:, self._held] = 0
        return self.solved(left)

    def solved(self, rhs: Array) -> tuple[Array, int]:
        """Both components' x, all rows of it, of this rank's rows of A x = b; and the iterations."""
        out, residuals, count = np.zeros((2, self._rows.count)), (np.inf, np.inf), 0
        if self._limit:
            out, iterations, residuals = elements.bicgstab(self._matrix, rhs, rtol=self._rtol, limit=self._limit)
            count = sum(iterations)
        for axis in (0, 1):
            if not residuals[axis] <= self._rtol:
                if self._stale:
                    self._rows.refill(self._mat, self._matrix)
                    self._stale = False
                x, solve = self._sequence.solve(System(self._mat, rhs[axis].copy(), comm=self._rows.comm))
                out[axis], count = self._rows.whole(x), count + solve.iterations
        return out, count

    def fill(self, terms: tuple[float, float], carried: Array) -> None:
        """Values of this rank's rows, w = `carried`."""
        values, constant = self._matrix.data, self._constant
        if terms != self._made:
            rate, viscosity = self._made = terms
            np.multiply(self._mass.data, rate, out=constant)
            constant += viscosity * self._stiffness.data
            constant[self._held_entries] = 0
            constant[self._diagonal[self._held]] = 1
        values[:] = constant
        self._transport.add(carried, values)
        if len(self._out):
            values[self._diagonal[self._out]] += self._flow.backflow(carried)[self._rows.own][self._out]
        self._stale = True


def _compiled_limit(solver: Solver) -> int:
    """The most iterations of a solver that is compiled for two right-hand sides at once; 0 of another."""
    name, options = solver
    known = name == "bicgstab" and options.get("pc") == "jacobi" and set(options) <= {"pc", "limit"}
    return int(options.get("limit", LIMIT)) if known and kernels.available() else 0


def _csr(matrix: Any) -> tuple[Any, Any, Any]:
    kind = petsc().IntType
    return matrix.indptr.astype(kind, copy=False), matrix.indices.astype(kind, copy=False), matrix.data
