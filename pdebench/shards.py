"""Which shards a store has: their names and forms, of one unit of work after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .meshes import Kept
from .shard import Form
from .spec import DatasetSpec


@dataclass(frozen=True, slots=True)
class Shards:
    """Names and forms of the shards of a store, those on meshes among them."""

    spec: DatasetSpec
    fields: tuple[str, ...]
    inputs: tuple[str, ...]
    meshes: Kept | None

    @property
    def stored(self) -> tuple[str, ...]:
        """The variables on the grid that lie in shards."""
        return (*self.fields, *self.inputs)

    def unit(self, unit: int) -> dict[str, tuple[str, Form]]:
        """Of all that a unit writes: the journal's name, the shard's and its form."""
        size, count = self.spec.samples.unit, self.spec.samples.count
        shards = {name: (self._name(name, unit), self._form(name, unit)) for name in self.stored}
        for member in range(unit * size, min((unit + 1) * size, count)) if self.meshes else ():
            shards |= {name: (name, form) for name, form in self.on_mesh(member).items()}
        return shards

    def on_mesh(self, member: int) -> dict[str, Form]:
        """Of the member's frames on its mesh, one per field."""
        return self.meshes.shards(self.spec, member, self.fields) if self.meshes else {}

    def _form(self, name: str, unit: int) -> Form:
        """Of one shard on the grid; an input's one chunk per member is no frame, but lies like one."""
        size, count = self.spec.samples.unit, self.spec.samples.count
        frames = 1 if name in self.inputs else self.spec.times.frames
        dtype = np.dtype(self.spec.store.dtype).newbyteorder("<")
        return Form(size, min(size, count - unit * size), frames, self.spec.output.shape, dtype)

    def _name(self, name: str, unit: int) -> str:
        axes = len(self.spec.output.shape) + (name not in self.inputs)
        return f"{name}/" + ".".join(["c", str(unit), *["0"] * axes])
