"""Finite volumes against exact solutions: shock tubes, dam breaks, smooth flow, with the order that is observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from volumes import AIR, OPEN, RING, RK2, RK3, WATER, WENO, cells, march, order, sound

from pdebench.arrays import Array
from pdebench.solvers.finite_volume import exact
from pdebench.solvers.finite_volume.gas import CompressibleEuler, CompressibleNavierStokes
from pdebench.solvers.finite_volume.laws import InviscidBurgers, LinearAdvection
from pdebench.solvers.finite_volume.water import ShallowWater

# Toro (2009): the five tubes of §4.3.3, and those of §10.8 that differ, of which `test_a_standing_contact_stands` is
# the seventh; left, right, where the jump is, when to look; p* and u* of his table 4.2.
TUBES: dict[str, tuple[Any, Any, float, float, float | None, float | None]] = {
    "sod": ((1, 0, 1), (0.125, 0, 0.1), 0.5, 0.2, 0.30313, 0.92745),
    "sonic": ((1, 0.75, 1), (0.125, 0, 0.1), 0.3, 0.2, None, None),
    "123": ((1, -2, 0.4), (1, 2, 0.4), 0.5, 0.15, 0.00189, 0.0),
    "blast": ((1, 0, 1000), (1, 0, 0.01), 0.5, 0.012, 460.894, 19.5975),
    "mirrored blast": ((1, 0, 0.01), (1, 0, 100), 0.5, 0.035, 46.0950, -6.19633),
    "two shocks": ((5.99924, 19.5975, 460.894), (5.99242, -6.19633, 46.0950), 0.4, 0.035, 1691.64, 8.68975),
    "blast that stands": ((1, -19.59745, 1000), (1, -19.59745, 0.01), 0.8, 0.012, None, None),
    "contact": ((1.4, 0.1, 1), (1, 0.1, 1), 0.5, 2.0, 1.0, 0.1),
}
SCHEMES = {
    "hancock hllc": {},
    "hancock hll van leer": {"flux": "hll", "limiter": "van_leer"},
    "hancock rusanov": {"flux": "rusanov"},
    "rk2 hllc": RK2,
    "rk2 roe minmod": {**RK2, "flux": "roe", "limiter": "minmod"},
    "weno5": WENO,
    "first order": {**RK2, "reconstruction": "constant"},
}


def tube(name: str) -> CompressibleEuler:
    left, right, position, *_ = TUBES[name]
    state = {"kind": "tube", "left": left, "right": right, "position": position}
    return CompressibleEuler(initial_state=state, boundaries={"x": OPEN})


@pytest.mark.parametrize("name", [n for n in TUBES if TUBES[n][4] is not None])
def test_the_exact_gas_has_the_published_middle(name: str) -> None:
    left, right, _, _, pressure, velocity = TUBES[name]
    (_, u, p) = exact.gas(left, right, 1.4, np.array([velocity - 1e-9, velocity + 1e-9])).T[0]
    assert p == pytest.approx(pressure, abs=6e-6, rel=6e-6)
    assert u == pytest.approx(velocity, abs=6e-6, rel=6e-6)


@pytest.mark.parametrize("name", TUBES)
def test_the_exact_gas_jumps_as_conservation_demands(name: str) -> None:
    """∫ q dx over a wide box changes by what flows through its ends: true for every wave, whatever its formula."""
    left, right, *_ = TUBES[name]
    reach, count = 60.0, 400_000
    speed = (np.arange(count) + 0.5) / count * 2 * reach - reach
    system = tube(name).system({"heat_capacity_ratio": np.array([1.4])}, np.dtype(float))
    q = system.conserved(exact.gas(left, right, 1.4, speed)[:, None])[:, 0]
    ends = [np.array(state, float)[:, None, None] for state in (left, right)]
    ql, qr = (system.conserved(w)[:, 0, 0] for w in ends)
    fl, fr = (system.flux(w, 0)[:, 0, 0] for w in ends)
    width = 2 * reach / count  # a jump is misplaced by half of it at most
    missing = q.sum(axis=1) * width - reach * (ql + qr) - (fl - fr)
    assert (np.abs(missing) <= width * np.ptp(q, axis=1) + 1e-9 * np.abs(q).sum(axis=1) * width).all()


ALL_TUBES = [(name, how) for name in TUBES for how in ("hancock hllc", "rk2 hllc")]
ALL_SCHEMES = [("sod", how) for how in SCHEMES] + [("sonic", "rk2 roe minmod"), ("two shocks", "weno5")]


@pytest.mark.parametrize(("name", "how"), sorted({*ALL_TUBES, *ALL_SCHEMES}))
def test_shock_tubes(name: str, how: str) -> None:
    """The mean error of the density falls as that of a captured discontinuity must, at least as h^½."""
    problem, time = tube(name), TUBES[name][3]
    options = dict(SCHEMES[how])
    errors = []
    for n in (400, 800) if name == "blast that stands" else (100, 200):  # whose dense layer is 0.05 wide
        grid = cells(n)
        found = sound(march(problem, grid, AIR, [time], **options))[0, 0, 0]
        errors.append(float(np.abs(found - problem.exact(grid, AIR, time)[0]).mean()))
    assert order(errors) > (0.4 if how == "first order" else 0.5), errors


def test_a_standing_contact_stands() -> None:
    """HLLC keeps it to round-off; HLL, which does not know the wave, smears it."""
    state = {"kind": "tube", "left": (1.4, 0, 1), "right": (1, 0, 1)}
    problem, grid = CompressibleEuler(initial_state=state, boundaries={"x": OPEN}), cells(64)
    for how, keeps in (({}, True), ({**RK2, "flux": "roe"}, True), ({"flux": "hll"}, False)):
        first, last = sound(march(problem, grid, AIR, [0, 1.0], **how))
        assert (np.abs(last - first).max() < 1e-13) == keeps, how


# Water


def dam(left: float, right: float) -> ShallowWater:
    state = {"kind": "dam", "left": (left, 0.0), "right": (right, 0.0)}
    return ShallowWater(initial_state=state, boundaries={"x": OPEN})


def test_stokers_shock_obeys_the_jump_conditions() -> None:
    """Behind the shock: s h₀ = (s − u) h and the momentum balance, from the profile alone."""
    x = np.linspace(-3, 3, 600_001)
    h, u = exact.water((1.0, 0.0), (0.2, 0.0), 1.0, x)
    at = np.flatnonzero((h[:-1] > 0.3) & (h[1:] == 0.2))[-1]
    s, hm, um = x[at], h[at], u[at]
    assert s * 0.2 == pytest.approx((s - um) * hm, abs=1e-4)
    assert s * hm * um == pytest.approx(hm * um**2 + (hm**2 - 0.2**2) / 2, abs=1e-4)
    assert um + 2 * np.sqrt(hm) == pytest.approx(2.0, abs=1e-12)  # the Riemann invariant of the fan


@pytest.mark.parametrize("how", SCHEMES)
def test_stokers_dam_break(how: str) -> None:
    problem, errors = dam(1.0, 0.2), []
    for n in (100, 200):
        grid = cells(n, length=10.0)
        found = sound(march(problem, grid, WATER, [2.0], **SCHEMES[how]))[0, 0]
        errors.append(float(np.abs(found - problem.exact(grid, WATER, 2.0)).mean()))
    assert order(errors) > (0.7 if how == "first order" else 0.9), errors


@pytest.mark.parametrize("how", [{}, RK2, {**RK2, "flux": "hll"}, {"flux": "rusanov"}])
def test_ritters_dam_break_on_a_dry_bed(how: dict[str, Any]) -> None:
    """The depth; the velocity of a film of water at the front is nobody's business."""
    problem, errors = dam(1.0, 0.0), []
    for n in (100, 200, 400):
        grid = cells(n, length=10.0)
        frames = sound(march(problem, grid, WATER, [0, 1.0, 2.0], **how))
        assert frames[:, :, 0].min() >= 0
        assert np.ptp(frames[:, 0, 0].sum(axis=-1)) < 1e-12 * n  # nothing has reached a side
        errors.append(float(np.abs(frames[-1, 0, 0] - problem.exact(grid, WATER, 2.0)[0]).mean()))
    assert order(errors) > 0.9, errors


