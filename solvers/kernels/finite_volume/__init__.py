"""Shallow water and compressible flow in lanes: what `finite_volume.hancock` computes, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.finite_volume.boundary import Inflow
from pdebench.solvers.finite_volume.engine import Advanced, Engine, NumpyEngine, physical
from pdebench.solvers.finite_volume.euler import EulerSystem
from pdebench.solvers.finite_volume.riemann import FluxName
from pdebench.solvers.finite_volume.shallow_water import ShallowWaterSystem

# The systems that are compiled, and the parameter of each.
COMPILED = {ShallowWaterSystem: ("shallow_water", "gravity"), EulerSystem: ("euler", "heat_capacity_ratio")}


def provenance() -> str:
    """What decides the last bits: kernels with or without fused multiply-add, or NumPy where they are missing."""
    if not kernels.available():
        return "numpy"
    best = kernels._compiled.finite_volume_instruction_sets()[0]
    return "lanes, fused multiply-add" if best in {"avx2", "avx512"} else f"lanes, {best}"


def fastest(reference: NumpyEngine, system: object, *, flux: FluxName) -> Engine:
    """The lane kernels where they know the system and the scheme; else the reference."""
    sides = [side for pair in reference.space.boundaries.pairs() for side in pair]
    if (
        type(system) not in COMPILED
        or reference.scheme != "muscl_hancock"
        or flux == "roe"
        or any(isinstance(side, Inflow) for side in sides)
    ):
        return reference
    if not kernels.available():
        kernels.warn_once()
        return reference
    return LaneEngine(reference, flux)


@dataclass(frozen=True, slots=True)
class LaneEngine:
    """One sample per SIMD lane; each has the same bits whatever its batch and lane."""

    reference: NumpyEngine
    flux: FluxName
    threads: int = 1
    isa: str = ""  # the best there is

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced:
        system: Any = self.reference.system(params)
        if bed is not None or type(system) not in COMPILED:  # parameters may change the system: friction
            return self.reference.advance(q, params, length=length, bed=bed)
        name, parameter = COMPILED[type(system)]
        space = self.reference.space
        out, time, steps, limited = kernels._compiled.finite_volume_advance(
            np.ascontiguousarray(np.swapaxes(q, 0, 1)),
            system=name,
            parameter=params[parameter],
            spacing=space.spacing,
            sides=list(space.boundaries.pairs()),
            limiter=space.limiter,
            flux=self.flux,
            dry=getattr(system, "dry", 0.0),
            length=length,
            cfl=self.reference.cfl,
            max_steps=self.reference.max_steps,
            threads=self.threads,
            isa=self.isa,
        )
        new = np.swapaxes(out, 0, 1)
        lost = ~physical(system, new) & (time == length)
        return Advanced(new, np.where(lost, np.nextafter(length, 0), time), steps, limited)
