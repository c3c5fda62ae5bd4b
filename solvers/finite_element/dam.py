"""Water over a step, and into a tube of air: the problems of CFDBench with two fluids (Luo, Chen & Zhang 2023)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import Field, Parameter, Params
from pdebench.spec import Card, Grid, Positive

from .problems import BOX, FLUID
from .sampling import divergence_error, flux_error
from .setting import NonNegative
from .tank import Barrier, Tank
from .two_phase import Fluids


class _Water(Card):
    """Velocity, pressure and the water's fraction; the mask is 1 where a cell's centre lies in one of the fluids.

    `light_density`, `light_viscosity`: of air, at 15 °C by default. `tension` in N m⁻¹, `gravity` in m s⁻² against y.
    The pressure is that above the air's own at rest.
    """

    fields: ClassVar[tuple[Field, ...]] = (
        Field("velocity_x", "m s-1", "velocity along x"),
        Field("velocity_y", "m s-1", "velocity along y"),
        Field("pressure", "Pa", "pressure above that of air at rest"),
        Field("volume_fraction", "1", "part of the cell that is water"),
    )
    inputs: ClassVar[tuple[Field, ...]] = (Field("fluid", "1", "1 in water or air, 0 in the barrier"),)
    mask: ClassVar[str] = "fluid"
    light_density: Positive = 1.225
    light_viscosity: Positive = 1.79e-5
    gravity: NonNegative = 9.81
    tension: NonNegative = 0.0

    def tank(self, params: Params) -> Tank:
        """The box, the barrier and both fluids of a member; each flow has its own."""
        raise NotImplementedError(f"{type(self).__name__} says nothing of its tank")

    def grid_errors(self, states: Array, inputs: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """What means over cells leave of ∇·u = 0 at each time `(t,)`, and of one flux through all columns under a lid.

        See `divergence_error` and `flux_error`.
        """
        tank, fluid = self.tank(params), inputs[0]
        lengths, through = (tank.height, tank.width), tank.speed * tank.inlet
        out = {"divergence": np.array([divergence_error(frame[:2], fluid, lengths) for frame in states])}
        if not tank.open_top:
            out["flux"] = np.array([flux_error(frame[:2], fluid, lengths, through) for frame in states])
        return out

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        """At rest; the inlet starts at once. Needs a grid of centres."""
        if grid.points != "centres" or len(grid.shape) != 2:
            raise CardError(
                f"flow of two fluids is stored as cells' means: grid.points must be centres in 2D, not {grid.points}"
            )
        state, tank = np.zeros((5, *grid.shape)), self.tank(params)
        state[2] = tank.hydrostatic(grid)
        state[3], state[4] = tank.fraction(grid), 1 - tank.solid(grid)
        return state

    def _fluids(self, params: Params) -> Fluids:
        return Fluids(
            (params["density"], self.light_density),
            (params["viscosity"], self.light_viscosity),
            self.gravity,
            self.tension,
        )


class Dam(_Water):
    """A pool behind a barrier, full to its crest, that more water enters from the left below `inlet` [m].

    The barrier's left side stands at `barrier_at`; the box is open on the right and at the top.
    """

    inlet: Positive = 0.1
    barrier_at: Positive = 0.5
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FLUID,
        *BOX,
        Parameter("barrier_height", "m", "height of the barrier", minimum=0.0),
        Parameter("barrier_width", "m", "width of the barrier along x", minimum=0.0),
    )

    def tank(self, params: Params) -> Tank:
        barrier = Barrier(self.barrier_at, params["barrier_width"], params["barrier_height"])
        return Tank(
            params["width"],
            params["height"],
            self._fluids(params),
            params["speed"],
            self.inlet,
            filled=(barrier.left, barrier.height),
            barrier=barrier,
            open_top=True,
        )


class TwoPhaseTube(_Water):
    """Water enters a plane channel full of air on the left and drives it out on the right."""

    gravity: NonNegative = 0.0
    parameters: ClassVar[tuple[Parameter, ...]] = FLUID + BOX

    def tank(self, params: Params) -> Tank:
        return Tank(params["width"], params["height"], self._fluids(params), params["speed"], params["height"])
