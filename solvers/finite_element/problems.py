"""Flow in a cavity, a tube and round a cylinder: the single-phase problems of CFDBench (Luo, Chen & Zhang 2023).

The stored grid covers the member's own box, so its coordinates are fractions of width and height, as in the published
files; a member's size is among its parameters.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import Field, Parameter, Params
from pdebench.spec import Card, Grid

from .sampling import divergence_error, flux_error
from .scene import Circle, Profile, Scene

FLUID = (
    Parameter("density", "kg m-3", "density", minimum=0.0),
    Parameter("viscosity", "Pa s", "dynamic viscosity", minimum=0.0),
    Parameter("speed", "m s-1", "speed of the lid or at the inlet", minimum=0.0),
)
BOX = (
    Parameter("width", "m", "length of the box along x", minimum=0.0),
    Parameter("height", "m", "length of the box along y", minimum=0.0),
)


class _Shape(Card):
    """Velocity, pressure, and the fluid mask: 1 where a cell's centre lies in the fluid, 0 in a body."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("velocity_x", "m s-1", "velocity along x"),
        Field("velocity_y", "m s-1", "velocity along y"),
        Field("pressure", "Pa", "pressure; of an enclosed flow that of zero mean"),
    )
    inputs: ClassVar[tuple[Field, ...]] = (Field("fluid", "1", "1 in the fluid, 0 in a body"),)
    mask: ClassVar[str] = "fluid"
    steady: bool = False  # the one frame is the steady flow, where there is one

    def scene(self, params: Params) -> Scene:
        """The box, its sides, the fluid and the body of a member; each flow has its own."""
        raise NotImplementedError(f"{type(self).__name__} says nothing of its scene")

    def grid_errors(self, states: Array, inputs: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """What means over cells leave of ∇·u = 0, at each time `(t,)`: see `divergence_error` and `flux_error`."""
        scene, fluid = self.scene(params), inputs[0]
        lengths, through = (scene.height, scene.width), scene.speed * scene.height
        return {
            "divergence": np.array([divergence_error(frame[:2], fluid, lengths) for frame in states]),
            "flux": np.array([flux_error(frame[:2], fluid, lengths, through) for frame in states]),
        }

    def walls(self, grid: Grid, params: Params) -> Array:
        """Velocities on the sides, not on the body: walls hold the fluid, what varies along a side is left free."""
        return self.scene(params).walls()

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        """At rest; lid or inlet start at once. Needs a grid of centres."""
        if grid.points != "centres" or len(grid.shape) != 2:
            raise CardError(
                f"flow round shapes is stored as means over cells: grid.points must be centres in 2D, not {grid.points}"
            )
        state = np.zeros((4, *grid.shape))
        state[3] = 1 - self.scene(params).solid(grid)
        return state[3:] if self.steady else state


class Cavity(_Shape):
    """A box of walls whose upper one slides along x."""

    parameters: ClassVar[tuple[Parameter, ...]] = FLUID + BOX

    def scene(self, params: Params) -> Scene:
        return Scene("lid", *_numbers(params))


class Tube(_Shape):
    """Fluid enters on the left of a plane channel and leaves on the right."""

    profile: Profile = "uniform"
    parameters: ClassVar[tuple[Parameter, ...]] = FLUID + BOX

    def scene(self, params: Params) -> Scene:
        return Scene("channel", *_numbers(params), profile=self.profile)


class Cylinder(_Shape):
    """A channel with a cylinder, at whose distances from the four sides the box begins and ends."""

    profile: Profile = "uniform"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FLUID,
        Parameter("radius", "m", "radius of the cylinder", minimum=0.0),
        Parameter("upstream", "m", "distance from the cylinder's centre to the inlet", minimum=0.0),
        Parameter("downstream", "m", "distance from the cylinder's centre to the outlet", minimum=0.0),
        Parameter("below", "m", "distance from the cylinder's centre to the lower wall", minimum=0.0),
        Parameter("above", "m", "distance from the cylinder's centre to the upper wall", minimum=0.0),
    )

    def scene(self, params: Params) -> Scene:
        size = {"width": params["upstream"] + params["downstream"], "height": params["below"] + params["above"]}
        body = Circle(params["upstream"], params["below"], params["radius"])
        return Scene("channel", *_numbers({**params, **size}), profile=self.profile, body=body)


def _numbers(params: Params) -> tuple[float, float, float, float, float]:
    return params["width"], params["height"], params["density"], params["viscosity"], params["speed"]
