"""The Latent Spectral Model: its block against the equations of the paper, and what depends on what."""

from __future__ import annotations

import numpy as np
import pytest
from specs import tiny_spec

from pdebench.errors import ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pdebench.baselines.blocks import cut, joined  # noqa: E402
from pdebench.baselines.latent_spectral import LatentSpectralModel, SpectralBlock  # noqa: E402
from pdebench.baselines.torch_model import count_parameters  # noqa: E402
from pdebench.baselines.unet import UNetModel  # noqa: E402

WIDTH, TOKENS, BASIS, HEADS, SIDE = 6, 3, 4, 2, 4


def block() -> SpectralBlock:
    torch.manual_seed(0)
    return SpectralBlock(WIDTH, side=SIDE, tokens=TOKENS, basis=BASIS, heads=HEADS).double()


def field(*space: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(2, WIDTH, *space, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("space", [(12,), (8, 12), (4, 8, 12)])
def test_windows_are_cut_and_joined(space: tuple[int, ...]) -> None:
    x = torch.arange(2 * int(np.prod(space)) * 3, dtype=torch.float64).reshape(2, *space, 3)
    windows = cut(x, 4)
    assert windows.shape == (2 * int(np.prod(space)) // 4 ** len(space), 4 ** len(space), 3)
    corner = x[0][tuple(slice(0, 4) for _ in space)]
    assert torch.equal(windows[0], corner.reshape(-1, 3))
    assert torch.equal(joined(windows, space, 4), x)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_block_is_the_paper_s_three_steps() -> None:
    """One patch, one head after the other, in NumPy."""
    net = block()
    x = field(SIDE)[:1]
    points = x[0].T.numpy()  # (point, width)
    given = {name: value.detach().numpy() for name, value in net.named_parameters()}
    keys, values = np.split(points @ given["encode.weight"].T + given["encode.bias"], 2, axis=1)
    queries = points @ given["decode.weight"].T + given["decode.bias"]
    tokens = given["tokens"]
    heads = [slice(h * WIDTH // HEADS, (h + 1) * WIDTH // HEADS) for h in range(HEADS)]
    root = (WIDTH / HEADS) ** 0.5

    latent = tokens.copy()
    for h in heads:
        latent[:, h] += softmax(tokens[:, h] @ keys[:, h].T / root) @ values[:, h]
    solved = latent + given["constant"]
    for k in range(1, BASIS + 1):
        solved += np.sin(k * latent) * given["weight"][k - 1] + np.cos(k * latent) * given["weight"][BASIS + k - 1]
    expected = points.copy()
    for h in heads:
        expected[:, h] += softmax(queries[:, h] @ solved[:, h].T / root) @ solved[:, h]
    np.testing.assert_allclose(net(x)[0].T.detach().numpy(), expected, rtol=0, atol=1e-12)


def test_patches_do_not_see_each_other_and_have_no_inner_order() -> None:
    net, x = block(), field(8, 8)
    touched = x.clone()
    touched[..., :4, 4:] += 1
    gap = (net(x) != net(touched)).any(dim=1)
    assert gap[:, :4, 4:].all() and not gap[:, 4:].any() and not gap[:, :, :4].any()
    torch.testing.assert_close(net(x.flip(-1)), net(x).flip(-1), rtol=0, atol=1e-12)


def test_parameter_count_is_a_u_net_s_and_one_block_a_grid() -> None:
    shape = {"width": 8, "multipliers": (1, 2)}
    net = LatentSpectralModel.network(tiny_spec(), tokens=3, basis=5, heads=2, side=2, **shape)
    blocks = 0
    for w in (8, 16):
        blocks += 3 * w + (2 * w * w + 2 * w) + (w * w + w) + w + 2 * 5 * w  # tokens, encode, decode, w0, sines
    assert count_parameters(net) == count_parameters(UNetModel.network(tiny_spec(), **shape)) + blocks


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"side": 3}, r"patches of 3 points do not fill the coarsest grid, \[4, 4\]"),
        ({"heads": 3}, "3 heads cannot share"),
        ({"multipliers": (1,) * 5}, "multiples of 16"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(options: dict[str, int], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        LatentSpectralModel.network(tiny_spec(), **options)
