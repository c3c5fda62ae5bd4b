"""How a model is trained, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, inf, pi
from time import perf_counter, process_time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .errors import ModelError
from .spec import Card, Count, Positive


class Recipe(Card):
    """How a model is trained. It ends after `epochs` or `seconds`, whichever comes first; the learning rate follows.

    **Good values** for an FNO on turbulence: the defaults. `noise` near the one-step error that is hoped for keeps a
    long roll-out from drifting off; `unroll` 2 does the same at twice the cost.
    """

    epochs: Count | None = None
    seconds: Positive | None = None  # validation included
    clock: Literal["wall", "cpu"] = "wall"  # whose seconds; those of the processor are fair on a machine that is shared
    batch_size: Count = 8
    learning_rate: Positive | None = None  # the peak of the cycle; None: what the model says
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    seed: Annotated[int, Field(ge=0)] = 0
    history: Count = 1  # frames that the model sees
    stride: Count = 1  # stored frames in one step of the model
    unroll: Count = 1  # steps that the loss looks ahead
    noise: Annotated[float, Field(ge=0)] = 0.05  # added to the history in training, in units of the fields' std
    patience: Count | None = None  # end after so many epochs without a better error on valid
    every: Count = 100  # batches of a stream from one validation to the next: its epoch
    threads: Count | None = None  # None: as many as torch would take
    device: str = "cpu"

    @model_validator(mode="after")
    def _ends(self) -> Recipe:
        if self.epochs is None and self.seconds is None:
            raise ValueError("give epochs, seconds, or both: training must end")
        return self

    def now(self) -> float:
        """What its clock shows [s]."""
        return perf_counter() if self.clock == "wall" else process_time()


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a training at the end of an epoch. Errors are mean relative L², normalised fields together."""

    epoch: int
    done: float  # share of the budget, 1 at the end
    seconds: float
    train_error: float
    valid_error: float
    best_error: float


class Budget:
    """The epochs and seconds of a recipe. The last validation is within them, too."""

    def __init__(self, recipe: Recipe) -> None:
        self.validation: float | None = None  # seconds that one takes, once that is known
        self._epochs, self._seconds = recipe.epochs or inf, recipe.seconds or inf

    def spent(self, epochs: float, seconds: float) -> float:
        """Share of the budget (0 … 1) that so many epochs and seconds are."""
        left = max(self._seconds - (self.validation or 0.0), 1e-9)
        return min(max(epochs / self._epochs, seconds / left), 1.0)

    def hurries(self, epochs: float, seconds: float, update: float) -> bool:
        """Whether a validation now would leave no time for an update, which takes so many seconds, and its own.

        Else the training would end with it, before the learning rate is down.
        """
        left = self._seconds - seconds
        return self.spent(epochs, seconds) < 1 and left < update + 2 * (self.validation or 0.0)

    def expect_time(self, seconds: float) -> None:
        """Raises `ModelError` where the first validation would leave no time to learn anything before it."""
        validation = self.validation or 0.0
        if seconds + validation >= self._seconds:
            raise ModelError(
                f"a validation takes {validation:.3g} s, more than --seconds {self._seconds:g} leave to it "
                f"({max(self._seconds - seconds, 0):.3g}): raise it"
            )


def one_cycle(done: float, warm_up: float = 0.1) -> float:
    """Factor of the peak learning rate: up linearly over the first tenth, down to 0 along a cosine."""
    if done < warm_up:
        return max(done / warm_up, 0.01)
    return 0.5 * (1 + cos(pi * (done - warm_up) / (1 - warm_up)))
