"""Schemes in JAX, jitted: ours (MUSCL–Hancock, HLLC) for gas, and a scalar one as PDEBench's paper describes it."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def mc(a, b):
    size = jnp.minimum(jnp.abs(a + b) / 2, 2 * jnp.minimum(jnp.abs(a), jnp.abs(b)))
    return jnp.where(a * b > 0, jnp.sign(a) * size, 0)


def slopes(w, axis):
    return mc(w - jnp.roll(w, 1, axis), jnp.roll(w, -1, axis) - w)


def primitive(q, gamma):
    u = q[1:3] / q[0]
    return jnp.stack([q[0], *u, (gamma - 1) * (q[3] - q[0] * (u**2).sum(0) / 2)])


def conserved(w, gamma):
    return jnp.stack([w[0], w[0] * w[1], w[0] * w[2], w[3] / (gamma - 1) + w[0] * (w[1] ** 2 + w[2] ** 2) / 2])


def flux(w, n, gamma):
    f = conserved(w, gamma) * w[n]
    return f.at[n].add(w[3]).at[3].add(w[3] * w[n])


def hllc(left, right, n, gamma):
    a, b = (jnp.sqrt(gamma * w[3] / w[0]) for w in (left, right))
    slow, fast = jnp.minimum(left[n] - a, right[n] - b), jnp.maximum(left[n] + a, right[n] + b)
    ma, mb = left[0] * (slow - left[n]), right[0] * (fast - right[n])
    contact = (right[3] - left[3] + left[n] * ma - right[n] * mb) / (ma - mb)
    ahead = contact >= 0
    w, s = jnp.where(ahead, left, right), jnp.where(ahead, slow, fast)
    q, u, p = conserved(w, gamma), w[n], w[3]
    rho = w[0] * (s - u) / (s - contact)
    energy = rho * (q[3] / w[0] + (contact - u) * (contact + p / (w[0] * (s - u))))
    star = jnp.stack([rho, rho * w[1], rho * w[2], energy]).at[n].set(rho * contact)
    f = flux(w, n, gamma)
    return jnp.where(jnp.where(ahead, slow < 0, fast > 0), f + s * (star - q), f)


def sweep(q, ratio, n, gamma):
    axis = 3 - n  # of (variable, y, x)
    w = primitive(q, gamma)
    half = slopes(w, axis) / 2
    moved = w[n] * half
    moved = moved.at[0].add(w[0] * half[n]).at[n].add(half[3] / w[0]).at[3].add(gamma * w[3] * half[n])
    middle = w - ratio * moved
    f = hllc(middle + half, jnp.roll(middle - half, -1, axis), n, gamma)
    return q - ratio * (f - jnp.roll(f, 1, axis))


def gas(h, gamma, steps, cfl):
    """A jitted function of `(b, 4, n, n)`: that many steps, each as long as its member's waves allow."""

    def step(i, q):
        w = primitive(q, gamma)
        c = jnp.sqrt(gamma * w[3] / w[0])
        ratio = cfl / (jnp.maximum(jnp.abs(w[1]), jnp.abs(w[2])) + c).max()
        return jax.lax.cond(
            i % 2 == 0,
            lambda q: sweep(sweep(q, ratio, 1, gamma), ratio, 2, gamma),
            lambda q: sweep(sweep(q, ratio, 2, gamma), ratio, 1, gamma),
            q,
        )

    return jax.jit(jax.vmap(lambda q: jax.lax.fori_loop(0, steps, step, q)))


def scalar(kind, h, steps, cfl):
    """Second order upwind in space with a van Leer limiter, two stages in time (Takamoto et al. 2022, appendix D).

    `(b, n)` -> the same after that many steps, of an own length each, and the times `(b,)` reached.
    """

    def f(u):
        return u if kind == "advection" else u**2 / 2

    def speed(u):
        return jnp.ones_like(u) if kind == "advection" else u

    def change(u):
        a, b = u - jnp.roll(u, 1), jnp.roll(u, -1) - u
        slope = jnp.where(a * b > 0, 2 * a * b / jnp.where(a * b > 0, a + b, 1), 0)
        left, right = u + slope / 2, jnp.roll(u - slope / 2, -1)
        top = jnp.maximum(jnp.abs(speed(left)), jnp.abs(speed(right)))
        flow = (f(left) + f(right) - top * (right - left)) / 2
        return -(flow - jnp.roll(flow, 1)) / h

    def step(_, state):
        u, t = state
        dt = cfl * h / jnp.abs(speed(u)).max()
        return u + dt * change(u + dt / 2 * change(u)), t + dt

    return jax.jit(jax.vmap(lambda u: jax.lax.fori_loop(0, steps, step, (u, jnp.zeros((), u.dtype)))))
