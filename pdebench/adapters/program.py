"""A torch.export program as a model. **Loading one can run code from the file**: only for files that you made.

`torch.export.load` of torch 2.13 calls `torch.load(..., weights_only=False)` and `pickle.loads` where the archive asks
for it, and `sympy.sympify` on its strings. A judge therefore refuses these files; export to ONNX instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from pdebench.arrays import Array
from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .mode import Mode, trajectory


class TorchFunction:
    """A torch module, or any function of tensors, in the mode that `mode.trajectory` describes; float32 goes in."""

    kind: ClassVar[str] = "neural"

    def __init__(self, function: object, *, mode: Mode = "autoregressive") -> None:
        if not callable(function):
            raise ModelError(f"a torch model must be callable, not {type(function).__name__}")
        self._function, self._mode = function, mode
        if isinstance(function, torch.nn.Module):
            self.parameter_count = sum(p.numel() for p in function.parameters())

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        with torch.no_grad():
            return trajectory(self._call, self._mode, history, params, times)

    def _call(self, given: Mapping[str, Array]) -> Array:
        tensors = [torch.from_numpy(np.ascontiguousarray(values, np.float32)) for values in given.values()]
        found: Array = self._function(*tensors).detach().cpu().numpy()
        return found


class ProgramModel(TorchFunction):
    """`weights` is the .pt2 file of `torch.export.save`; it takes `history`, `params` and what its mode adds."""

    def __init__(self, spec: DatasetSpec, weights: Path | None = None, *, mode: Mode = "autoregressive") -> None:
        if weights is None:
            raise ModelError("torch_program: give the program as weights, a file ending in .pt2")
        try:
            program = torch.export.load(weights)
        except Exception as error:
            raise ModelError(
                f"torch_program: {weights} cannot be loaded: {' '.join(str(error).split())[:300]}"
            ) from error
        super().__init__(program.module(), mode=mode)
