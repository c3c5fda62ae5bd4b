"""Frames on meshes: groups `meshes/0`, `meshes/1`, … of a store, one per mesh, each a dataset in UGRID's conventions.

https://ugrid-conventions.github.io/ugrid-conventions/ (version 1.0). Members that share a mesh share a group; one shard
per field and member. A member that failed has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr

from . import sample
from .arrays import Index
from .errors import CardError
from .problem import Mesh, Meshed, Problem, built, solvers
from .shard import Form
from .spec import DatasetSpec

MESHES, NUMBER = "meshes", "mesh"  # the parent of the groups; the variable that tells each member's


@dataclass(frozen=True, slots=True)
class Kept:
    """Which mesh each member has, `(sample,)`, -1 for none, and how many nodes each mesh."""

    number: Index
    nodes: tuple[int, ...]

    @classmethod
    def read(cls, group: zarr.Group) -> Kept:
        """Of a store that was laid out; without meshes, nothing."""
        if NUMBER not in group:
            return cls(np.zeros(0, int), ())
        numbers: Any = group[NUMBER]
        count = int(numbers[:].max(initial=-1)) + 1
        places: list[Any] = [group[f"{MESHES}/{number}/node_x"] for number in range(count)]
        return cls(np.asarray(numbers[:]), tuple(place.shape[0] for place in places))

    def members(self, number: int) -> Index:
        """Those that have this mesh, in order."""
        return np.flatnonzero(self.number == number)

    def folders(self, fields: tuple[str, ...]) -> list[str]:
        """Where shards lie."""
        return [f"{MESHES}/{number}/{name}" for number in range(len(self.nodes)) for name in fields]

    def shards(self, spec: DatasetSpec, member: int, fields: tuple[str, ...]) -> dict[str, Form]:
        """Name and form of the member's shards, one per field."""
        if not len(self.number) or (number := int(self.number[member])) < 0:
            return {}
        row = int(np.searchsorted(self.members(number), member))
        dtype = np.dtype(spec.store.dtype).newbyteorder("<")
        form = Form(1, 1, frames_kept(spec), (self.nodes[number],), dtype)
        return {f"{MESHES}/{number}/{name}/c.{row}.0.0": form for name in fields}


def frames_kept(spec: DatasetSpec) -> int:
    """Frames that go on the mesh."""
    return -(-spec.times.frames // spec.store.mesh)


def meshed(spec: DatasetSpec, card: object) -> Meshed:
    """The solver's card. Raises `CardError` where its solver has no mesh."""
    if not isinstance(card, Meshed):
        raise CardError(
            f"{spec.name}: store.mesh is {spec.store.mesh}, but {spec.solver.name} has no mesh: set it to 0"
        )
    return card


def meshes_of(spec: DatasetSpec, problem: Problem) -> tuple[Kept, list[Mesh]]:
    """The meshes of all members, each once."""
    if not spec.store.mesh:
        return Kept(np.zeros(0, int), ()), []
    card = meshed(spec, built(solvers, spec.solver, where=f"{spec.name}: solver"))
    found: dict[bytes, tuple[int, Mesh]] = {}
    number = np.full(spec.samples.count, -1)
    for member in range(spec.samples.count):
        if (mesh := card.mesh(problem, spec.grid, sample.parameters(spec, member))) is not None:
            key = mesh.nodes.tobytes() + mesh.faces.tobytes()
            number[member], _ = found.setdefault(key, (len(found), mesh))
    meshes = [mesh for _, mesh in found.values()]
    return Kept(number, tuple(len(mesh.nodes) for mesh in meshes)), meshes


def ugrid(mesh: Mesh, units: str) -> Iterator[tuple[str, Any, tuple[str, ...], dict[str, Any]]]:
    """Name, values, dims and attributes of what describes a mesh."""
    topology = {
        "cf_role": "mesh_topology",
        "topology_dimension": 2,
        "node_coordinates": "node_x node_y",
        "face_node_connectivity": "face_nodes",
        "long_name": "triangles; of quadratic elements each is cut into four at the middles of its sides",
    }
    yield "mesh", np.array(0, np.int32), (), topology
    for axis, name in enumerate("xy"):
        yield f"node_{name}", mesh.nodes[:, axis], ("node",), {"long_name": f"{name} of a node", "units": units}
    corners = {"cf_role": "face_node_connectivity", "start_index": 0, "long_name": "nodes of a face, anticlockwise"}
    yield "face_nodes", mesh.faces.astype(np.int32), ("face", "corner"), corners
