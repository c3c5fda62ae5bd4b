"""All that differs between dolfinx 0.5 (Debian 12) and 0.6 … 0.11, and how it is imported.

Written from the documented interfaces of both; only 0.5 has been run here. What changed on the way: `FunctionSpace`
became the function `functionspace` (0.7), elements come from `basix.ufl` (0.7), a dofmap's `list` is an array and no
adjacency list (0.7), `jit_params` are called `jit_options` (0.6), `create_mesh` takes the element first (0.10).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError
from pdebench.solvers.krylov.petsc import petsc, unmarked

TIMEOUT = 600  # [s] to wait for another process that compiles the same form


@cache
def dolfinx() -> Any:
    """The module, with its parts loaded. Starts MPI. Raises `SolverError` that tells how to get it."""
    petsc()
    try:
        with unmarked(), _unheard():
            import dolfinx
            import dolfinx.fem.petsc
            import dolfinx.mesh
    except ImportError as error:
        raise SolverError(
            "finite elements need dolfinx: on Debian `apt-get install python3-dolfinx` and a virtual environment with "
            "--system-site-packages, elsewhere `conda install -c conda-forge fenics-dolfinx`"
        ) from error
    return dolfinx


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep the logging of the program as it is: FFCx and its compilers set handlers, levels and capture warnings."""
    root, shown = logging.getLogger(), warnings.showwarning
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        warnings.showwarning = shown
        if root.level != level:  # setting it looks at every logger there is
            root.setLevel(level)
        root.handlers[:] = handlers


def version() -> str:
    """dolfinx's version, or that there is none, without starting anything."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    for name in ("fenics-dolfinx", "dolfinx"):
        try:
            return f"dolfinx {of(name)}"
        except PackageNotFoundError:
            continue
    return "no dolfinx"


@dataclass(frozen=True, slots=True)
class Spaces:
    """Continuous quadratic and linear functions on one mesh, and where their unknowns lie."""

    quadratic: Any
    linear: Any
    cells2: Index  # (cell, 6): three vertices, then the edges opposite to them
    cells1: Index  # (cell, 3)
    points2: Array  # (n, 2)
    points1: Array  # (m, 2)
    boundary2: Index  # unknowns on the boundary
    boundary1: Index


def spaces(points: Array, cells: Index) -> Spaces:
    """Taylor–Hood's two spaces on triangles `cells` `(cell, 3)` of `points` `(vertex, 2)`, on one rank."""
    dolfinx()
    with _unheard():
        mesh = _mesh(points, cells)
        quadratic, linear = _lagrange(mesh, 2), _lagrange(mesh, 1)
    mesh.topology.create_connectivity(1, 2)
    facets = dolfinx().mesh.exterior_facet_indices(mesh.topology)
    on = [
        np.sort(dolfinx().fem.locate_dofs_topological(space, 1, facets)).astype(np.int64)
        for space in (quadratic, linear)
    ]
    return Spaces(
        quadratic,
        linear,
        _cell_dofs(quadratic, 6),
        _cell_dofs(linear, 3),
        quadratic.tabulate_dof_coordinates()[:, :2].copy(),
        linear.tabulate_dof_coordinates()[:, :2].copy(),
        on[0],
        on[1],
    )


def assembled(form: Any) -> Any:
    """The matrix of a UFL form, as SciPy's CSR."""
    module = dolfinx()
    with _unheard():
        compiled = module.fem.form(form, **_jit_keyword())
    mat = dolfinx().fem.petsc.assemble_matrix(compiled)
    mat.assemble()
    indptr, indices, values = mat.getValuesCSR()
    matrix = sparse.csr_matrix((values.copy(), indices.copy(), indptr.copy()), shape=mat.getSize())
    matrix.sort_indices()
    return matrix


def _mesh(points: Array, cells: Index) -> Any:
    import ufl
    from mpi4py import MPI

    made: Any = dolfinx().mesh.create_mesh
    cells, points = np.ascontiguousarray(cells, np.int64), np.ascontiguousarray(points, np.float64)
    if _before(0, 7):
        domain = ufl.Mesh(ufl.VectorElement("Lagrange", ufl.triangle, 1))
        graph = dolfinx().cpp.graph.AdjacencyList_int64(cells)  # an array costs an error, long and unseen
        return made(MPI.COMM_SELF, graph, points, domain)
    import basix.ufl

    domain = ufl.Mesh(basix.ufl.element("Lagrange", "triangle", 1, shape=(2,)))
    if _before(0, 10):
        return made(MPI.COMM_SELF, cells, points, domain)
    return made(MPI.COMM_SELF, cells, domain, points)  # 0.10 turned the last two round


def _lagrange(mesh: Any, degree: int) -> Any:
    if _before(0, 7):
        return dolfinx().fem.FunctionSpace(mesh, ("Lagrange", degree), **_jit_keyword())
    return dolfinx().fem.functionspace(mesh, ("Lagrange", degree), **_jit_keyword())


def _jit_keyword() -> dict[str, Any]:
    return {"jit_params" if _before(0, 6) else "jit_options": {"timeout": TIMEOUT}}


def _cell_dofs(space: Any, count: int) -> Index:
    table = space.dofmap.list
    return np.asarray(getattr(table, "array", table), dtype=np.int64).reshape(-1, count).copy()


def _before(major: int, minor: int) -> bool:
    numbers = [int(part) for part in dolfinx().__version__.split(".")[:2]]
    return numbers < [major, minor]
