"""What holds for every network that `pdebench train` knows; a new one walks through here by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from networks import OPTIONS, trainable
from specs import tiny_store
from steady import toy_spec

from pdebench.arrays import Array, Index
from pdebench.model import build_model, models
from pdebench.problem import is_steady, problem_of
from pdebench.spec import DatasetSpec, parse
from pdebench.store import TrajectoryStore
from pdebench.testing import check_model

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

from pdebench.baselines.torch_model import Passport, dump, field_names, input_names, load  # noqa: E402
from pdebench.recipe import Progress, Recipe  # noqa: E402
from pdebench.train import train  # noqa: E402

NAMES = trainable()
CLOSED = {"dmd"}  # fitted at once: no chance, and no second epoch


def line_spec(**changes: Any) -> DatasetSpec:
    """Burgers' equation on 32 periodic points."""
    card: dict[str, Any] = {
        "name": "line",
        "version": 1,
        "title": "Burgers on a line",
        "description": "For tests.",
        "source": "ours",
        "problem": {
            "name": "burgers_1d",
            "initial_state": {"kind": "random_field", "rms": 0.5, "length": 1.0, "modes": 4, "mean": 0.0},
        },
        "grid": {"shape": [32], "lengths": [6.283185307179586]},
        "parameters": {"viscosity": {"log_uniform": [0.03, 0.3]}},
        "times": {"step": 0.1, "frames": 4},
        "solver": {"name": "spectral"},
        "store": {"shape": [32]},
        "samples": {"count": 4, "seed": 1, "unit": 2},
        "splits": {"train": [0, 2], "valid": [2, 3], "test": [3, 4]},
    }
    return parse(DatasetSpec, card | changes, where="line")


class Watched:
    """A store that tells which members' frames were read."""

    def __init__(self, store: TrajectoryStore) -> None:
        self._store, self.met = store, set[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def frames(self, member: int, *args: Any, **kwargs: Any) -> Array:
        self.met.add(member)
        return self._store.frames(member, *args, **kwargs)

    def read(self, into: Array, member: int, start: int, step: int) -> None:
        self.met.add(member)
        self._store.read(into, member, start, step)

    def params(self, members: Index) -> Array:
        self.met.update(int(member) for member in members)
        return self._store.params(members)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tiny_store(tmp_path_factory.mktemp("every") / "tiny.zarr"))


def trained(name: str, store: Any, out: Path, *, seed: int = 0, epochs: int = 2, report: Any = lambda _: None) -> Path:
    recipe = Recipe(epochs=epochs, seed=seed, batch_size=6, threads=1)
    return train(name, store, out, recipe, options=OPTIONS[name], report=report)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("name", NAMES)
def test_trains_resumes_and_repeats_on_train_and_valid_alone(name: str, store: Watched, tmp_path: Path) -> None:
    store.met.clear()
    seen: list[Progress] = []
    straight, straight_tensors = load(trained(name, store, tmp_path / "a.safetensors", report=seen.append))
    assert store.met == {0, 1, 2, 3}  # train and valid; the test members 4 and 5 stay unseen
    assert [p.epoch for p in seen] == ([1] if name in CLOSED else [1, 2])
    assert seen[-1].done == 1
    assert straight.valid_error == min(p.valid_error for p in seen)

    def stop(progress: Progress) -> None:
        raise Killed

    with pytest.raises(Killed):
        trained(name, store, tmp_path / "b.safetensors", report=stop)
    resumed, tensors = load(trained(name, store, tmp_path / "b.safetensors"))
    assert all(torch.equal(straight_tensors[key], tensors[key]) for key in straight_tensors)
    assert (resumed.epochs, resumed.valid_error) == (straight.epochs, straight.valid_error)

    _, other = load(trained(name, store, tmp_path / "c.safetensors", seed=1, epochs=1))
    differ = [key for key in tensors if not torch.equal(tensors[key], other[key])]
    assert bool(differ) == (name not in CLOSED)


def untrained(name: str, spec: DatasetSpec, path: Path) -> Any:
    """The model with the weights that it begins with; a zero weight is one."""
    passport = Passport(
        model=models[name].__name__,  # type: ignore[attr-defined]
        options=OPTIONS[name],
        fields=field_names(spec),
        inputs=input_names(spec),
        parameters=list(spec.parameters),
        lengths=list(spec.grid.lengths),
        step=spec.times.step,
        history=1,
        dataset=spec.name,
        dataset_digest=spec.digest,
        steady=is_steady(problem_of(spec)),
    )
    torch.manual_seed(0)
    stepper = models[name].stepper(spec, passport)  # type: ignore[attr-defined]
    with torch.no_grad():
        for weight in stepper.parameters():
            if not weight.any():
                weight += 0.1 * torch.randn_like(weight)
    dump(path, passport, stepper.state_dict())
    return build_model(name, spec, path)


WHERE = {
    "a periodic line": line_spec(),
    "a steady problem": toy_spec(steady=True),
    "a box with walls and inputs": toy_spec(steady=False),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("name", NAMES)
def test_is_sound_on(name: str, where: str, tmp_path: Path) -> None:
    spec = WHERE[where]
    model = untrained(name, spec, tmp_path / "net.safetensors")
    assert check_model(model, spec) == []
    assert model.parameter_count > 0


def test_every_network_has_its_small_shape() -> None:
    assert set(NAMES) | {"neuralop"} == set(OPTIONS)
