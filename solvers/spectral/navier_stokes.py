"""2D incompressible Navier–Stokes in a periodic box: ωₜ + u·∇ω = ν Δω − μ ω + f(x), u = ∇⊥ψ + U, −Δψ = ω."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Finite, Grid

from .fourier import Modes, largest_mode
from .initial import InitialState, TaylorGreen


class Wave(Card):
    """One wave of a steady vorticity forcing, cos·cos(k·x) + sin·sin(k·x); kx, ky count waves per box."""

    kx: int
    ky: int
    cos: Finite = 0.0
    sin: Finite = 0.0


class NavierStokes2D(Card):
    """The vorticity form. Pressure is gone, the velocity follows from ω, the mean velocity U is a constant."""

    initial_state: InitialState
    forcing: tuple[Wave, ...] = ()
    mean_velocity: tuple[Finite, Finite] = (0.0, 0.0)  # (U, V) along x and y

    fields: ClassVar[tuple[Field, ...]] = (Field("vorticity", "s-1", "vertical component of vorticity"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("viscosity", "m2 s-1", "kinematic viscosity", minimum=0.0),
        Parameter("drag", "s-1", "linear drag", minimum=0.0),
    )

    def band(self) -> int:
        return max((max(abs(w.kx), abs(w.ky)) for w in self.forcing), default=0)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 2:
            raise CardError(f"navier_stokes_2d lives on a 2D grid, not on {grid.shape}")
        if (held := largest_mode(min(grid.shape))) < (reached := self.initial_state.modes):
            raise CardError(
                f"a grid of {grid.shape} keeps wavenumbers up to {held} after dealiasing, but the initial state "
                f"reaches {reached}: use at least {3 * reached + 1} points, or fewer modes"
            )
        return self.initial_state.vorticity(grid, rng)[None]

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return -(_column(params["viscosity"]) * modes.squared + _column(params["drag"]))

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """f − ∇·(uω) from two products, with two transforms each way (Basdevant 1983, J. Comput. Phys. 50, 209).

        ∇·(uω) = (∂xx − ∂yy)(uv) + ∂xy(v² − u²): the curl of the divergence of u⊗u.
        """
        ky, kx = modes.wavenumbers
        psi = state[:, 0] * modes.inverse_squared
        velocity = np.empty((len(state), 2, *psi.shape[1:]), state.dtype)
        np.multiply(1j * ky.astype(state.dtype), psi, out=velocity[:, 0])
        np.multiply(-1j * kx.astype(state.dtype), psi, out=velocity[:, 1])
        velocity[:, :, 0, 0] = self.mean_velocity
        uv = modes.backward(velocity)
        u, v = uv[:, 0], uv[:, 1]
        hy, hx = modes.grid.spacing
        rate = (np.abs(u) / hx + np.abs(v) / hy).max(axis=(1, 2)).astype(float)
        products = np.stack([u * v, (v - u) * (v + u)], axis=1)
        shear, strain = np.moveaxis(modes.forward(products), 1, 0)
        out = ((kx**2 - ky**2) * shear + (kx * ky) * strain) * modes.kept
        for wave in self.forcing:
            _add_wave(out, wave)
        return out[:, None], rate

    def exact(self, grid: Grid, params: Params, t: float) -> Array:
        """ω(x, t), `(field, *space)`: known for Taylor–Green vortices carried by the mean velocity, unforced."""
        if not isinstance(self.initial_state, TaylorGreen) or self.forcing:
            raise CardError("the exact solution is known for unforced Taylor–Green vortices only")
        y, x = grid.coordinates()
        ky, kx = (2 * np.pi * self.initial_state.modes / length for length in grid.lengths)
        decay = np.exp(-(params["viscosity"] * (kx**2 + ky**2) + params["drag"]) * t)
        u, v = self.mean_velocity
        return np.asarray((kx + ky) * np.cos(kx * (x - u * t)) * np.cos(ky * (y - v * t)) * decay)[None]

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Box means that the inviscid, unforced flow keeps, `(..., field, *space)` -> `(...)` each."""
        modes = Modes(grid)
        vorticity = modes.forward(states[..., 0, :, :].astype(float))
        density = modes.weight * np.abs(vorticity) ** 2 / 2
        return {
            "circulation": vorticity[..., 0, 0].real,
            "energy": np.sum(density * modes.inverse_squared, axis=(-2, -1)),
            "enstrophy": np.sum(density, axis=(-2, -1)),
        }

    def laws(self) -> dict[str, str]:
        """How the invariants go: viscosity and drag only take energy and enstrophy, a forcing may give."""
        return {"circulation": "constant"} | ({} if self.forcing else {"energy": "falling", "enstrophy": "falling"})


def _column(values: Array) -> Array:
    """`(b,)` shaped to broadcast over `(b, field, y, x)`."""
    return np.asarray(values)[:, None, None, None]


def _add_wave(out: Complex, wave: Wave) -> None:
    """Add a real wave to `(b, *k)`; the half plane kx ≥ 0 holds one of the pair ±k, or both where kx = 0."""
    for sign in (1, -1):
        if (kx := sign * wave.kx) >= 0:
            out[:, sign * wave.ky, kx] += (wave.cos - sign * 1j * wave.sin) / 2