# Smooth flow

GRIDS = (32, 64, 128)


def vortex(n: int) -> tuple[CompressibleEuler, Array]:
    """Shu's isentropic vortex in a wind, in a periodic box of ten: it moves, and does not change."""
    grid = cells(n, n, length=10.0)
    y, x = (c - 5 for c in grid.coordinates())
    turn = 5 / (2 * np.pi) * np.exp((1 - x**2 - y**2) / 2)
    heat = 1 - 0.4 * turn**2 / (2 * 1.4)
    rho = heat ** (1 / 0.4)
    state = {"kind": "gauss_vortices", "density": 1, "pressure": 1, "count": 1, "strength": (0, 1), "width": (1, 1)}
    problem = CompressibleEuler(initial_state=state, boundaries={"x": RING, "y": RING})
    return problem, np.stack([rho, 1 - y * turn, 0.5 + x * turn, rho * heat])[None]


@pytest.mark.parametrize(
    ("how", "rate"),
    [({"limiter": "none"}, 2.0), ({**RK2, "limiter": "none"}, 2.0), ({**RK3, "limiter": "none", "flux": "roe"}, 2.0)],
)
def test_an_isentropic_vortex_is_carried_with_second_order(how: dict[str, Any], rate: float) -> None:
    """Where it comes back to: Δt divides the grid's spacing into the distance, so values at centres can be compared."""
    errors = []
    for n in (40, 80):
        problem, start = vortex(n)
        end = sound(march(problem, cells(n, n, length=10.0), AIR, [2.5], states=start, **how))[0]
        moved = np.roll(start, (n // 8, n // 4), axis=(-2, -1))
        errors.append(float(np.sqrt(np.mean((end - moved) ** 2))))
    assert order(errors) > rate - 0.15, errors


def test_limiters_are_as_diffusive_as_their_names_promise() -> None:
    errors = {}
    for limiter in ("none", "mc", "van_leer", "minmod"):
        problem, start = vortex(40)
        end = sound(march(problem, cells(40, 40, length=10.0), AIR, [2.5], states=start, limiter=limiter))[0]
        errors[limiter] = float(np.sqrt(np.mean((end - np.roll(start, (5, 10), axis=(-2, -1))) ** 2)))
    assert errors["none"] < errors["mc"] < errors["van_leer"] < errors["minmod"], errors


def averages_of_sine(n: int, shift: float, power: int = 1) -> Array:
    """Cell averages over a ring of one of sin(2π(x − shift))."""
    edge = np.arange(n + 1) / n - shift
    return -np.diff(np.cos(2 * np.pi * edge)) * n / (2 * np.pi)


@pytest.mark.parametrize(
    ("how", "rate", "grids"), [(WENO, 5.0, (16, 32, 64)), ({**RK2, "limiter": "none"}, 2.0, (64, 128))]
)
def test_advection_by_its_shift(how: dict[str, Any], rate: float, grids: tuple[int, ...]) -> None:
    """Steps ∝ h^(5/3), so that third order in time keeps up with fifth in space."""
    sines = {"kind": "sine_series", "terms": 1}
    problem, errors = LinearAdvection(initial_state=sines, boundaries={"x": RING}), []
    for n in grids:
        options = {**how, "cfl": 0.4 * (grids[0] / n) ** (2 / 3 if rate == 5 else 0)}
        start = averages_of_sine(n, 0.0)[None, None]
        end = sound(march(problem, cells(n), {"speed": 1.0}, [0.3], states=start, flux="rusanov", **options))[0, 0, 0]
        errors.append(float(np.abs(end - averages_of_sine(n, 0.3)).mean()))
    assert order(errors) > rate - 0.15, errors


def steepening(x: float, t: float) -> float:
    """u(x, t) of Burgers' equation from sin x, for 0 < x < π: by characteristics, which the shock at π swallows."""
    last = np.arccos(-1 / t) if t > 1 else np.pi
    start = brentq(lambda s: s + t * np.sin(s) - x, 0, last, xtol=1e-15)
    return float(np.sin(start))


@pytest.mark.parametrize(("time", "how", "rate"), [(0.5, {"limiter": "none"}, 2.0), (0.5, WENO, 3.0), (2.0, {}, 1.0)])
def test_burgers_before_and_after_the_shock(time: float, how: dict[str, Any], rate: float) -> None:
    sines = {"kind": "sine_series", "terms": 1}
    problem, errors = InviscidBurgers(initial_state=sines, boundaries={"x": RING}), []
    for n in (64, 128, 256):
        grid = cells(n, length=2 * np.pi)
        x, h = grid.axes()[0], grid.spacing[0]
        start = np.sin(x) * np.sin(h / 2) / (h / 2)
        end = sound(march(problem, grid, {}, [time], states=start[None, None], flux="hll", **how))[0, 0, 0]
        # Averages by Simpson's rule, of fourth order.
        points = [[steepening(s + shift, time) for s in x[: n // 2 - 1]] for shift in (-h / 2, 0, h / 2)]
        true = (np.array(points[0]) + 4 * np.array(points[1]) + np.array(points[2])) / 6
        errors.append(float(np.abs(end[: n // 2 - 1] - true).mean()))
    assert order(errors) > rate - 0.15, errors


@pytest.mark.parametrize(("sides", "waves"), [(RING, 2.0), (("no_slip", "no_slip"), 1.0)])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_shear_decays_as_viscosity_makes_it(sides: Any, waves: float, axis: str) -> None:
    """u = sin(kx) exp(−ηk²t/ρ) at a Mach number so small that neither heat nor sound matters."""
    viscosity, time, errors = 0.05, 0.5, []
    for n in (8, 16, 32):
        other = "y" if axis == "x" else "x"
        grid = cells(*((n, 8) if axis == "y" else (8, n)))
        state = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0, "mach": 0, "modes": 1}
        problem = CompressibleNavierStokes(initial_state=state, boundaries={axis: sides, other: RING})
        along = grid.coordinates()[0 if axis == "y" else 1]
        w = np.zeros((1, 4, *grid.shape))
        w[:, 0], w[:, 3] = 1.0, 4.0
        w[:, 1 if axis == "y" else 2] = 1e-3 * np.sin(waves * np.pi * along)
        params = {"heat_capacity_ratio": 1.4, "shear_viscosity": viscosity, "bulk_viscosity": 0.0}
        end = sound(march(problem, grid, params, [time], states=w, **{**RK2, "cfl": 0.3}))[0]
        true = w[:, 1:3] * np.exp(-viscosity * (waves * np.pi) ** 2 * time)
        errors.append(float(np.abs(end[:, 1:3] - true).max()))
    assert order(errors) > 1.85, errors


def test_bulk_viscosity_damps_sound() -> None:
    """A standing wave of wavenumber k decays by exp(−(4η/3 + ζ)k²t/2ρ) (Landau & Lifshitz, §79, no conduction)."""
    k, damping, errors = 2 * np.pi, 0.04 / 3 + 0.02, []
    state = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0, "mach": 0, "modes": 1}
    problem = CompressibleNavierStokes(initial_state=state, boundaries={"x": RING})
    params = {"heat_capacity_ratio": 1.4, "shear_viscosity": 0.01, "bulk_viscosity": 0.02}
    period = 1 / np.sqrt(1 - (damping * k / 2) ** 2)  # of a damped oscillator
    for n in (32, 64):
        grid = cells(n)
        wave = np.sin(k * grid.axes()[0])
        w = np.stack([np.ones(n), 1e-5 * wave, np.full(n, 1 / 1.4)])[None]
        end = sound(march(problem, grid, params, [period], states=w, limiter="none", **RK2))[0]
        kept = 2 * float(np.mean(end[0, 1] * wave)) / 1e-5
        errors.append(abs(kept / np.exp(-damping * k**2 / 2 * period) - 1))
    assert order(errors) > 1.85, errors
