"""One-dimensional equations, 1024 points, batch 32, per step of order four: ours against exponax."""

from __future__ import annotations

import exponax as ex
import numpy as np
from timing import Table, between, interleave, met, time_of

from pdebench.solvers.spectral.conservative import Burgers1D, KortewegDeVries, KuramotoSivashinsky1D
from pdebench.spec import Grid

from . import rivals_jax
from .ours import computes, stepper

N, BATCH, GOAL = 1024, 32, 8.0
WAVES = {"kind": "sine_series", "terms": 10, "amplitude": 0.5, "modes": 4}
# name -> problem, length of the box, its parameters, step, exponax stepper and its options
EQUATIONS = {
    "Burgers": (Burgers1D, 2 * np.pi, {"viscosity": 0.05}, 2e-4, ex.stepper.Burgers, {"diffusivity": 0.05}),
    "KdV": (
        KortewegDeVries, 128.0, {"dispersion": 1.0}, 1e-3, ex.stepper.KortewegDeVries,
        {"convection_scale": 1.0, "dispersivity": 1.0, "hyper_diffusivity": 0.0},
    ),
    "KS": (
        KuramotoSivashinsky1D, 64.0, {"length_scale": 1.0, "time_scale": 1.0}, 1e-2,
        ex.stepper.KuramotoSivashinskyConservative, {},
    ),
}  # fmt: skip


def table(seconds: float, quick: bool) -> Table:
    """µs per step of one sample."""
    steps = 50 if quick else 200
    out = Table(
        f"One-dimensional equations, {N} points, batch {BATCH}",
        f"at least {GOAL:g} times the speed of exponax per step of equal order",
        ("equation", "precision", "scheme", "by", "ours", "exponax ETDRK4", "exponax / ours", "difference", "goal"),
        (
            f"{steps} steps a call. exponax: order 4, conservative form, compiled loop in Fourier space, vmap or "
            "members in turn, whichever was faster. “difference”: relative L2 distance of the two solutions at the end "
            "of a call. On KdV exponax 0.2.0 takes real parts of coefficients that are complex and nears our solution "
            "with order one only; its steps are counted as if they were of order four.",
        ),
    )
    for name in EQUATIONS:
        for precision in ("float32", "float64"):
            _rows(out, name, precision, steps, seconds)
    return out


def _rows(out: Table, name: str, precision: str, steps: int, seconds: float) -> None:
    kind, extent, params, dt, rival, options = EQUATIONS[name]
    grid, problem = Grid(shape=(N,), lengths=(extent,)), kind(initial_state=WAVES)
    states = np.stack([problem.initial(grid, {}, np.random.default_rng(i))[0] for i in range(BATCH)])
    length = dt * steps

    def make(step: float) -> ex.BaseStepper:
        return rival(1, extent, N, step, order=4, single_channel=True, conservative=True, **options)

    marches = {}
    for how in rivals_jax.BATCHING:
        x64 = precision == "float64"
        marches[f"exponax, {how}"] = rivals_jax.exponax(
            make, states, length=length, x64=x64, batching=how, dimensions=1
        )
    by = {}
    for scheme in ("ifrk4", "etdrk4"):
        marches[scheme], engine = stepper(
            problem, grid, states, params, precision=precision, scheme=scheme, length=length
        )
        by[scheme] = computes(engine)
    results = {key: march(steps) for key, march in marches.items()}
    samples = interleave({key: (lambda m=march: m(steps)) for key, march in marches.items()}, seconds=seconds, least=3)
    peer = samples.best(key for key in marches if key.startswith("exponax"))
    for scheme in by:
        ratio = samples.ratio(peer, scheme)
        apart = np.linalg.norm(results[peer] - results[scheme]) / np.linalg.norm(results[scheme])
        out.add(
            name, precision, scheme, by[scheme], *(time_of(samples.seconds(k) / steps / BATCH) for k in (scheme, peer)),
            between(ratio, 1), f"{apart:.0e}", f"{GOAL:g}: {met(ratio[0], least=GOAL)}",
        )  # fmt: skip
