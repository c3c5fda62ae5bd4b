"""3D incompressible Navier–Stokes in a periodic box: uₜ + ∇·(u⊗u) + ∇p = ν Δu, ∇·u = 0."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Finite, Grid

from .equation import coefficient, mean_square, peak
from .fourier import Modes, largest_mode
from .solenoidal import Beltrami, InitialState, PlaneVortices


class NavierStokes3D(Card):
    """The velocity form. Pressure is projected away, the mean velocity is a constant."""

    initial_state: InitialState
    mean_velocity: tuple[Finite, Finite, Finite] = (0.0, 0.0, 0.0)  # along x, y and z

    fields: ClassVar[tuple[Field, ...]] = tuple(
        Field(f"velocity_{axis}", "m s-1", f"velocity along {axis}") for axis in "xyz"
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("viscosity", "m2 s-1", "kinematic viscosity", minimum=0.0),
    )

    def band(self) -> int:
        return 0

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 3 or len(set(grid.lengths)) > 1:
            raise CardError(
                f"navier_stokes_3d lives in a cube, not in a box of {grid.lengths} with {grid.shape} points"
            )
        if (held := largest_mode(min(grid.shape))) < (reached := self.initial_state.modes):
            raise CardError(
                f"a grid of {grid.shape} keeps wavenumbers up to {held} after dealiasing, but the initial state "
                f"reaches {reached}: use at least {3 * reached + 1} points, or fewer modes"
            )
        mean = np.reshape(self.mean_velocity, (3, 1, 1, 1))
        return np.asarray(mean + self.initial_state.velocity(grid, rng))

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return np.repeat(-coefficient(params["viscosity"], modes) * modes.squared, 3, axis=1)

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """−∇·(u⊗u) without its gradient part: three real transforms there, five back (Basdevant 1983).

        Whatever is added to the diagonal of u⊗u goes with the pressure: −(u² + v²)/2 leaves five products.
        """
        u, v, w = np.moveaxis(modes.backward(state.copy()), 1, 0)
        hz, hy, hx = modes.grid.spacing
        rate = np.abs(u) / hx + np.abs(v) / hy + np.abs(w) / hz
        products = (u - v) * (u + v) / 2, u * v, u * w, v * w, w * w - (u * u + v * v) / 2
        xx, xy, xz, yz, zz = np.moveaxis(modes.forward(np.stack(products, axis=1)), 1, 0)
        kz, ky, kx = modes.wavenumbers
        flux = np.stack([kx * xx + ky * xy + kz * xz, kx * xy - ky * xx + kz * yz, kx * xz + ky * yz + kz * zz], axis=1)
        return -1j * modes.kept * _project(modes, flux), peak(rate)

    def exact(self, grid: Grid, params: Params, t: float) -> Array:
        """u(x, t), `(field, *space)`: of flows whose ∇·(u⊗u) is a gradient, carried by the mean velocity."""
        if not isinstance(self.initial_state, Beltrami | PlaneVortices):
            raise CardError("the exact solution is known for beltrami and plane_vortices only")
        mean = np.asarray(self.mean_velocity)
        decay = np.exp(-params["viscosity"] * self.initial_state.squared(grid) * t)
        moved = self.initial_state.sampled(grid, shift=mean * t)
        return np.asarray(mean.reshape(3, 1, 1, 1) + decay * moved)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Box means that the inviscid flow keeps, `(..., field, *space)` -> `(...)` each; helicity is u·ω."""
        modes = Modes(grid)
        velocity = modes.forward(states.astype(float))
        vorticity = curl(modes, velocity)
        mean = velocity[..., 0, 0, 0].real
        return {
            "energy": mean_square(modes, velocity) / 2,
            "helicity": np.sum(modes.weight * (velocity * vorticity.conj()).real, axis=(-4, -3, -2, -1)),
            **{f"momentum_{axis}": mean[..., i] for i, axis in enumerate("xyz")},
        }

    def smallest_scale(self, states: Array, grid: Grid, params: Params | BatchParams) -> Array:
        """η = (ν³/ε)^¼ (Kolmogorov 1941), `(..., field, *space)` -> `(...)`."""
        modes = Modes(grid)
        lost = dissipation(modes, modes.forward(states.astype(float)), params["viscosity"])
        return np.asarray((params["viscosity"] ** 3 / np.maximum(lost, 1e-200)) ** 0.25)

    def laws(self) -> dict[str, str]:
        """How invariants go: viscosity takes energy, and may give or take helicity."""
        return {"energy": "falling"} | {f"momentum_{axis}": "constant" for axis in "xyz"}


def dissipation(modes: Modes, velocity: Complex, viscosity: Array | float) -> Array:
    """ε = 2νΩ = ν⟨|∇u|²⟩, `(..., 3, *k)` -> `(...)`: what the energy ½⟨|u|²⟩ loses per time."""
    return viscosity * mean_square(modes, velocity, modes.squared)


def curl(modes: Modes, velocity: Complex) -> Complex:
    """∇×u, `(..., 3, *k)`; components are ordered x, y, z, wavenumbers z, y, x."""
    kz, ky, kx = modes.wavenumbers
    u, v, w = np.moveaxis(velocity, -4, 0)
    return np.asarray(1j * np.stack([ky * w - kz * v, kz * u - kx * w, kx * v - ky * u], axis=-4))


def _project(modes: Modes, flux: Complex) -> Complex:
    """The part of `(b, 3, *k)` without divergence: f − k (k·f)/|k|²."""
    k = np.stack(np.broadcast_arrays(*modes.wavenumbers[::-1]))
    along = np.sum(k * flux, axis=1) * modes.inverse_squared
    return np.asarray(flux - k * along[:, None])
