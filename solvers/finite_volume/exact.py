"""Exact solutions of Riemann problems: the yardstick of tests and cards."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from pdebench.arrays import Array

State = tuple[float, float, float]  # density, velocity, pressure


def gas(left: State, right: State, gamma: float, speed: Array) -> Array:
    """(ρ, u, p) `(3, n)` along the rays x/t = `speed` `(n,)` of an ideal gas (Toro 2009, ch. 4). Vacuum is refused."""
    sound = [np.sqrt(gamma * p / rho) for rho, _, p in (left, right)]
    if 2 * (sound[0] + sound[1]) / (gamma - 1) <= right[1] - left[1]:
        raise ValueError("these states leave a vacuum between them")

    def jump(p: float, state: State, c: float) -> float:
        """Change of velocity across the wave that takes a side to pressure p."""
        rho, _, own = state
        if p > own:
            return float((p - own) * np.sqrt(2 / rho / ((gamma + 1) * p + (gamma - 1) * own)))
        return float(2 * c / (gamma - 1) * ((p / own) ** ((gamma - 1) / (2 * gamma)) - 1))

    def mismatch(p: float) -> float:
        return jump(p, left, sound[0]) + jump(p, right, sound[1]) + right[1] - left[1]

    low, high = 1e-14 * min(left[2], right[2]), 10 * max(left[2], right[2])
    while mismatch(high) < 0:
        high *= 10
    star = float(brentq(mismatch, low, high, xtol=1e-300, rtol=1e-14))
    velocity = (left[1] + right[1] + jump(star, right, sound[1]) - jump(star, left, sound[0])) / 2
    sides = [
        _gas_side(state, c, star, velocity, gamma, sign * speed, sign)
        for state, c, sign in ((left, sound[0], 1), (right, sound[1], -1))
    ]
    return np.asarray(np.where(speed < velocity, *sides))


def _gas_side(state: State, c: float, star: float, velocity: float, gamma: float, speed: Array, sign: int) -> Array:
    """The wave on one side, mirrored so that it is the left one."""
    rho, u, p = state[0], sign * state[1], state[2]
    velocity, ratio = sign * velocity, star / p
    back = np.array([rho, u, p])[:, None] * np.ones_like(speed)
    if ratio > 1:
        g = (gamma - 1) / (gamma + 1)
        behind = np.array([rho * (ratio + g) / (g * ratio + 1), velocity, star])[:, None] * np.ones_like(speed)
        front = u - c * np.sqrt((gamma + 1) / (2 * gamma) * ratio + (gamma - 1) / (2 * gamma))
        out = np.where(speed < front, back, behind)
    else:
        inside = c * ratio ** ((gamma - 1) / (2 * gamma))
        behind = np.array([rho * ratio ** (1 / gamma), velocity, star])[:, None] * np.ones_like(speed)
        local = np.maximum((2 * c + (gamma - 1) * (u - speed)) / (gamma + 1), 0)
        fan = np.array(
            [rho * (local / c) ** (2 / (gamma - 1)), speed + local, p * (local / c) ** (2 * gamma / (gamma - 1))]
        )
        out = np.where(speed < u - c, back, np.where(speed < velocity - inside, fan, behind))
    out[1] *= sign
    return out


def water(left: tuple[float, float], right: tuple[float, float], gravity: float, speed: Array) -> Array:
    """(h, u) `(2, n)` along the rays x/t: dams on a wet bed (Stoker 1957) or a dry one (Ritter 1892)."""
    ca = np.sqrt(gravity * left[0])
    if right[0] == 0:
        return _fan(left, ca, gravity, speed, end=left[1] + 2 * ca)
    if left[0] == 0:
        return np.asarray(water((right[0], -right[1]), (0.0, 0.0), gravity, -speed) * np.array([[1], [-1]]))

    def jump(h: float, own: float) -> float:
        if h > own:
            return float((h - own) * np.sqrt(gravity / 2 * (1 / h + 1 / own)))
        return float(2 * (np.sqrt(gravity * h) - np.sqrt(gravity * own)))

    def mismatch(h: float) -> float:
        return jump(h, left[0]) + jump(h, right[0]) + right[1] - left[1]

    star = float(
        brentq(mismatch, 1e-14 * min(left[0], right[0]), 100 * max(left[0], right[0]), xtol=1e-300, rtol=1e-14)
    )
    velocity = (left[1] + right[1] + jump(star, right[0]) - jump(star, left[0])) / 2
    sides = []
    for (h, u), sign in ((left, 1), (right, -1)):
        c, middle = np.sqrt(gravity * h), np.array([star, sign * velocity])[:, None] * np.ones_like(speed)
        if star > h:
            front = sign * u - np.sqrt(gravity * star * (star + h) / (2 * h))
            side = np.where(sign * speed < front, np.array([[h], [sign * u]]), middle)
        else:
            side = _fan(
                (h, sign * u), c, gravity, sign * speed, end=sign * velocity - np.sqrt(gravity * star), then=middle
            )
        side[1] *= sign
        sides.append(side)
    return np.asarray(np.where(speed < velocity, *sides))


def _fan(
    left: tuple[float, float], c: float, gravity: float, speed: Array, *, end: float, then: Array | None = None
) -> Array:
    """A left-running rarefaction, from the undisturbed state through the fan to what follows (nothing: a dry bed)."""
    h, u = left
    local = (2 * c + u - speed) / 3
    fan = np.array([local**2 / gravity, speed + local])
    rest = np.zeros_like(fan) if then is None else then
    return np.asarray(np.where(speed < u - c, np.array([[h], [u]]), np.where(speed < end, fan, rest)))
