"""The library `neuraloperator` behind the adapter, and our Fourier neural operator against its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from specs import tiny_spec, tiny_store

from pdebench.errors import ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
library = pytest.importorskip("neuralop.models", reason="pip install 'pdebench-foundry[neuraloperator]'")

from pdebench.baselines import fno as ours  # noqa: E402
from pdebench.baselines.fno import FNO  # noqa: E402
from pdebench.baselines.neuralop import NeuralopModel  # noqa: E402
from pdebench.baselines.torch_model import count_parameters, load  # noqa: E402
from pdebench.model import build_model  # noqa: E402
from pdebench.recipe import Recipe  # noqa: E402
from pdebench.testing import check_model  # noqa: E402
from pdebench.train import train  # noqa: E402


def with_the_weights_of(net: FNO, modes: tuple[int, ...], width: int) -> Any:
    """The library's FNO of the same shape; it counts a real axis' modes 0 … m-1 as 2 (m - 1)."""
    theirs = library.FNO(
        n_modes=(*(2 * m for m in modes[:-1]), 2 * (modes[-1] - 1)),
        in_channels=net.lift.in_features,
        out_channels=net.project[2].out_features,
        hidden_channels=width,
        n_layers=len(net.spectral),
        lifting_channel_ratio=0,
        projection_channel_ratio=1,
        positional_embedding=None,
        use_channel_mlp=False,
        fno_skip="linear",
        non_linearity=torch.nn.functional.relu,
    )
    blocks, axes = theirs.fno_blocks, len(modes)
    with torch.no_grad():
        for layer, spectral in enumerate(net.spectral):
            weight = torch.view_as_complex(spectral.weight).permute(axes, axes + 1, *reversed(range(axes)))
            for axis in range(2, 1 + axes):
                weight = torch.fft.fftshift(weight, dim=axis)  # −m … m−1, as it stores them
            blocks.convs[layer].weight.tensor.copy_(weight)
            blocks.convs[layer].bias.copy_(net.skip[layer].bias.reshape(-1, *[1] * axes))
            blocks.fno_skips[layer].conv.weight.copy_(net.skip[layer].weight[..., None])
        for own, its in zip((net.lift, *net.project[::2]), (*theirs.lifting.fcs, *theirs.projection.fcs), strict=True):
            its.weight.copy_(own.weight[..., None]), its.bias.copy_(own.bias)
    return theirs


@pytest.mark.parametrize(
    ("space", "modes", "layers"), [((32,), (6,), 3), ((16, 20), (5, 4), 3), ((8, 10, 12), (3, 2, 4), 2)]
)
def test_our_fno_is_the_library_s_with_the_same_weights(
    space: tuple[int, ...], modes: tuple[int, ...], layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To round-off. With σ = ReLU: without its perceptrons the library applies σ twice, which ReLU does not mind."""
    monkeypatch.setattr(ours.functional, "gelu", torch.nn.functional.relu)
    torch.manual_seed(0)
    net = FNO(3, 2, modes=modes, width=6, layers=layers, coordinates=False)
    net.project[1] = torch.nn.ReLU()
    theirs = with_the_weights_of(net, modes, 6)
    assert count_parameters(theirs) == count_parameters(net)
    history, params = torch.randn(2, 1, 1, *space), torch.randn(2, 2)
    given = torch.cat([history[:, 0], params.reshape(2, 2, *[1] * len(space)).expand(2, 2, *space)], dim=1)
    expected = theirs(given)  # the library computes in single precision: some 1000 additions a layer
    torch.testing.assert_close(net(history, params), expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("architecture", ["FNO", "TFNO", "UNO", "CODANO"])
def test_each_architecture_for_regular_grids_is_sound(architecture: str, tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "tiny.zarr")
    options = {"architecture": architecture, "width": 8, "modes": 6}
    recipe = Recipe(epochs=1, threads=1)
    out = train("neuralop", store, tmp_path / "net.safetensors", recipe, options=options)
    assert not any("_metadata" in name for name in load(out)[1])
    assert check_model(build_model("neuralop", store.spec, out), store.spec) == []


def test_options_reach_the_library_and_unknown_ones_are_named() -> None:
    spec, small = tiny_spec(), {"width": 8, "modes": 6}
    plain, few = (
        count_parameters(NeuralopModel.network(spec, n_layers=n, architecture="FNO", **small)) for n in (4, 2)
    )
    assert few < 0.6 * plain
    with pytest.raises(ModelError, match="TFNO of neuraloperator has no option 'depth'|cannot be built"):
        NeuralopModel.network(spec, depth=3, **small)
    with pytest.raises(ModelError, match="no architecture 'GINO' for regular grids; it has .*TFNO"):
        NeuralopModel.network(spec, architecture="GINO")
