"""The operator transformer: its attention by hand, walls and periodic boxes, and lead times from loss to roll-out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import tiny_spec, tiny_store

from pdebench.data import Normaliser, Pairs
from pdebench.errors import ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pdebench.baselines.blocks import TimedNorm  # noqa: E402
from pdebench.baselines.operator_transformer import OperatorTransformerModel, WindowAttention  # noqa: E402
from pdebench.baselines.torch_model import Stepper, count_parameters, load  # noqa: E402
from pdebench.recipe import Recipe  # noqa: E402
from pdebench.train import train  # noqa: E402

SMALL = {"width": 8, "depths": [2, 1], "patch": 2, "side": 4}


def network(**changes: Any) -> Any:
    torch.manual_seed(0)
    return OperatorTransformerModel.network(tiny_spec(), **SMALL | changes)


def attention(space: tuple[int, ...], *, side: int, shift: int, periodic: bool, heads: int = 2) -> WindowAttention:
    torch.manual_seed(0)
    return WindowAttention(space, 4, heads, side=side, shift=shift, periodic=periodic).double()


def test_attention_by_hand() -> None:
    """Cosines times a scale plus the bias of the offset, over the points of each window: SwinV2, eq. 2 to 4."""
    net = attention((6,), side=3, shift=0, periodic=True, heads=1)
    x = torch.randn(1, 6, 4, dtype=torch.float64)
    out = net(x)[0]
    offset = torch.arange(-2.0, 3.0)[:, None]  # in single precision, as it is kept
    bias = 16 * net.position((offset.sign() * (1 + offset.abs()).log2() / 3).double()).sigmoid()[:, 0]
    for window in (slice(0, 3), slice(3, 6)):
        q, k, v = net.mixed(x[0, window]).split(4, dim=1)
        for i in range(3):
            cosines = torch.stack([q[i] @ k[j] / (q[i].norm() * k[j].norm()) for j in range(3)])
            weights = (net.log_scale[0, 0].exp() * cosines + torch.stack([bias[i - j + 2] for j in range(3)])).softmax(
                0
            )
            torch.testing.assert_close(out[window][i], net.project(weights @ v), rtol=0, atol=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_moved_window_reaches_round_a_periodic_box_and_no_further_than_a_wall(periodic: bool) -> None:
    net = attention((8, 8), side=4, shift=2, periodic=periodic)
    x = torch.randn(1, 8, 8, 4, dtype=torch.float64)
    touched = x.clone()
    touched[:, 0, 0] += 1
    changed = (net(x) != net(touched)).any(dim=-1)[0]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    near = torch.tensor([0, 1, 6, 7] if periodic else [0, 1])
    expected[near[:, None], near] = True
    assert torch.equal(changed, expected)


def test_norm_is_affine_in_the_lead_time() -> None:
    norm, x = TimedNorm(4).double(), torch.randn(3, 5, 4, dtype=torch.float64)
    torch.nn.init.normal_(norm.of_time.weight), torch.nn.init.normal_(norm.of_time.bias)
    lead = torch.tensor([[0.0], [0.5], [1.0]], dtype=torch.float64)
    out = norm.timed(x, lead)
    torch.testing.assert_close(out[0] + (out[2] - out[0]) * 0.0, out[0])
    plain = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    (a, b), (a0, b0) = norm.of_time.weight[:, 0].chunk(2), norm.of_time.bias.chunk(2)
    expected = plain * (1 + a * lead[..., None] + a0) + b * lead[..., None] + b0
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_parameter_count_is_the_sum_over_its_parts() -> None:
    w, p, axes, inputs = 8, 2, 2, 3

    def swin(w: int) -> int:
        heads = w // 8
        attention = 3 * w * w + 3 * w + w * w + w + heads + (axes + 1) * 32 + 32 * heads
        return attention + 2 * 4 * w + (8 * w * w + 5 * w)  # two norms of 4w, a perceptron

    across = 49 * w + w + 4 * w + 8 * w * w + 5 * w
    ends = inputs * p**axes * w + w + 4 * w + (w * p**axes + p**axes) + 26
    between = (4 * w * 2 * w + 2 * w) + (2 * w * 4 * w + 4 * w)
    assert count_parameters(network()) == ends + between + across + 2 * (2 * swin(w) + swin(2 * w))


def test_a_shift_by_whole_windows_of_a_periodic_box_shifts_the_answer() -> None:
    torch.manual_seed(0)
    net = OperatorTransformerModel.network(tiny_spec(grid__shape=[32, 32], store__shape=[32, 32]), **SMALL).eval()
    history, params, lead = torch.randn(2, 1, 1, 32, 32), torch.randn(2, 2), torch.tensor([1.0, 3.0])
    shift = {"shifts": (16, 16), "dims": (-2, -1)}  # a window of the coarser grid: 4 tokens of 2 patches of 2 points
    moved = net(history.roll(**shift), params, lead)
    torch.testing.assert_close(moved, net(history, params, lead).roll(**shift), rtol=1e-4, atol=1e-5)


def stepper(longest: int) -> Stepper:
    net = network(longest=longest)
    for module in net.modules():
        if isinstance(module, TimedNorm):
            torch.nn.init.normal_(module.of_time.weight)
    one = [np.ones(1)] * 3
    return Stepper(net, Normaliser(one[0] * 0, *one[:2], *[np.zeros(2)] * 2, np.ones(2)), 2).eval()


def test_roll_out_jumps_as_far_as_the_network_was_taught() -> None:
    net = stepper(3)
    start, params = torch.randn(2, 1, 1, 16, 16), torch.randn(2, 2)
    with torch.no_grad():
        frames = net.roll_out(start, params, 5)
        for n in (1, 2, 3):
            torch.testing.assert_close(frames[n - 1], net(start, params, torch.full((2,), float(n))))
        for n in (1, 2):
            ahead = net(frames[2][:, None], params, torch.full((2,), float(n)))
            torch.testing.assert_close(frames[2 + n], ahead)
    assert (frames[0] - frames[1]).abs().max() > 1e-3


def test_the_change_that_is_expected_grows_with_the_lead_up_to_two_strangers() -> None:
    net = stepper(3)
    net.change.fill_(0.1)
    reach = net._reach(torch.tensor([1.0, 2.0, 1e6])).flatten()
    torch.testing.assert_close(reach, torch.tensor([0.1, 0.2, 2**0.5]), rtol=3e-2, atol=0)


def test_training_shows_every_pair_with_its_lead_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tiny_store(tmp_path / "tiny.zarr")
    seen: list[float] = []
    forward = Stepper.forward

    def watched(self: Any, history: Any, params: Any, lead: Any = None) -> Any:
        if self.training:
            seen.extend(lead.tolist())
        return forward(self, history, params, lead)

    monkeypatch.setattr(Stepper, "forward", watched)
    out = train("operator_transformer", store, tmp_path / "a.safetensors", Recipe(epochs=1, threads=1), options=SMALL)
    assert sorted(seen) == [1.0] * 12 + [2.0] * 9 + [3.0] * 6 + [4.0] * 3  # three members of five frames
    assert load(out)[0].training["train_windows"] == len(Pairs(store, "train", longest=4)) == 30


def test_pairs_are_learnt_from_a_store_one_lead_at_a_time(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "tiny.zarr")
    with pytest.raises(ModelError, match="unroll 1"):
        train("operator_transformer", store, tmp_path / "a.safetensors", Recipe(epochs=1, unroll=2), options=SMALL)
    with pytest.raises(ModelError, match="looks 4 steps ahead, and a member has 2"):
        train("operator_transformer", store, tmp_path / "a.safetensors", Recipe(epochs=1, stride=2), options=SMALL)
    with pytest.raises(ModelError, match="longest 5: choose 1 to 4 steps"):
        network(longest=5)
    with pytest.raises(ModelError, match="longest 2: choose 1 to 1 steps"):
        network(longest=2, history=2)
    with pytest.raises(ModelError, match="multiples of 16"):
        network(patch=8)
