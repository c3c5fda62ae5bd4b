"""Cards that take Runge–Kutta stages: time per sample and step of the lanes and of their NumPy reference."""

from __future__ import annotations

import numpy as np
from timing import Table, interleave, time_of

from pdebench import sample, solve
from pdebench.parallel import Serial
from pdebench.spec import load_spec

CARDS = {
    "swe2d_random": "bed, friction, wet and dry",
    "cns1d_random": "viscous",
    "cns2d_random_m1": "viscous",
    "euler2d_poseidon_rt": "gravity",
}
COUNT, STEPS = 4, 4


def table(quick: bool) -> Table:
    out = Table(
        "Beds, friction, gravity and viscosity",
        "none: as fast as the rest",
        ("card", "what it takes", "NumPy, per sample and step", "lanes", "ratio"),
        notes=(f"Float64, {COUNT} members, some {STEPS} steps from the initial state on.",),
    )
    for name, what in CARDS.items():
        rivals = {engine: Few(name, engine) for engine in ("numpy", "fastest")}
        samples = interleave({key: one.run for key, one in rivals.items()}, seconds=3 if quick else 15, least=3)
        before, after = (samples.seconds(key) / one.done.steps.sum() for key, one in rivals.items())
        out.add(name, what, time_of(before), time_of(after), f"{before / after:.0f}")
    return out


class Few:
    """Some members of a card for some steps."""

    def __init__(self, card, engine):
        spec = load_spec(card, {"solver.engine": engine})
        problem, solver = solve.build(spec, Serial())
        drawn = [sample.parameters(spec, i) for i in range(COUNT)]
        self.params = {name: np.array([one[name] for one in drawn]) for name in drawn[0]}
        states = np.stack([sample.initial(spec, problem, i) for i in range(COUNT)], axis=1)
        system = problem.system(self.params, np.dtype(float))
        names = len(system.variables)
        self.q, self.bed = system.conserved(states[:names]), states[names:] if len(states) > names else None
        self.engine = solver._engine
        reference = getattr(self.engine, "reference", self.engine)
        self.length = STEPS * reference.cfl / reference.rate(system, self.q).max()

    def run(self):
        self.done = self.engine.advance(self.q, self.params, length=self.length, bed=self.bed)
