"""Shallow water, compressible flow and scalar laws in lanes: what `finite_volume.hancock` computes, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.finite_volume.engine import Advanced, Engine, NumpyEngine, physical
from pdebench.solvers.finite_volume.euler import EulerSystem
from pdebench.solvers.finite_volume.riemann import FluxName
from pdebench.solvers.finite_volume.scalar import AdvectionSystem, BurgersSystem
from pdebench.solvers.finite_volume.shallow_water import ShallowWaterSystem

# The systems that are compiled, and the parameter of each, if it has one.
COMPILED: dict[type, tuple[str, str]] = {
    ShallowWaterSystem: ("shallow_water", "gravity"),
    EulerSystem: ("euler", "heat_capacity_ratio"),
    AdvectionSystem: ("advection", "speed"),
    BurgersSystem: ("burgers", ""),
}


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
        or (len(reference.space.spacing) == 3 and not hasattr(system, "hllc"))  # scalars in 3D
        or reference.scheme != "muscl_hancock"
        or flux == "roe"
        or any(not isinstance(side, str) for side in sides)
    ):
        return reference
    if not kernels.available():
        kernels.warn_once()
        return reference
    return LaneEngine(reference, flux)


@dataclass(frozen=True, slots=True)
class LaneEngine:
    """One sample per SIMD lane, or neighbouring lines of one; each has the same bits whatever its batch and lane."""

    reference: NumpyEngine
    flux: FluxName
    threads: int = 1
    isa: str = ""  # the best there is
    layout: str = ""  # the faster one of "samples" and "lines"

    def knows(self, params: BatchParams) -> bool:
        """Whether the system is compiled: parameters may change it (friction)."""
        return type(self.reference.system(params)) in COMPILED

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced:
        system: Any = self.reference.system(params)
        if bed is not None or not self.knows(params):
            return self.reference.advance(q, params, length=length, bed=bed)
        name, parameter = COMPILED[type(system)]
        space = self.reference.space
        out, time, steps, limited = kernels._compiled.finite_volume_advance(
            np.ascontiguousarray(np.swapaxes(q, 0, 1)),
            system=name,
            parameter=params[parameter] if parameter else np.zeros(q.shape[1]),
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
            layout=self.layout,
        )
        new = np.swapaxes(out, 0, 1)
        lost = ~physical(system, new) & (time == length)
        return Advanced(new, np.where(lost, np.nextafter(length, 0), time), steps, limited)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep noted of each member, `(b,)`: 1/Δt at Courant number one, cells helped, whether all is physical."""

    rate: Array
    limited: Index
    good: Array


@dataclass(frozen=True, slots=True)
class BoxSweep:
    """A step along one axis, in place, of a block with two ghost cells around: for the part of a box that a rank holds.

    `block` is `(variable, b, *padded)`, conserved. A side called "inner" takes what lies in the ghost cells along the
    axis of the sweep; others are made here, and their ghosts ignored. Corners are not read. The bits are those of
    `LaneEngine`, wherever the box is cut.
    """

    reference: NumpyEngine
    flux: FluxName
    isa: str = ""

    def sweep(
        self,
        block: Array,
        params: BatchParams,
        step: Array,
        *,
        axis: int,
        sides: Sequence[tuple[str, str]] | None = None,
        measures: bool = True,
    ) -> Swept:
        """`axis` counts from the slowest, as in `hancock.sweep`; without `sides`, all are inner."""
        system: Any = self.reference.system(params)
        name, parameter = COMPILED[type(system)]
        space = self.reference.space
        inner: tuple[str, str] = ("inner", "inner")
        found = [
            kernels._compiled.finite_volume_sweep(
                block[:, member],
                system=name,
                parameter=float(params[parameter][member]) if parameter else 0.0,
                spacing=space.spacing,
                sides=[inner] * len(space.spacing) if sides is None else list(sides),
                limiter=space.limiter,
                flux=self.flux,
                dry=getattr(system, "dry", 0.0),
                ghosts=2,
                axis=axis,
                step=float(step[member]),
                measures=measures,
                isa=self.isa,
            )
            for member in range(block.shape[1])
        ]
        rate, limited, good = (np.array(column) for column in zip(*found, strict=True))
        return Swept(rate, limited, good)

    def measure(self, block: Array, params: BatchParams) -> Swept:
        """The rate of what is there."""
        return self.sweep(block, params, np.zeros(block.shape[1]), axis=-1)
