"""`train`: a model, a store (or a stream) and a recipe -> a weights file. One loop for every torch model.

A model joins by its class, registered under `pdebench.models`: a `TorchModel` whose `network(spec, history=…,
**options)` builds the untrained network (see `pdebench.baselines.torch_model`). Nothing here knows more of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from .arrays import Array, evenly
from .baselines.torch_model import Passport, Stepper, TorchModel, dump, load
from .data import Batch, Normaliser, Pairs, Trajectories, Windows
from .errors import ModelError
from .feed import Feed, Opener, Stored, Streamed, as_arrays, as_tensors, expect_alike
from .model import models
from .recipe import Budget, Progress, Recipe, one_cycle

VALIDATED = 2048  # windows of *valid* at most, evenly spread: of all pairs of frames there are many times as many


def train(
    model: str,
    store: Trajectories,
    out: Path | str,
    recipe: Recipe,
    *,
    options: Mapping[str, Any] | None = None,
    stream: Opener | None = None,
    resume: bool = True,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train the registered `model` on the store's *train* split and keep the weights best on *valid* at `out`.

    `stream` opens a stream that is trained on in place of that split, while its solvers run; it is called with the
    stream's part of a checkpoint, or None. The store then serves to validate and to normalise; its *train* split may
    be empty. Training also ends with the stream.

    After each epoch all that a killed run needs lies on disk: repeat the call to go on. A finished run returns at
    once. Raises `ModelError` where `out` holds another training, unless `resume` is off.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads or threads)
    try:
        with torch.random.fork_rng(devices=[]):
            run = _Run(_trainable(model), store, Path(out), recipe, dict(options or {}), streamed=stream is not None)
            if not (resume and run.resume()):
                with closing(run.feed(stream)):
                    while run.done < 1:
                        report(run.epoch())
                run.finish()
    finally:
        torch.set_num_threads(threads)
    return Path(out)


def _trainable(name: str) -> type[TorchModel]:
    def has_network(factory: object) -> bool:
        return isinstance(factory, type) and issubclass(factory, TorchModel)

    found: object = models[name]
    if not has_network(found):
        known = [each for each in models if has_network(models[each])]
        raise ModelError(f"model {name!r} has nothing to train; these have: {', '.join(known)}")
    return cast(type[TorchModel], found)


class _Run:
    """One training: what is fixed, and the state that a checkpoint holds."""

    def __init__(
        self,
        kind: type[TorchModel],
        store: Trajectories,
        out: Path,
        recipe: Recipe,
        options: dict[str, Any],
        *,
        streamed: bool = False,
    ) -> None:
        self.out, self.state_path = out, out.with_name(f"{out.stem}.resume{out.suffix}")
        self._device = torch.device(recipe.device)
        self._peak = recipe.learning_rate or kind.learning_rate
        self.recipe = recipe = recipe.model_copy(update={"learning_rate": self._peak})
        spec = self._spec = store.spec
        self._passport = Passport(
            model=kind.__name__,
            options=_json(options),
            fields=list(store.fields),
            inputs=list(store.inputs),
            steady=store.steady,
            parameters=list(spec.parameters),
            lengths=list(spec.grid.lengths),
            step=recipe.stride * spec.times.step,
            history=recipe.history,
            dataset=spec.name,
            dataset_digest=spec.digest,
            seed=recipe.seed,
            training={"recipe": recipe.model_dump(mode="json"), "curve": []},
        )
        torch.manual_seed(recipe.seed)
        normaliser = Normaliser.measure(store, "valid" if streamed else "train", stride=recipe.stride)
        self._stepper: Stepper = kind.stepper(spec, self._passport, normaliser).to(self._device)
        self._fit: Callable[..., None] | None = getattr(self._stepper.network, "fit", None)
        if (self._fit or self._stepper.leads > 1) and (streamed or recipe.unroll > 1):
            raise ModelError(f"{kind.__name__} learns from a store, not from a stream, and with unroll 1")
        self._train, self._valid = None if streamed else self._windows(store, "train"), self._windows(store, "valid")
        count = len(self._valid)
        self._validated = evenly(count, min(count, VALIDATED))
        self._passport.training["train_windows"] = "a stream" if self._train is None else len(self._train)
        weights = list(self._stepper.parameters())
        real = all(weight.is_floating_point() for weight in weights)
        self._optimiser = torch.optim.AdamW(weights, lr=0.0, weight_decay=recipe.weight_decay, fused=real)
        self._epoch, self._seconds, self._best, self._train_error = 0, 0.0, inf, inf
        self._budget = Budget(recipe)
        self._feed: Feed
        self._flown: dict[str, Array] = {}  # a stream's part of the checkpoint

    def _windows(self, store: Trajectories, split: str) -> Windows | Pairs:
        """What the network is shown of a split: windows, or pairs of frames if it looks several steps ahead."""
        recipe, kind, longest = self.recipe, self._passport.model, self._stepper.leads
        most = max((len(store.times) - 1) // recipe.stride, 1)
        if longest > most:
            raise ModelError(f"{kind} looks {longest} steps ahead, and a member has {most}: lower its longest")
        if longest == 1:
            return Windows(store, split, history=recipe.history, horizon=recipe.unroll, stride=recipe.stride)
        return Pairs(store, split, longest=longest, stride=recipe.stride)

    def feed(self, stream: Opener | None) -> Feed:
        """Open where the batches come from, after `resume`."""
        if self._train is not None:
            self._feed = Stored(self._train, self.recipe.batch_size, self.recipe.seed)
        elif stream is not None:
            flow = stream(self._flown or None)
            expect_alike(self._spec, flow.spec)
            self._feed = Streamed(flow, self.recipe.every)
        return self._feed

    @property
    def done(self) -> float:
        """Share of the budget that is spent."""
        over = self._feed.over or self._stale() or (self._fit is not None and self._epoch > 0)
        return 1.0 if over else self._budget.spent(self._epoch, self._seconds)

    def _stale(self) -> bool:
        """Whether the valid error has not been better for as many epochs as there is patience for."""
        errors = [row[2] for row in self._passport.training["curve"]]
        return self.recipe.patience is not None and len(errors) - int(np.argmin(errors or [0])) > self.recipe.patience

    def epoch(self) -> Progress:
        """One pass over the training windows (less or more as the time is up), validation, checkpoint."""
        began = self.recipe.now() - self._seconds
        if self._budget.validation is None and self.recipe.seconds:
            self._budget.validation = self._foreseen()
            if self._epoch == 0 and self._fit is None:
                self._budget.expect_time(self.recipe.now() - began)
        if self._fit is not None and self._train is not None:
            self._fit(*(partial(self._normalised, windows) for windows in (self._train, self._valid)))
        since, errors = self.recipe.now(), self._pass(began, [])
        while errors and self._hurries(self.recipe.now() - began, (self.recipe.now() - since) / len(errors)):
            self._epoch += 1
            errors = self._pass(began, errors)
        if errors:  # none where a stream ends at the end of an epoch
            self._train_error = float(np.concatenate(errors).mean())
        since = self.recipe.now()
        train_error, valid_error = self._train_error, self._validate()
        self._budget.validation = self.recipe.now() - since
        self._finite(valid_error)
        self._epoch += 1
        self._seconds = self.recipe.now() - began
        return self._keep(train_error, valid_error)

    def _pass(self, began: float, before: list[Array]) -> list[Array]:
        """Learn from the batches of this epoch while there is time; the errors of each, after those `before`."""
        torch.manual_seed(self.recipe.seed + 1_000_003 * (self._epoch + 1))  # for networks that draw numbers
        errors = [*before]
        for share, batch in self._feed.epoch(self._epoch):
            done = self._budget.spent(self._epoch + share, self.recipe.now() - began)
            if errors and done >= 1:
                break
            learning_rate = self._peak * one_cycle(done)
            errors.append(self._update(batch, learning_rate) if self._fit is None else self._measured(batch))
            self._feed.learn(batch, errors[-1])
        return errors

    def _hurries(self, seconds: float, update: float) -> bool:
        """Whether the next pass must begin at once; see `Budget.hurries`."""
        return not self._feed.over and self._fit is None and self._budget.hurries(self._epoch + 1, seconds, update)

    def _update(self, batch: Batch, learning_rate: float) -> Array:
        """One step of the optimiser; the errors of the batch, `(b,)`."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._optimiser.zero_grad(set_to_none=True)
        errors = self._errors(batch, noise=self.recipe.noise)
        self._finite(float(errors.detach().sum()))
        errors.mean().backward()  # type: ignore[no-untyped-call]  # torch has it untyped
        torch.nn.utils.clip_grad_norm_(self._stepper.parameters(), 1.0)
        self._optimiser.step()
        return errors.detach().cpu().numpy()

    def _measured(self, batch: Batch) -> Array:
        """The errors of the batch, `(b,)`, without learning from it."""
        with torch.inference_mode():
            return self._errors(batch).cpu().numpy()

    def _normalised(self, windows: Windows | Pairs) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """What a network sees of the windows and should answer, batch by batch."""
        for batch in windows.batches(self.recipe.batch_size, shuffle=False):
            yield self._stepper.normalised(*self._tensors(batch))

    def _tensors(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        history, params, future = (
            torch.as_tensor(part, dtype=torch.float32, device=self._device)
            for part in (batch.history, batch.params, batch.future)
        )
        return history, params, future

    def _errors(self, batch: Batch, noise: float = 0.0) -> Tensor:
        """Relative L² of each window, over fields, steps and space at once, normalised: `(b,)`."""
        history, params, future = self._tensors(batch)
        history = self._stepper.disturbed(history, noise)
        if (own := self._stepper.training_errors(history, params, future)) is not None:
            return own
        if self._stepper.leads > 1:
            lead = torch.as_tensor(batch.times[:, 0] / self._passport.step).round().to(history)
            predicted = self._stepper(history, params, lead)[:, None]
        else:
            predicted = torch.stack(self._stepper.roll_out(history, params, self.recipe.unroll), dim=1)
        error, truth = (predicted - future) / self._stepper.std, (future - self._stepper.mean) / self._stepper.std
        relative: Tensor = error.flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)
        return relative

    def _foreseen(self) -> float:
        """Seconds that the first validation will take, from its first batch; 0 of one so short that a batch is dear."""
        batches = -(-len(self._validated) // self.recipe.batch_size)
        if batches < 4:
            return 0.0
        self._validate(batches=1)  # the very first takes longer
        since = self.recipe.now()
        self._validate(batches=1)
        return (self.recipe.now() - since) * batches

    def _validate(self, batches: int | None = None) -> float:
        """Mean error on the valid split, or on its first few batches."""
        self._stepper.eval()
        size, total, seen = self.recipe.batch_size, 0.0, 0
        with torch.inference_mode():
            for low in islice(range(0, len(self._validated), size), batches):
                errors = self._errors(self._valid.batch(self._validated[low : low + size]))
                total, seen = total + float(errors.sum()), seen + len(errors)
        self._stepper.train()
        return total / seen

    def _finite(self, error: float) -> float:
        if not isfinite(error):
            raise ModelError(
                f"the training diverged in epoch {self._epoch + 1}: choose a lower learning_rate than "
                f"{self._peak:g}; the best weights so far, if any, are in {self.out}"
            )
        return error

    # -- what is on disk ------------------------------------------------------------------------------------------

    def _keep(self, train_error: float, valid_error: float) -> Progress:
        """The best weights and the checkpoint, each replaced whole."""
        better = valid_error < self._best
        self._best = min(self._best, valid_error)
        curve = [*self._passport.training["curve"], [self._seconds, train_error, valid_error]]
        self._passport = replace(
            self._passport,
            training_seconds=self._seconds,
            epochs=self._epoch,
            valid_error=valid_error,
            training=self._passport.training | {"curve": curve, "best_error": self._best},
        )
        if better:
            dump(self.out, self._passport, self._stepper.state_dict())
        dump(self.state_path, self._passport, self._state())
        return Progress(self._epoch, self.done, self._seconds, train_error, valid_error, self._best)

    def _state(self) -> dict[str, Tensor]:
        """Weights, and the optimiser's moments under `optimiser.<parameter>.<name>`."""
        moments = self._optimiser.state_dict()["state"]
        flat = {f"optimiser.{i}.{name}": value for i, group in moments.items() for name, value in group.items()}
        return self._stepper.state_dict() | flat | as_tensors(self._feed.state())

    def resume(self) -> bool:
        """Take up the checkpoint of the same training, if there is one; true when nothing is left to do."""
        if self.out.exists() and self._same(self.out)[0].training.get("finished"):
            return True
        if not self.state_path.exists():
            return False
        self._passport, tensors = self._same(self.state_path)
        weights = self._stepper.state_dict().keys()
        self._stepper.load_state_dict({name: tensors[name] for name in weights})
        self._flown = as_arrays(tensors)
        moments: dict[int, dict[str, Tensor]] = {}
        for key in (name for name in tensors.keys() - weights if name.startswith("optimiser.")):
            _, number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = tensors[key]
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._epoch, self._seconds = self._passport.epochs, self._passport.training_seconds
        self._best = self._passport.training["best_error"]
        return False

    def _same(self, path: Path) -> tuple[Passport, dict[str, Tensor]]:
        """A file of this very training; `ModelError` for another's."""
        there, tensors = load(path)
        old, new = _aims(there), _aims(self._passport)
        for key in new:
            if old.get(key) != new[key]:
                raise ModelError(
                    f"{path} belongs to another training ({key} was {old.get(key)}, now {new[key]}): "
                    "choose another --out, or start afresh with resume off"
                )
        return there, tensors

    def finish(self) -> None:
        """Write into the best weights that the training is over and what it took; drop the checkpoint."""
        best, tensors = load(self.out)
        training = self._passport.training | {"finished": True}
        dump(self.out, replace(best, training_seconds=self._seconds, training=training), tensors)
        self.state_path.unlink(missing_ok=True)


def _aims(passport: Passport) -> dict[str, Any]:
    """What makes two trainings the same one."""
    facts: dict[str, Any] = {"model": passport.model, "options": passport.options, "dataset": passport.dataset_digest}
    facts["training windows"] = passport.training.get("train_windows")
    # What a recipe of an older version did not say, it did as the default does.
    facts |= {name: field.get_default() for name, field in Recipe.model_fields.items()}
    facts |= passport.training.get("recipe", {})
    return {key: value for key, value in facts.items() if key not in {"threads", "device"}}


def _json(options: dict[str, Any]) -> dict[str, Any]:
    """Options as they come back from a file: lists for tuples."""
    try:
        back: dict[str, Any] = json.loads(json.dumps(options))
    except TypeError as error:
        raise ModelError(f"options must be plain values, lists or mappings: {error}") from error
    return back
