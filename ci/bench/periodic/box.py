"""A step of 3D Navier–Stokes on one core: ours, once the problem is registered, against three other solvers."""

from __future__ import annotations

import exponax as ex
import numpy as np
from timing import Table, between, interleave, met, time_of

from pdebench.errors import PdebenchError
from pdebench.problem import problems
from pdebench.spec import Grid

from . import dedalus_3d, rivals_jax, yardstick_3d
from .ours import TAU, computes, stepper

VISCOSITY, GOAL = 1.0 / 200, 4.0


def taylor_green(n: int) -> np.ndarray:
    """Velocity `(3, n, n, n)` of the Taylor–Green vortex on axes x, y, z."""
    x, y, z = np.meshgrid(*[TAU * np.arange(n) / n] * 3, indexing="ij")
    return np.stack([np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0 * x])


def table(seconds: float, quick: bool) -> Table:
    """Seconds per step of order four of one sample."""
    out = Table(
        "Three-dimensional Navier–Stokes, one step, one sample, one rank",
        f"at least {GOAL:g} times the speed of the best of exponax, Dedalus and a solver on mpi4py-fft",
        ("grid", "precision", "solver", "time per step", "over ours", "goal"),
        (
            "Taylor–Green, viscosity 1/200. exponax: ETDRK4 (rotational form). mpi4py-fft: rotational form, nine real "
            "transforms, RK4 with an integrating factor, NumPy otherwise. Dedalus: RK443 (float64 only; its set-up is "
            "left out). Four right-hand sides a step each, 128 / n steps a call, four at the least.",
        ),
    )
    for n in (32,) if quick else (64, 128):
        for precision in ("float32", "float64"):
            _rows(out, n, precision, seconds)
    return out


def _rows(out: Table, n: int, precision: str, seconds: float) -> None:
    velocity, dt = taylor_green(n), 0.1 / n
    steps = max(4, 128 // n)  # as between two stored frames: packing in and out is paid once a call
    calls = {
        "exponax": _exponax(velocity, dt, precision, steps),
        "mpi4py-fft": _yardstick(velocity, dt, precision, steps),
    }
    if precision == "float64" and n <= 64:  # its steps at 128³ take most of a minute, its set-up longer
        calls |= _dedalus(velocity, dt, steps)
    by = _ours(velocity, dt, precision, steps)
    samples = interleave(calls | {name: call for name, (call, _) in by.items()}, seconds=seconds, least=3)
    best = samples.best(calls)
    mine = samples.best(by) if by else None
    for name in [*by, *calls]:
        ratio = between(samples.ratio(name, mine), 1) if mine else "–"
        verdict = "–"
        if mine and name == best:
            verdict = f"{GOAL:g}: {met(samples.ratio(name, mine)[0], least=GOAL)}"
        label = f"ours, {by[name][1]}" if name in by else name
        out.add(f"{n}³", precision, label, time_of(samples.seconds(name) / steps), ratio, verdict)
    if not by:
        out.add(f"{n}³", precision, "ours", "not there yet", "–", f"{GOAL:g}: **missed**")


def _exponax(velocity, dt, precision, steps):
    n = velocity.shape[-1]

    def make(step: float) -> ex.BaseStepper:
        return ex.stepper.NavierStokesVelocity(3, TAU, n, step, diffusivity=VISCOSITY, order=4)

    x64 = precision == "float64"
    march = rivals_jax.exponax(make, velocity[None], length=dt * steps, x64=x64, dimensions=3, channels=True)
    return lambda: march(steps)


def _yardstick(velocity, dt, precision, steps):
    start, run, _ = yardstick_3d.march(velocity.shape[-1], viscosity=VISCOSITY, dt=dt, dtype=precision)
    modes = start(velocity)
    return lambda: run(modes, steps)


def _dedalus(velocity, dt, steps):
    try:
        march = dedalus_3d.march(velocity, viscosity=VISCOSITY, dt=dt)
    except ImportError:
        return {}
    return {"Dedalus": lambda: march(steps)}


def _ours(velocity, dt, precision, steps):
    """`{}` until `navier_stokes_3d` is registered."""
    try:
        kind = problems["navier_stokes_3d"]
    except PdebenchError:
        return {}
    problem = kind(initial_state={"kind": "taylor_green"})
    grid = Grid(shape=velocity.shape[1:], lengths=(TAU,) * 3)
    states = problem.initial(grid, {}, np.random.default_rng(0))[None]
    march, engine = stepper(problem, grid, states, {"viscosity": VISCOSITY}, precision=precision, length=dt * steps)
    return {"ours": (lambda: march(steps), computes(engine))}
