"""Training while the solvers run: through the loop that stores use, resumed from ids, shared by several trainers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from specs import tiny_spec
from torch.utils.data import DataLoader

import pdebench
from pdebench.baselines.torch_model import load
from pdebench.errors import CardError, ModelError, PdebenchError
from pdebench.feed import StreamDataset
from pdebench.recipe import Recipe
from pdebench.store import TrajectoryStore
from pdebench.train import train

OPTIONS = {"width": 4, "modes": [4, 4], "layers": 1}


def campaign(**changes):
    """32 members, of which only the last eight are stored: the valid split."""
    return tiny_spec(samples__count=32, splits={"train": [0, 24], "valid": [24, 32]}, times__frames=9, **changes)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    path = tmp_path_factory.mktemp("valid") / "store"
    pdebench.generate(campaign(), path, members=range(24, 32))
    return TrajectoryStore.open(path)


def opener(noted=None, **how):
    """Opens the campaign's train split and notes the windows that reach the training."""

    def open_(state):
        stream = pdebench.stream(
            campaign(), workers=1, batch_size=8, buffer="fifo", members=range(24), resume=state, **how
        )
        if noted is not None:
            told = stream.learn

            def learn(batch, losses):
                assert len(losses) == len(batch.member)
                noted.update(zip(batch.member.tolist(), batch.start.tolist(), strict=True))
                told(batch, losses)

            stream.learn = learn
        return stream

    return open_


def recipe(**changes):
    return Recipe(**{"epochs": 100, "every": 5, "batch_size": 8, "threads": 1, "learning_rate": 3e-3} | changes)


def test_training_takes_every_window_of_the_stream_once_and_ends_with_it(valid, tmp_path):
    noted, curve = Counter(), []
    out = train(
        "fno", valid, tmp_path / "a.safetensors", recipe(), options=OPTIONS, stream=opener(noted), report=curve.append
    )
    assert noted == Counter({(m, s): 1 for m in range(24) for s in range(8)})
    assert len(curve) == 5  # 24 batches in epochs of five
    assert curve[-1].valid_error < curve[0].valid_error
    passport, _ = load(out)
    assert passport.training["finished"]
    assert passport.training["train_windows"] == "a stream"


def test_an_interrupted_online_training_repeats_only_what_its_checkpoint_had_not_seen(valid, tmp_path):
    first, second, out = Counter(), Counter(), tmp_path / "a.safetensors"

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("fno", valid, out, recipe(), options=OPTIONS, stream=opener(first), report=stop)
    assert sum(first.values()) == 2 * 5 * 8
    train("fno", valid, out, recipe(), options=OPTIONS, stream=opener(second))
    assert not set(first) & set(second)
    assert first + second == Counter({(m, s): 1 for m in range(24) for s in range(8)})


def test_a_stream_of_another_problem_is_refused(valid, tmp_path):
    def other(state):
        return pdebench.stream(tiny_spec(times__step=0.5), workers=0)

    with pytest.raises(ModelError, match="differ in times"):
        train("fno", valid, tmp_path / "a.safetensors", recipe(), options=OPTIONS, stream=other)


def test_a_torch_loader_reads_a_stream():
    with pdebench.stream(tiny_spec(), workers=1, batch_size=4, buffer="fifo") as stream:
        rows = 0
        for batch in DataLoader(StreamDataset(stream), batch_size=None):
            assert batch.history.dtype == batch.params.dtype == torch.float32
            assert batch.history.shape[1:] == (1, 1, 16, 16)
            rows += len(batch.member)
    assert rows == 24


def test_a_torch_loader_with_workers_is_refused():
    with (
        pdebench.stream(tiny_spec(), workers=0, batch_size=4) as stream,
        pytest.raises(ModelError, match="num_workers=0"),
    ):
        next(iter(DataLoader(StreamDataset(stream), batch_size=None, num_workers=1)))


def one_of_two(rank: int, folder: str) -> None:
    """A trainer: its share of the stream, and gradients that all trainers average."""
    from torch.distributed import destroy_process_group, init_process_group
    from torch.distributed.algorithms.join import Join
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = DistributedDataParallel(torch.nn.Linear(256, 256))
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    seen = []
    with (
        pdebench.stream(
            campaign(), workers=1, batch_size=5, buffer="fifo", share=(rank, 2), keep=f"{folder}/kept"
        ) as stream,
        Join([model]),
    ):
        for batch in stream:
            history, future = (torch.from_numpy(part).flatten(1) for part in (batch.history, batch.future))
            optimiser.zero_grad()
            (model(history) - future).square().mean().backward()
            optimiser.step()
            seen += zip(batch.member.tolist(), batch.start.tolist(), strict=True)
    weights = [float(part.detach().double().sum()) for part in model.parameters()]
    Path(folder, f"{rank}.json").write_text(json.dumps({"seen": seen, "weights": weights}))
    destroy_process_group()


def test_two_trainers_share_a_stream_without_overlap(tmp_path):
    own = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    trainers = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)], env=own) for rank in range(2)]
    assert [trainer.wait(100) for trainer in trainers] == [0, 0]
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    windows = Counter(map(tuple, one["seen"] + two["seen"]))
    assert windows == Counter({(m, s): 1 for m in range(32) for s in range(8)})
    assert len(one["seen"]) == len(two["seen"])
    assert one["weights"] == two["weights"]
    pdebench.generate(campaign(), tmp_path / "whole")
    kept, whole = (TrajectoryStore.open(tmp_path / name) for name in ("kept", "whole"))
    assert kept.content_hash() == whole.content_hash()


@pytest.mark.parametrize("share", [(2, 2), (-1, 2), (0, 0)])
def test_shares_that_mean_nothing_are_refused(share):
    with pytest.raises(ValueError, match="share must be"):
        pdebench.stream(tiny_spec(), workers=0, share=share)
    with pytest.raises(CardError, match="too few"):
        pdebench.stream(tiny_spec(), workers=0, share=(0, 4))


def test_checkpoints_of_another_share_are_refused(tmp_path):
    with pdebench.stream(tiny_spec(), workers=0, share=(0, 2)) as stream:
        state = stream.state()
    assert sum(np.asarray(part).nbytes for part in state.values()) < 1_000_000
    with pytest.raises(PdebenchError, match="another campaign"):
        pdebench.stream(tiny_spec(), workers=0, share=(1, 2), resume=state)


if __name__ == "__main__":
    one_of_two(int(sys.argv[1]), sys.argv[2])
