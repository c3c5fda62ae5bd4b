"""An ONNX graph as a model, run by onnxruntime on the CPU: operations on arrays and nothing else, from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import ModelError, PdebenchError
from pdebench.spec import DatasetSpec

from .mode import Mode, guessed, trajectory

KNOWN = ("history", "params", "time", "times")
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxModel:
    """`weights` is the graph. Its inputs are named among `history`, `params`, `time`, `times`; it has one output.

    See `mode.trajectory` for what each mode takes and gives; the default follows from the inputs' names.
    """

    kind: ClassVar[str] = "neural"

    def __init__(
        self, spec: DatasetSpec, weights: Path | None = None, *, mode: Mode | None = None, threads: int = 1
    ) -> None:
        if weights is None:
            raise ModelError("onnx: give the graph as weights, a file ending in .onnx")
        self._session = _session(weights, threads)
        self._inputs = {port.name: port for port in self._session.get_inputs()}
        if extra := sorted(set(self._inputs) - set(KNOWN)):
            raise ModelError(f"onnx: {weights.name} has an input {extra[0]!r}: name them among {', '.join(KNOWN)}")
        self._mode: Mode = mode or guessed(self._inputs)

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return trajectory(self._call, self._mode, history, params, times)

    def _call(self, given: Mapping[str, Array]) -> Array:
        feed = {
            name: np.ascontiguousarray(given[name], TYPES.get(port.type, np.float32))
            for name, port in self._inputs.items()
        }
        return np.asarray(self._session.run(None, feed)[0])


def _session(path: Path, threads: int):  # type: ignore[no-untyped-def]  # onnxruntime has no types
    try:
        import onnxruntime
    except ImportError as error:
        raise PdebenchError("ONNX models need onnxruntime: pip install 'pdebench-foundry[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"onnx: {path.name} cannot be loaded: {' '.join(str(error).split())[:300]}") from error
