"""Sequences of linear systems: one object for one sequence, fed A and b again and again.

```python
sequence = SolverSequence(methods["gcrodr"](m=40, k=20, pc="ilu"), rtol=1e-8)
for system in systems:
    x, solve = sequence.solve(system)
```
"""

from __future__ import annotations

from . import direct, lu, multigrid_cg, petsc_ksp, petsc_pc, recycling, transform_methods
from .choice import Choice, choose
from .ksp import GCRODR
from .method import Answer, Method, methods
from .preconditioner import Preconditioner, preconditioners
from .sequence import Solve, SolverSequence
from .system import System

__all__ = [
    "GCRODR",
    "Answer",
    "Choice",
    "Method",
    "Preconditioner",
    "Solve",
    "SolverSequence",
    "System",
    "choose",
    "methods",
    "preconditioners",
]

# These fill the tables of names.
_parts = (direct, lu, multigrid_cg, petsc_ksp, petsc_pc, recycling, transform_methods)
