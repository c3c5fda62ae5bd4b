"""exponax and jax-cfd as their authors advise: compiled loops over modes, by vmap or, where faster, in turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import equinox as eqx
import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np
from jax_cfd.base.grids import Grid
from jax_cfd.spectral import equations, time_stepping

BATCHING = {"vmap": jax.vmap, "one by one": lambda f: partial(jax.lax.map, f)}


@eqx.filter_jit
def _march(stepper, modes, steps, batching):
    """`steps` steps of each member; the loop stays in Fourier space."""

    def member(u):
        return jax.lax.fori_loop(0, steps, lambda _, v: stepper(v), u)

    return BATCHING[batching](member)(modes)


def exponax(
    make: Callable[[float], ex.BaseStepper], states, *, length, x64, batching="vmap", dimensions=2, channels=False
):
    """`steps -> values` after `length`; `make(dt)` is its stepper, `states` `(b, *space)` or `(b, c, *space)`."""
    with jax.enable_x64(x64):
        values = jnp.asarray(states if channels else states[:, None], jnp.float64 if x64 else jnp.float32)
        start = jax.block_until_ready(ex.fft(values, num_spatial_dims=dimensions))
    steppers = {}  # its coefficients are set-up, paid once per dt

    def march(steps: int) -> np.ndarray:
        with jax.enable_x64(x64):
            if steps not in steppers:
                steppers.clear()
                steppers[steps] = make(length / steps)
            out = _march(steppers[steps].step_fourier, start, jnp.asarray(steps), batching)
            out = ex.ifft(out, num_spatial_dims=dimensions, num_points=values.shape[-1])
            return np.asarray(out if channels else out[:, 0])

    return march


SCHEMES = {
    "CN-RK4": time_stepping.crank_nicolson_rk4,
    "CN-RK3": time_stepping.crank_nicolson_rk3,
    "SIL3": time_stepping.imex_rk_sil3,
}


class _Step(eqx.Module):
    """One step of a jax-cfd scheme; dt is data, so that another dt needs no other compilation."""

    dt: jax.Array
    viscosity: float = eqx.field(static=True)
    n: int = eqx.field(static=True)
    scheme: str = eqx.field(static=True)

    def __call__(self, u):
        grid = Grid((self.n, self.n), domain=((0, 2 * jnp.pi), (0, 2 * jnp.pi)))
        equation = equations.NavierStokes2D(self.viscosity, grid, drag=0.0, smooth=True)
        return SCHEMES[self.scheme](equation, self.dt)(u)


def jax_cfd(states, *, viscosity, length, x64, scheme, batching="vmap"):
    """`steps -> vorticity (b, n, n)` after `length`, by jax-cfd's spectral solver in a box of 2π."""
    with jax.enable_x64(x64):
        # jax-cfd's first axis is x, ours is y.
        values = jnp.asarray(states.swapaxes(-1, -2), jnp.float64 if x64 else jnp.float32)
        start = jax.block_until_ready(jnp.fft.rfft2(values))

    def march(steps: int) -> np.ndarray:
        with jax.enable_x64(x64):
            dt = jnp.asarray(length / steps, values.dtype)
            step = _Step(dt, viscosity, states.shape[-1], scheme)
            out = jnp.fft.irfft2(_march(step, start, jnp.asarray(steps), batching))
            return np.asarray(out).swapaxes(-1, -2)

    return march
