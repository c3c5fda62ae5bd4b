"""The same time scheme as it is first written: every matrix assembled again in each step, every system from zero.

GMRES(30) with ILU, PETSc's defaults, to the same relative accuracy as ours asks of an increment.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import ufl
from petsc4py import PETSc

from pdebench.arrays import Array
from pdebench.solvers.finite_element import compat
from pdebench.solvers.finite_element.flow import Flow
from pdebench.solvers.finite_element.projection import Projection
from pdebench.solvers.finite_element.space import Space


class Forms:
    """What cases of one mesh share: compiled forms, and matrices with their patterns."""

    def __init__(self, space: Space) -> None:
        spaces = space._spaces
        mesh = spaces.quadratic.mesh
        self.rate, self.nu = (compat.dolfinx().fem.Constant(mesh, PETSc.ScalarType(value)) for value in (1.0, 1.0))
        self.wind = [compat.dolfinx().fem.Function(spaces.quadratic) for _ in range(2)]
        u, v = ufl.TrialFunction(spaces.quadratic), ufl.TestFunction(spaces.quadratic)
        p, q = ufl.TrialFunction(spaces.linear), ufl.TestFunction(spaces.linear)
        moved = self.wind[0] * u.dx(0) + self.wind[1] * u.dx(1)
        momentum = self.rate * u * v + self.nu * ufl.inner(ufl.grad(u), ufl.grad(v)) + moved * v
        kinds = {"momentum": momentum, "laplace": ufl.inner(ufl.grad(p), ufl.grad(q)), "mass": p * q}
        fem = compat.dolfinx().fem
        self.forms = {name: fem.form(form * ufl.dx, **compat._jit_keyword()) for name, form in kinds.items()}
        self.mats = {name: fem.petsc.create_matrix(form) for name, form in self.forms.items()}

    def assembled(self, name: str) -> Any:
        mat = self.mats[name]
        mat.zeroEntries()
        compat.dolfinx().fem.petsc.assemble_matrix(mat, self.forms[name])
        mat.assemble()
        return mat


@lru_cache(maxsize=1)
def forms(space: Space) -> Forms:
    return Forms(space)


class Afresh(Projection):
    """Solves what `Projection` solves."""

    def __init__(self, flow: Flow, *args: Any, **more: Any) -> None:
        super().__init__(flow, *args, **more)
        self._forms = forms(flow.space)

    def _velocity(self, rate: float, rhs: Array, carried: Array, time: float) -> Array:
        flow, out = self.flow, np.empty_like(carried)
        self._forms.rate.value, self._forms.nu.value = rate, flow.viscosity
        for wind, part in zip(self._forms.wind, carried, strict=True):
            wind.x.array[:] = part
        mat = self._forms.assembled("momentum")
        if len(flow.outflow):
            there = PETSc.Vec().createWithArray(flow.backflow(carried), comm=PETSc.COMM_SELF)
            mat.setDiagonal(mat.getDiagonal() + there)
        mat.zeroRows(flow.fixed.astype(PETSc.IntType), 1.0)
        held = flow.held(time)
        for axis in (0, 1):
            own = rhs[axis].copy()
            own[flow.fixed] = held[axis]
            out[axis] = self._gmres(mat, own)
        return out

    def _correction(self, rhs: Array, last: Array | None) -> Array:
        mat, own = self._forms.assembled("laplace"), rhs.copy()
        if self.flow.closed:
            mat.setNullSpace(PETSc.NullSpace().create(constant=True, comm=PETSc.COMM_SELF))
            own -= own.mean()
        else:
            mat.zeroRows(self.flow.outflow1.astype(PETSc.IntType), 1.0)
            own[self.flow.outflow1] = 0
        return self._gmres(mat, own)

    def _projected(self, source: Array) -> Array:
        return self._gmres(self._forms.assembled("mass"), source)

    def _gmres(self, mat: Any, rhs: Array) -> Array:
        ksp = PETSc.KSP().create(PETSc.COMM_SELF)
        ksp.setOperators(mat)
        ksp.setTolerances(rtol=self._linear.rtol, max_it=10_000)
        b = PETSc.Vec().createWithArray(rhs, comm=PETSc.COMM_SELF)
        x = mat.createVecRight()
        ksp.solve(b, x)
        if ksp.getConvergedReason() < 0:
            raise RuntimeError(f"GMRES + ILU does not converge: reason {ksp.getConvergedReason()}")
        self.iterations += ksp.getIterationNumber()
        self.solves += 1
        found = x.getArray().copy()
        ksp.destroy()
        return np.asarray(found)
