"""Shallow water, compressible flow and scalar laws in lanes: what `finite_volume` computes by NumPy, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.finite_volume.engine import Advanced, Engine, NumpyEngine, physical
from pdebench.solvers.finite_volume.euler import EulerSystem
from pdebench.solvers.finite_volume.friction import RoughSystem
from pdebench.solvers.finite_volume.gravity import GravitySystem
from pdebench.solvers.finite_volume.part import Shared
from pdebench.solvers.finite_volume.riemann import FluxName
from pdebench.solvers.finite_volume.scalar import AdvectionSystem, BurgersSystem
from pdebench.solvers.finite_volume.shallow_water import ShallowWaterSystem
from pdebench.solvers.finite_volume.viscous import NavierStokesSystem

# The systems that are compiled, and the parameters of each: in sweeps of one axis after the other, and in stages.
SWEPT: dict[type, tuple[str, ...]] = {
    ShallowWaterSystem: ("shallow_water", "gravity"),
    RoughSystem: ("shallow_water", "gravity", "roughness"),
    EulerSystem: ("euler", "heat_capacity_ratio"),
    AdvectionSystem: ("advection", "speed"),
    BurgersSystem: ("burgers",),
}
STAGED: dict[type, tuple[str, ...]] = {
    ShallowWaterSystem: SWEPT[ShallowWaterSystem],
    RoughSystem: SWEPT[RoughSystem],
    EulerSystem: SWEPT[EulerSystem],
    GravitySystem: SWEPT[EulerSystem],
    NavierStokesSystem: ("euler", "heat_capacity_ratio", "shear_viscosity", "bulk_viscosity"),
}


def numbers(names: Sequence[str], params: BatchParams, count: int) -> Array:
    """The parameters of some members as the kernels take them, `(b, 3)`."""
    out = np.zeros((count, 3))
    for column, name in enumerate(names):
        if np.shape(params[name]) != (count,):
            raise ValueError(f"{name} must have one entry per member, {count}, not the shape {np.shape(params[name])}")
        out[:, column] = params[name]
    return out


def provenance() -> str:
    """What decides the last bits: kernels with or without fused multiply-add, or NumPy where they are missing."""
    if not kernels.available():
        return "numpy"
    best = kernels._compiled.finite_volume_instruction_sets()[0]
    return "lanes, fused multiply-add" if best in {"avx2", "avx512"} else f"lanes, {best}"


def fastest(reference: NumpyEngine, system: object, *, flux: FluxName) -> Engine:
    """The lane kernels where they know the system and the scheme; else the reference."""
    space = reference.space
    sides = [side for pair in space.boundaries.pairs() for side in pair]
    staged = reference.scheme != "muscl_hancock"
    if (
        type(system) not in (STAGED if staged else SWEPT)
        or (len(space.spacing) == 3 and not hasattr(system, "hllc"))  # scalars in 3D
        or space.reconstruction != "muscl"
        or flux == "roe"
        or any(not isinstance(side, str) for side in sides)
    ):
        return reference
    if not kernels.available():
        kernels.warn_once()
        return reference
    return StageEngine(reference, flux) if staged else LaneEngine(reference, flux)


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
        return type(self.reference.system(params)) in SWEPT

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced:
        system: Any = self.reference.system(params)
        if bed is not None or not self.knows(params):
            return self.reference.advance(q, params, length=length, bed=bed)
        name, *names = SWEPT[type(system)]
        space = self.reference.space
        out, time, steps, limited = kernels._compiled.finite_volume_advance(
            np.ascontiguousarray(np.swapaxes(q, 0, 1)),
            system=name,
            parameters=numbers(names, params, q.shape[1]),
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
class StageEngine:
    """What the reference computes by `ssp_rk2` and `ssp_rk3`, of each member by itself: the lanes are its cells.

    A member has the same bits whatever its batch and thread, and however many ranks share its box.
    """

    reference: NumpyEngine
    flux: FluxName
    threads: int = 1
    isa: str = ""  # the best there is

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced:
        reference, space = self.reference, self.reference.space
        system: Any = reference.system(params)
        name, *names = STAGED[type(system)]
        part = space.part
        shared: dict[str, Any] = {}
        if isinstance(part, Shared):
            shared = {"exchange": partial(_refreshed, part), "largest": lambda own: float(part.largest(own))}
        out, time, steps, limited = kernels._compiled.finite_volume_stages(
            np.ascontiguousarray(np.swapaxes(q, 0, 1)),
            None if bed is None else np.ascontiguousarray(bed[0]).astype(q.dtype),
            system=name,
            parameters=numbers(names, params, q.shape[1]),
            spacing=space.spacing,
            sides=[part.sides(axis, pair) for axis, pair in enumerate(space.boundaries.pairs())],
            limiter=space.limiter,
            flux=self.flux,
            dry=getattr(system, "dry", 0.0),
            length=length,
            cfl=reference.cfl,
            max_steps=reference.max_steps,
            stages=2 if reference.scheme == "ssp_rk2" else 3,
            viscous=isinstance(system, NavierStokesSystem),
            threads=self.threads,
            isa=self.isa,
            **shared,
        )
        new = np.swapaxes(out, 0, 1)
        lost = ~reference.sound(system, new) & (time == length)
        return Advanced(new, np.where(lost, np.nextafter(length, 0), time), steps, part.total(limited))


def _refreshed(part: Shared, planes: Array, axis: int) -> None:
    part.refresh(planes, 2, axis, corners=True)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a step noted of each member, `(b,)`: 1/Δt at Courant number one, cells helped, whether all is physical."""

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
        last: bool,
    ) -> Swept:
        """`axis` counts from the slowest, as in `hancock.sweep`; without `sides`, all are inner.

        Friction acts after the `last` sweep of a step. Of water and gas `rate` and `good` are found only then (0 and
        true before it), of scalar laws in every sweep.
        """
        system: Any = self.reference.system(params)
        name, *names = SWEPT[type(system)]
        space, given = self.reference.space, numbers(names, params, block.shape[1])
        inner: tuple[str, str] = ("inner", "inner")
        found = [
            kernels._compiled.finite_volume_sweep(
                block[:, member],
                system=name,
                parameters=given[member],
                spacing=space.spacing,
                sides=[inner] * len(space.spacing) if sides is None else list(sides),
                limiter=space.limiter,
                flux=self.flux,
                dry=getattr(system, "dry", 0.0),
                ghosts=2,
                axis=axis,
                step=float(step[member]),
                last=last,
                isa=self.isa,
            )
            for member in range(block.shape[1])
        ]
        rate, limited, good = (np.array(column) for column in zip(*found, strict=True))
        return Swept(rate, limited, good)

    def measure(self, block: Array, params: BatchParams) -> Swept:
        """The rate of what is there."""
        return self.sweep(block, params, np.zeros(block.shape[1]), axis=-1, last=True)
