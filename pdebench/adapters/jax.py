"""A JAX function as a model: compiled once per shape, NumPy at both ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import PdebenchError

from .mode import Mode, trajectory


class JaxModel:
    """`function(history, params[, time | times])` of JAX arrays, in the mode that `mode.trajectory` describes.

    An author's model class holds one, or is one: subclass and call `super().__init__` with the function that its
    weights give. Arrays go in as float32 unless JAX's 64-bit mode is on.
    """

    kind: ClassVar[str] = "neural"

    def __init__(self, function: Callable[..., Any], *, mode: Mode = "autoregressive") -> None:
        try:
            import jax
        except ImportError as error:
            raise PdebenchError("JAX models need jax: pip install 'pdebench-foundry[jax]'") from error
        self._function, self._mode = jax.jit(function), mode

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return trajectory(self._call, self._mode, history, params, times)

    def _call(self, given: Mapping[str, Array]) -> Array:
        return np.array(self._function(*given.values()))
