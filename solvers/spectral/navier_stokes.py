"""2D incompressible Navier–Stokes in a periodic box, and what it carries:

ωₜ + u·∇ω = ν Δω − νₕ (−Δ)^p ω − μ ω + f(x), u = ∇⊥ψ + U, −Δψ = ω, and cₜ + u·∇c = κ Δc − G·u of each tracer.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field as Bounded
from pydantic import field_validator

from pdebench.arrays import Array, Complex
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Finite, Grid

from .fourier import Modes, largest_mode
from .initial import InitialState, TaylorGreen
from .states import InitialState as ScalarState


class Wave(Card):
    """One wave of a steady vorticity forcing, cos·cos(k·x) + sin·sin(k·x); kx, ky count waves per box."""

    kx: int
    ky: int
    cos: Finite = 0.0
    sin: Finite = 0.0


class Tracer(Card):
    """A passive scalar: a field `name`, with its diffusivity κ as the parameter `<name>_diffusivity`.

    The field is what deviates from a mean gradient G, so G·x itself is not stored.
    """

    name: Annotated[str, Bounded(pattern="^[a-z][a-z0-9_]*$")]
    initial_state: ScalarState
    mean_gradient: tuple[Finite, Finite] = (0.0, 0.0)  # (∂x, ∂y)

    @property
    def diffusivity(self) -> str:
        return f"{self.name}_diffusivity"


class NavierStokes2D(Card):
    """The vorticity form. Pressure is gone, the velocity follows from ω, the mean velocity U is a constant.

    Above 1, `hyperviscosity_power` p adds −νₕ (−Δ)^p, and the parameter `hyperviscosity` νₕ; tracers do not feel it.
    """

    initial_state: InitialState
    forcing: tuple[Wave, ...] = ()
    mean_velocity: tuple[Finite, Finite] = (0.0, 0.0)  # (U, V) along x and y
    hyperviscosity_power: Annotated[int, Bounded(ge=1, le=8)] = 1
    tracers: tuple[Tracer, ...] = ()

    @field_validator("tracers")
    @classmethod
    def _different(cls, tracers: tuple[Tracer, ...]) -> tuple[Tracer, ...]:
        names = ["vorticity", *(tracer.name for tracer in tracers)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two fields are called {min(twice)}: each tracer needs a name of its own")
        return tracers

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        vorticity = Field("vorticity", "s-1", "vertical component of vorticity")
        return (vorticity, *(Field(tracer.name, "1", f"passive tracer {tracer.name}") for tracer in self.tracers))

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        p = self.hyperviscosity_power
        hyper = Parameter("hyperviscosity", f"m{2 * p} s-1", f"coefficient of (−Δ)^{p}", minimum=0.0)
        return (
            Parameter("viscosity", "m2 s-1", "kinematic viscosity", minimum=0.0),
            Parameter("drag", "s-1", "linear drag", minimum=0.0),
            *((hyper,) if p > 1 else ()),
            *(Parameter(t.diffusivity, "m2 s-1", f"diffusivity of {t.name}", minimum=0.0) for t in self.tracers),
        )

    def band(self) -> int:
        return max((max(abs(w.kx), abs(w.ky)) for w in self.forcing), default=0)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 2:
            raise CardError(f"navier_stokes_2d lives on a 2D grid, not on {grid.shape}")
        reached = max(start.modes for start in (self.initial_state, *(t.initial_state for t in self.tracers)))
        if (held := largest_mode(min(grid.shape))) < reached:
            raise CardError(
                f"a grid of {grid.shape} keeps wavenumbers up to {held} after dealiasing, but the initial state "
                f"reaches {reached}: use at least {3 * reached + 1} points, or fewer modes"
            )
        vorticity = self.initial_state.vorticity(grid, rng)
        return np.stack([vorticity, *(tracer.initial_state.values(grid, rng) for tracer in self.tracers)])

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        loss = _column(params["viscosity"]) * modes.squared + _column(params["drag"])
        if self.hyperviscosity_power > 1:
            loss = loss + _column(params["hyperviscosity"]) * modes.squared**self.hyperviscosity_power
        losses = [loss, *(_column(params[tracer.diffusivity]) * modes.squared for tracer in self.tracers)]
        return np.asarray(-np.concatenate(losses, axis=1))

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """f − ∇·(uω) from two products, with two transforms each way (Basdevant 1983, J. Comput. Phys. 50, 209).

        ∇·(uω) = (∂xx − ∂yy)(uv) + ∂xy(v² − u²): the curl of the divergence of u⊗u. Of a tracer −∇·(u c) − G·u.
        """
        ky, kx = modes.wavenumbers
        psi = state[:, 0] * modes.inverse_squared
        velocity = np.empty((len(state), 2, *psi.shape[1:]), state.dtype)
        np.multiply(1j * ky.astype(state.dtype), psi, out=velocity[:, 0])
        np.multiply(-1j * kx.astype(state.dtype), psi, out=velocity[:, 1])
        velocity[:, :, 0, 0] = self.mean_velocity
        uv = modes.backward(velocity.copy())
        u, v = uv[:, 0], uv[:, 1]
        hy, hx = modes.grid.spacing
        rate = (np.abs(u) / hx + np.abs(v) / hy).max(axis=(1, 2)).astype(float)
        products = np.stack([u * v, (v - u) * (v + u)], axis=1)
        shear, strain = np.moveaxis(modes.forward(products), 1, 0)
        out = ((kx**2 - ky**2) * shear + (kx * ky) * strain) * modes.kept
        for wave in self.forcing:
            _add_wave(out, wave)
        carried = [self._carried(modes, state[:, 1 + j], velocity, uv, t) for j, t in enumerate(self.tracers)]
        return np.stack([out, *carried], axis=1), rate

    def _carried(self, modes: Modes, tracer: Complex, velocity: Complex, uv: Array, card: Tracer) -> Complex:
        """−∇·(u c) − G·u, from a tracer's modes and the velocity's modes and values."""
        ky, kx = modes.wavenumbers
        flux = modes.forward(uv * modes.backward(tracer.copy())[:, None])
        gained = card.mean_gradient[0] * velocity[:, 0] + card.mean_gradient[1] * velocity[:, 1]
        out = -1j * (kx * flux[:, 0] + ky * flux[:, 1]) - gained
        return np.asarray(out * modes.kept, velocity.dtype)

    def exact(self, grid: Grid, params: Params, t: float) -> Array:
        """ω(x, t), `(field, *space)`: known for Taylor–Green vortices carried by the mean velocity, unforced."""
        if not isinstance(self.initial_state, TaylorGreen) or self.forcing or self.tracers:
            raise CardError("the exact solution is known for unforced Taylor–Green vortices without tracers only")
        y, x = grid.coordinates()
        ky, kx = (2 * np.pi * self.initial_state.modes / length for length in grid.lengths)
        squared = kx**2 + ky**2
        loss = params["viscosity"] * squared + params["drag"]
        if self.hyperviscosity_power > 1:
            loss += params["hyperviscosity"] * squared**self.hyperviscosity_power
        decay = np.exp(-loss * t)
        u, v = self.mean_velocity
        return np.asarray((kx + ky) * np.cos(kx * (x - u * t)) * np.cos(ky * (y - v * t)) * decay)[None]

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Box means that the inviscid, unforced flow keeps, `(..., field, *space)` -> `(...)` each.

        Of a tracer without mean gradient: its mean and its variance.
        """
        modes = Modes(grid)
        vorticity = modes.forward(states[..., 0, :, :].astype(float))
        density = modes.weight * np.abs(vorticity) ** 2 / 2
        return {
            "circulation": vorticity[..., 0, 0].real,
            "energy": np.sum(density * modes.inverse_squared, axis=(-2, -1)),
            "enstrophy": np.sum(density, axis=(-2, -1)),
            **{f"{t.name}_mean": _mean(states[..., 1 + j, :, :]) for j, t in self._ungraded()},
            **{f"{t.name}_variance": np.var(states[..., 1 + j, :, :], axis=(-2, -1)) for j, t in self._ungraded()},
        }

    def smallest_scale(self, states: Array, grid: Grid, params: Params | BatchParams) -> Array:
        """η = (ν³/χ)^(1/6), χ being the rate at which dissipation takes enstrophy, `(..., field, *space)` -> `(...)`.

        Kraichnan (1967, Phys. Fluids 10, 1417). With hyperviscosity (νₕ³/χ)^(1/6p) where that is larger; of a tracer
        (κ³/χ)^(1/6) where that is smaller (Batchelor 1959, J. Fluid Mech. 5, 113, in the smallest eddies' strain).
        """
        modes, p = Modes(grid), self.hyperviscosity_power
        coefficients = {1: params["viscosity"]} | ({p: params["hyperviscosity"]} if p > 1 else {})
        vorticity = modes.forward(states[..., 0, :, :])
        power = modes.weight * (vorticity.real**2 + vorticity.imag**2)
        lost = sum(value * (power * modes.squared**q).sum(axis=(-2, -1)) for q, value in coefficients.items())

        def scale(value: Array | float, q: int = 1) -> Array:
            return np.asarray((value**3 / np.maximum(lost, 1e-200)) ** (1 / (6 * q)))

        eddies = np.maximum.reduce([scale(value, q) for q, value in coefficients.items()])
        tracers = [scale(params[tracer.diffusivity]) for tracer in self.tracers]
        return np.asarray(np.minimum.reduce([eddies, *tracers]))

    def laws(self) -> dict[str, str]:
        """How the invariants go: viscosity and drag only take energy and enstrophy, a forcing may give."""
        carried = {f"{t.name}_mean": "constant" for _, t in self._ungraded()}
        carried |= {f"{t.name}_variance": "falling" for _, t in self._ungraded()}
        falling = {} if self.forcing else {"energy": "falling", "enstrophy": "falling"}
        return {"circulation": "constant", **falling, **carried}

    def _ungraded(self) -> list[tuple[int, Tracer]]:
        return [(j, tracer) for j, tracer in enumerate(self.tracers) if not any(tracer.mean_gradient)]


def _column(values: Array) -> Array:
    """`(b,)` shaped to broadcast over `(b, field, y, x)`."""
    return np.asarray(values)[:, None, None, None]


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=(-2, -1), dtype=float))


def _add_wave(out: Complex, wave: Wave) -> None:
    """Add a real wave to `(b, *k)`; the half plane kx ≥ 0 holds one of the pair ±k, or both where kx = 0."""
    for sign in (1, -1):
        if (kx := sign * wave.kx) >= 0:
            out[:, sign * wave.ky, kx] += (wave.cos - sign * 1j * wave.sin) / 2
