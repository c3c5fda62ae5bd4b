"""From one call of a network to a trajectory: step by step, a call per time, or all at once; once or as an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import ModelError
from pdebench.model import Autoregressive

Mode = Literal["autoregressive", "direct", "one_shot"]
Call = Callable[[Mapping[str, Array]], Array]

MODES: tuple[Mode, ...] = ("autoregressive", "direct", "one_shot")


def guessed(inputs: Collection[str]) -> Mode:
    """What a network's inputs say: `time` is one time per call, `times` all of them, neither is a step."""
    return "one_shot" if "times" in inputs else "direct" if "time" in inputs else "autoregressive"


def trajectory(call: Call, mode: Mode, history: Array, params: Array, times: Array) -> Array:
    """`(b, t, field, *space)` from a network's `call`, which gets `history`, `params` and, by its mode, the time.

    autoregressive: the next frame, `(b, field, *space)`, of `history` and `params`. direct: the frame at `time`
    `(b,)`. one_shot: all frames `(b, t, field, *space)` at `times` `(t,)`.
    """
    if mode == "autoregressive":
        return Autoregressive(lambda h, p: call({"history": h, "params": p})).predict(history, params, times)
    if mode == "direct":
        frames = [call({"history": history, "params": params, "time": np.full(len(history), t)}) for t in times]
        return np.stack(frames, axis=1)
    if mode == "one_shot":
        return call({"history": history, "params": params, "times": times})
    raise ModelError(f"no mode {mode!r}: choose one of {', '.join(MODES)}")


class Ensemble:
    """`members` draws of a random model: `draw(history, params, times, rng)` gives one, `(b, t, field, *space)`.

    The answer has the members in front, `(m, b, t, field, *space)`. Each sample's stream depends on the seed and
    the member alone, never on the batch: draws are made sample by sample.
    """

    def __init__(self, draw: Callable[..., Array], members: int = 16, seed: int = 0) -> None:
        if members < 2:
            raise ModelError(f"an ensemble has at least 2 members, got {members}")
        self._draw, self.ensemble, self._seed = draw, members, seed

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        draws = [
            [
                self._draw(history[i : i + 1], params[i : i + 1], times, np.random.default_rng([self._seed, m]))[0]
                for i in range(len(history))
            ]
            for m in range(self.ensemble)
        ]
        return np.asarray(draws)
