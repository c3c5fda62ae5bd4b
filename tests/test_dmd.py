"""Dynamic mode decomposition: linear dynamics are found exactly, and what has none is left to persistence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import tiny_store

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pdebench.baselines import dmd  # noqa: E402
from pdebench.baselines.dmd import DMDModel, Linear  # noqa: E402
from pdebench.baselines.torch_model import load  # noqa: E402
from pdebench.recipe import Recipe  # noqa: E402
from pdebench.train import train  # noqa: E402

POINTS, MODES = 24, 4


def linear(seed: int, *, members: int = 6, steps: int = 5) -> tuple[Any, Any, Any]:
    """Snapshots in a plane of four dimensions, turned and damped there and pushed by a parameter, and their changes."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    plane = np.linalg.qr(fixed.standard_normal((POINTS, MODES)))[0].T
    step, push = EIGEN, fixed.standard_normal(MODES)
    history, params, answer = [], [], []
    for _ in range(members):
        z, p = rng.standard_normal(MODES), rng.standard_normal()
        for _ in range(steps):
            following = step @ z + p * push + 0.3
            history.append(z @ plane), params.append([p]), answer.append((following - z) @ plane)
            z = following
    as_tensor = [torch.tensor(np.array(part), dtype=torch.float64) for part in (history, params, answer)]
    return as_tensor[0][:, None, None], as_tensor[1], as_tensor[2][:, None]


# Two pairs: exp(-0.1 ± 0.7i) and exp(-0.4 ± 0.2i).
EIGEN = np.zeros((MODES, MODES))
for place, (decay, turn) in ((0, (0.1, 0.7)), (2, (0.4, 0.2))):
    c, s = np.exp(-decay) * np.cos(turn), np.exp(-decay) * np.sin(turn)
    EIGEN[place : place + 2, place : place + 2] = [[c, -s], [s, c]]


def batches(data: tuple[Any, Any, Any], size: int = 7) -> Any:
    def again() -> Iterator[tuple[Any, Any, Any]]:
        return zip(*(part.split(size) for part in data), strict=True)

    return again


def fitted(rank: int = 8) -> Linear:
    net = Linear(POINTS, 1, POINTS, rank).double()
    net.fit(batches(linear(1)), batches(linear(2)))
    return net


def test_linear_dynamics_are_found_with_their_eigenvalues() -> None:
    net = fitted()
    history, params, answer = linear(3)
    torch.testing.assert_close(net(history, params), answer, rtol=0, atol=1e-9)
    step = (torch.eye(POINTS).double() + net.modes.T @ net.responses).detach().numpy()
    values = np.linalg.eigvals(step.T)
    moving = sorted(values[np.abs(values - 1) > 1e-6], key=lambda v: (round(v.real, 9), v.imag))
    expected = sorted(np.linalg.eigvals(EIGEN), key=lambda v: (round(v.real, 9), v.imag))
    np.testing.assert_allclose(moving, expected, atol=1e-9)


def test_no_more_modes_than_the_data_have() -> None:
    net = fitted()
    assert int(net.modes.any(dim=1).sum()) == MODES
    torch.testing.assert_close(net.modes[:MODES] @ net.modes[:MODES].T, torch.eye(MODES).double(), rtol=0, atol=1e-9)


def test_snapshots_beyond_the_limit_still_count_for_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmd, "SNAPSHOTS", 9)
    history, params, answer = linear(3)
    torch.testing.assert_close(fitted()(history, params), answer, rtol=0, atol=1e-9)


def test_where_nothing_can_be_learnt_nothing_changes() -> None:
    """Answers by chance: any fit is worse on other chances than no answer."""
    draws = [torch.randn(30, 1, 1, POINTS, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    nothing = torch.zeros(30, 0)
    net = Linear(POINTS, 0, POINTS, 8)
    net.fit(batches((draws[0], nothing, draws[1][:, 0])), batches((draws[2], nothing, draws[3][:, 0])))
    assert not net(draws[2], nothing).any()


@pytest.mark.parametrize("level", [0.0, 2.0])
def test_a_field_that_says_nothing_leaves_the_parameters(level: float) -> None:
    """No mode at all, or one; and two parameters, which the answer follows."""
    params = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)).double()
    answer = (params @ torch.tensor([[1.0], [-3.0]]).double()).expand(-1, POINTS)[:, None]
    data = torch.full((20, 1, 1, POINTS), level).double(), params, answer
    net = Linear(POINTS, 2, POINTS, 8).double()
    net.fit(batches(data), batches(data))
    torch.testing.assert_close(net(*data[:2]), answer, rtol=0, atol=1e-9)


def test_through_the_command_s_door(tmp_path: Path) -> None:
    """Decaying turbulence from three members: the fit is no worse than persistence on valid, in one pass."""
    store = tiny_store(tmp_path / "tiny.zarr")
    seen: list[Any] = []
    out = train("dmd", store, tmp_path / "dmd.safetensors", Recipe(epochs=50), report=seen.append)
    assert len(seen) == 1 and seen[0].done == 1
    passport, _ = load(out)
    assert passport.training["finished"] and passport.epochs == 1
    model = DMDModel(store.spec, out)
    (member,) = store.members("valid")
    frames, params = store.frames(int(member)), store.params([int(member)])
    pairs = [(frames[None, i : i + 1], frames[i + 1]) for i in range(4)]
    ours = sum(((model.predict(h, params, np.array([0.25]))[0, 0] - truth) ** 2).sum() for h, truth in pairs)
    still = sum(((h[0, 0] - truth) ** 2).sum() for h, truth in pairs)
    assert ours <= still * (1 + 1e-6)
