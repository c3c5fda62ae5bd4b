"""Compressible flow as problems: the Euler and the Navier–Stokes equations of an ideal gas."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Grid

from . import exact
from .averaging import averaged, of_one
from .boundary import Boundaries
from .euler import EulerSystem
from .gas_states import GasState, Tube
from .viscous import NavierStokesSystem

GAMMA = Parameter("heat_capacity_ratio", "1", "ratio of heat capacities γ", minimum=1.0)


class CompressibleEuler(Card):
    """Density, velocities and pressure of an ideal gas without viscosity, in 1D, 2D or 3D."""

    initial_state: GasState
    boundaries: Boundaries

    parameters: ClassVar[tuple[Parameter, ...]] = (GAMMA,)

    @property
    def fields(self) -> tuple[Field, ...]:
        axes = self.boundaries.dimensions
        return (
            Field("density", "kg m-3", "density"),
            *(Field(f"velocity_{x}", "m s-1", f"velocity along {x}") for x in "xyz"[:axes]),
            Field("pressure", "Pa", "pressure"),
        )

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> EulerSystem:
        return EulerSystem(params, self.boundaries.dimensions, dtype)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        self.boundaries.expect(grid)
        seed, state = rng.integers(2**63), self.initial_state
        system = EulerSystem(of_one(params), self.boundaries.dimensions, np.dtype(float))
        return averaged(system, grid, state.subcells, lambda g: state.values(g, params, np.random.default_rng(seed)))

    def exact(self, grid: Grid, params: Params, t: float) -> Array:
        """The state at cell centres: known for a tube in 1D before a wave reaches a side."""
        tube = self.initial_state
        if not isinstance(tube, Tube) or len(grid.shape) != 1:
            raise CardError("the exact solution is known for a tube in 1D only")
        if t == 0:
            return tube.values(grid, params, np.random.default_rng(0))
        x = grid.axes()[0] - tube.position * grid.lengths[0]
        return exact.gas(tube.left, tube.right, params["heat_capacity_ratio"], x / t)

    def walls(self, grid: Grid, params: Params) -> Array:
        return self.boundaries.walls(self.fields)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Means over the box of the conserved variables, `(..., field, *space)` -> `(...)` each."""
        axes = tuple(range(-len(grid.shape), 0))
        rho, *u, p = np.moveaxis(states, states.ndim - len(grid.shape) - 1, 0)
        energy = p / (params["heat_capacity_ratio"] - 1) + rho * sum(v**2 for v in u) / 2
        momenta = {f"momentum_{x}": (rho * v).mean(axis=axes) for x, v in zip("xyz", u, strict=False)}
        return {"mass": rho.mean(axis=axes), "total_energy": energy.mean(axis=axes), **momenta}

    def laws(self) -> dict[str, str]:
        """Walls that hold still, and periodic boxes, keep mass and energy; only the latter keep momentum."""
        kept = ["mass", "total_energy"] if self.boundaries.closed else []
        kept += [f"momentum_{x}" for x in "xyz"[: self.boundaries.dimensions] if self.boundaries.periodic]
        return dict.fromkeys(kept, "constant")


class CompressibleNavierStokes(CompressibleEuler):
    """The same with shear and bulk viscosity, and no conduction of heat."""

    parameters: ClassVar[tuple[Parameter, ...]] = (
        GAMMA,
        Parameter("shear_viscosity", "Pa s", "shear viscosity η", minimum=0.0),
        Parameter("bulk_viscosity", "Pa s", "bulk viscosity ζ", minimum=0.0),
    )

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> NavierStokesSystem:
        return NavierStokesSystem(params, self.boundaries.dimensions, dtype)

    def exact(self, grid: Grid, params: Params, t: float) -> Array:
        raise CardError("no exact solution of viscous flow is known here")
