"""A torch network as a neural solver: normalisation, roll-out, and the weights file that rebuilds it all.

A new trainable model is one file with a class such as

    class MyModel(TorchModel):
        @staticmethod
        def network(spec: DatasetSpec, *, history: int, **options) -> nn.Module: ...

whose network takes `(b, h, field + input, *space)` normalised frames and `(b, p)` normalised parameters, and returns
`(b, field, *space)`: the change over one step, in units of its root mean square. Of a steady problem it takes the
normalised inputs, `(b, 1, input, *space)`, and returns the normalised solution. Options are JSON values. `Trainable`
says what else a network may have, for another loss, lead times or a fit in closed form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import safetensors
import torch
from safetensors.torch import save
from torch import Tensor, nn

from pdebench import __version__
from pdebench.arrays import Array
from pdebench.data import Normaliser
from pdebench.errors import ModelError
from pdebench.problem import inputs_of, problem_of, starts_with
from pdebench.spec import DatasetSpec

_KEY = "pdebench"  # of our JSON in the header of a safetensors file


@dataclass(frozen=True, slots=True)
class Passport:
    """What a weights file says about itself, beside the tensors."""

    model: str  # name of the class
    options: dict[str, Any]  # of its network
    fields: list[str]
    parameters: list[str]
    lengths: list[float]  # of the box
    step: float  # time between two frames, in the card's unit
    history: int
    dataset: str
    dataset_digest: str
    seed: int = 0
    training_seconds: float = 0.0
    epochs: int = 0
    valid_error: float | None = None
    training: dict[str, Any] = field(default_factory=dict)  # the recipe, and whatever the trainer must remember
    version: str = __version__
    inputs: list[str] = field(default_factory=list)  # fields that are given and do not change in time
    steady: bool = False


Batches = Callable[
    [], Iterator[tuple[Tensor, Tensor, Tensor]]
]  # normalised history, params and answer, again and again


class Trainable(Protocol):
    """What a network may have beside `forward`, each of it optional."""

    leads: int  # above 1: it is called with a third argument, how many steps to look ahead `(b,)`, at most so many

    def at_frame(self, index: int) -> None:
        """Called before each frame of a roll-out with 0, 1, …: for a network that draws numbers."""
        ...

    def training_errors(self, history: Tensor, params: Tensor, change: Tensor) -> Tensor:
        """Its own measure of error while it learns, `(b,)`."""
        ...

    def fit(self, train: Batches, valid: Batches) -> None:
        """Set the weights in closed form; there are no epochs then. An answer is what `forward` should return."""
        ...


class Stepper(nn.Module):
    """A network with its normaliser: physical frames in, the next physical frame (or the steady solution) out.

    The statistics are buffers, so a weights file holds them with the rest.
    """

    mean: Tensor
    std: Tensor
    change: Tensor
    input_mean: Tensor
    input_std: Tensor
    param_log: Tensor
    param_mean: Tensor
    param_std: Tensor

    def __init__(self, network: nn.Module, normaliser: Normaliser, space: int, *, steady: bool = False) -> None:
        super().__init__()
        self.network, self.steady, self.leads = network, steady, int(getattr(network, "leads", 1))
        self.fields, self.inputs = len(normaliser.mean), len(normaliser.input_mean)
        for name, values in asdict(normaliser).items():
            shape = (len(values), *[1] * (0 if name.startswith("param") else space))
            kept = bool(len(values)) or not name.startswith("input")
            self.register_buffer(name, torch.from_numpy(np.asarray(values, np.float32).reshape(shape)), persistent=kept)

    def forward(self, history: Tensor, params: Tensor, lead: Tensor | None = None) -> Tensor:
        """`(b, h, field + input, *space)`, or `(b, 1, input, *space)` if steady; `(b, p)` -> `(b, field, *space)`.

        `lead` `(b,)` is how many steps to go, of a network that can go several at once; one by default.
        """
        seen = self._normalised(history, params)
        found: Tensor = history[:, -1, : self.fields]
        if self.steady:
            found = self.mean + self.std * self.network(*seen)
        elif self.leads == 1:
            found = found + self.change * self.network(*seen)
        else:
            lead = torch.ones(len(history)).to(history) if lead is None else lead
            found = found + self._reach(lead) * self.network(*seen, lead)
        return found

    def _reach(self, lead: Tensor) -> Tensor:
        """Expected change: grows with the steps, up to √2 std between frames that have nothing in common."""
        near = lead.reshape(-1, *[1] * self.mean.ndim) * self.change
        return near / (1 + (near / self.std).square() / 2).sqrt()

    def roll_out(self, history: Tensor, params: Tensor, steps: int) -> list[Tensor]:
        """The next `steps` frames, `(b, field, *space)` each: made from the last, or from as far back as can be."""
        frames: list[Tensor] = []
        tell: Callable[[int], None] | None = getattr(self.network, "at_frame", None)
        for step in range(steps):
            if tell is not None:
                tell(step)
            ahead = step % self.leads + 1
            frames.append(self(history, params, torch.full((len(history),), float(ahead)).to(history)))
            if not self.steady and ahead == self.leads:
                following = torch.cat([frames[-1], history[:, -1, self.fields :]], dim=1)
                history = torch.cat([history[:, 1:], following[:, None]], dim=1)
        return frames

    def training_errors(self, history: Tensor, params: Tensor, future: Tensor) -> Tensor | None:
        """The network's own measure of error while it learns, `(b,)`; None where it has none.

        `future` is `(b, 1, field, *space)`: such a network learns one step at a time.
        """
        own: Callable[..., Tensor] | None = getattr(self.network, "training_errors", None)
        if own is None or not self.training:
            return None
        if self.steady or future.shape[1] != 1:
            raise ModelError("a network with a loss of its own learns one step of a problem in time: unroll must be 1")
        return own(*self.normalised(history, params, future))

    def normalised(self, history: Tensor, params: Tensor, future: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the network sees and what it should say, of one step, `future` `(b, 1, field, *space)`."""
        if self.steady:
            return *self._normalised(history, params), (future[:, 0] - self.mean) / self.std
        change = (future[:, 0] - history[:, -1, : self.fields]) / self.change
        return *self._normalised(history, params), change

    def disturbed(self, history: Tensor, noise: float) -> Tensor:
        """The history with `noise`, in units of the fields' std, on the fields; the inputs are known and stay."""
        if not noise or self.steady:
            return history
        fields = history[:, :, : self.fields]
        shaken = fields + noise * self.std * torch.randn_like(fields)
        return torch.cat([shaken, history[:, :, self.fields :]], dim=2) if self.inputs else shaken

    def _normalised(self, history: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of a history, whose columns are fields and inputs (inputs alone if steady)."""
        mean, std = self.input_mean, self.input_std
        if not self.steady:
            mean, std = torch.cat([self.mean, mean]), torch.cat([self.std, std])
        logs = torch.where(self.param_log > 0, params.clamp_min(1e-30).log(), params)
        return (history - mean) / std, (logs - self.param_mean) / self.param_std


class TorchModel:
    """A trained network as a neural solver, rebuilt from its weights file alone; subclasses give the network."""

    kind: ClassVar[str] = "neural"
    learning_rate: ClassVar[float] = 3e-3  # peak of the cycle, where the recipe names none

    def __init__(
        self, spec: DatasetSpec, weights: Path | str | None = None, *, device: str = "cpu", **options: Any
    ) -> None:
        name = type(self).__name__
        if weights is None:
            raise ModelError(f"{name} has to be trained first: `pdebench train`, then give the file as --weights")
        passport, tensors = load(Path(weights))
        if passport.model != name:
            raise ModelError(f"{weights} holds weights of {passport.model}, not of {name}: choose that model")
        _expect_same(spec, passport, weights)
        for key, value in options.items():
            if passport.options.get(key) != value:
                trained = passport.options.get(key, "the default")
                raise ModelError(f"{weights} was trained with {key}: {trained}, not {value!r}: leave the option out")
        self.passport, self.training_seconds = passport, passport.training_seconds
        self.training_clock = passport.training.get("recipe", {}).get("clock", "wall")
        self._device = torch.device(device)
        self._stepper = self.stepper(spec, passport)
        try:
            self._stepper.load_state_dict(tensors)
        except RuntimeError as error:
            why = " ".join(str(error).split())
            raise ModelError(f"{weights} does not fit the network it describes ({why}): train it again") from error
        self._stepper.to(self._device).eval()
        self.parameter_count = count_parameters(self._stepper)

    @staticmethod
    def network(*args: Any, **options: Any) -> nn.Module:
        """The untrained network, from `(spec, *, history, **options)`."""
        raise NotImplementedError("a TorchModel defines network(spec, *, history, **options)")

    @classmethod
    def stepper(cls, spec: DatasetSpec, passport: Passport, normaliser: Normaliser | None = None) -> Stepper:
        """The untrained network that a passport describes, with its normaliser (or room for one)."""
        if normaliser is None:
            sizes = (passport.fields,) * 3 + (passport.parameters,) * 3 + (passport.inputs,) * 2
            normaliser = Normaliser(*(np.ones(len(names)) for names in sizes))
        try:
            network = cls.network(spec, history=passport.history, **passport.options)
        except TypeError as error:
            raise ModelError(f"{cls.__name__} cannot be built with options {passport.options}: {error}") from error
        return Stepper(network, normaliser, len(spec.store.shape), steady=passport.steady)

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        """Roll out from the last frame: `(b, h, field + input, *space)`, `(b, p)`, `(t,)` -> `(b, t, field, *space)`.

        Raises `ModelError` unless each time is a multiple of the step that the model was trained for.
        """
        steps = self._steps(np.asarray(times, float))
        h = self.passport.history
        if history.shape[1] < h:
            raise ModelError(f"the model wants {h} frames of history, got {history.shape[1]}: use a task that has them")
        with torch.inference_mode():
            start = torch.tensor(history[:, -h:], dtype=torch.float32, device=self._device)
            columns = torch.tensor(params, dtype=torch.float32, device=self._device)
            frames = self._stepper.roll_out(start, columns, int(steps.max()))
            return np.asarray(torch.stack([frames[int(n) - 1] for n in steps], dim=1).cpu())

    def _steps(self, times: Array) -> Array:
        """How many steps lead to each time; one to a steady solution."""
        if self.passport.steady:
            return np.ones(len(times))
        steps: Array = np.rint(times / self.passport.step)
        if not times.size or steps.min() < 1 or np.abs(times - steps * self.passport.step).max() > 1e-6 * times.max():
            raise ModelError(
                f"the model steps by {self.passport.step:g}, so the times asked for must be multiples of it, not "
                f"{np.array2string(times, threshold=6)}: choose a task with that spacing, or train with its stride"
            )
        return steps


def field_names(spec: DatasetSpec) -> list[str]:
    """Names of the fields that are predicted."""
    return [each.name for each in problem_of(spec).fields]


def input_names(spec: DatasetSpec) -> list[str]:
    """Names of the fields that are given and do not change in time."""
    return [each.name for each in inputs_of(problem_of(spec))]


def columns(spec: DatasetSpec) -> int:
    """How many columns a frame of the history has: fields and inputs, or, of a steady problem, inputs alone."""
    return len(starts_with(problem_of(spec)))


def count_parameters(module: nn.Module) -> int:
    """Trainable real numbers (a complex weight is two)."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in module.parameters() if p.requires_grad)


def _expect_same(spec: DatasetSpec, passport: Passport, weights: Path | str) -> None:
    """Raise `ModelError` where the dataset differs from the trained one in what a network cannot bridge."""
    for what, trained, here in (
        ("fields", passport.fields, field_names(spec)),
        ("inputs", passport.inputs, input_names(spec)),
        ("parameters", passport.parameters, list(spec.parameters)),
        ("a grid of axes", len(passport.lengths), len(spec.grid.lengths)),
        ("a box of lengths", passport.lengths, list(spec.grid.lengths)),
    ):
        if trained != here:
            raise ModelError(
                f"{weights} was trained on {what} {trained}, but dataset {spec.name} has {here}: "
                "train on this dataset, or evaluate on one like the trained one"
            )


def dump(path: Path, passport: Passport, tensors: dict[str, Tensor]) -> None:
    """Write tensors and passport as one safetensors file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        partial.write_bytes(save(content, {_KEY: json.dumps(asdict(passport))}))
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ModelError(f"cannot write {path}: {error.strerror or error}") from error


def load(path: Path) -> tuple[Passport, dict[str, Tensor]]:
    """Passport and tensors of a file that `dump` wrote. Nothing but safetensors is read: a pickle can run code."""
    if not path.is_file():
        raise ModelError(f"no weights at {path}: `pdebench train MODEL STORE --out {path}` makes them")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a whole safetensors file ({error}); other formats are not read") from error
    if _KEY not in header:
        raise ModelError(f"{path} is safetensors, but not written by pdebench train: its header has no {_KEY!r}")
    return _passport(header[_KEY], path), tensors


def _passport(text: str, path: Path) -> Passport:
    try:
        data: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path}: its header is not the JSON that pdebench writes ({error})") from error
    known = {each.name for each in fields(Passport)}
    for key in data.keys() - known:
        raise ModelError(f"{path}: unknown key {key!r} in its header: a newer pdebench wrote it, update this one")
    try:
        return Passport(**data)
    except TypeError as error:
        raise ModelError(f"{path}: its header is incomplete ({error})") from error
