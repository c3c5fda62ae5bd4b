"""Latent Spectral Model: a few latent tokens gather each patch of the field and are mapped by trigonometric bases.

Wu, Hu, Luo, Wang & Long 2023, "Solving High-Dimensional PDEs with Latent Spectral Models", ICML, arXiv 2301.12664, §3:
on every grid of a pyramid, cut into patches, attention carries the points' features to learnt tokens, a sum of
sines and cosines of the tokens maps them, and attention carries them back to the points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attention

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .blocks import channels, cut, expect_divisible, joined, padding_of
from .torch_model import TorchModel
from .unet import UNet, UNetStep


class SpectralBlock(nn.Module):
    """x + attention(x, T̂, T̂) in each patch, T̂ = T + w₀ + Σ_k (a_k sin kT + b_k cos kT), T = attention of tokens to x.

    `(b, width, *space)` -> the same; patches of `side` points along each axis, which share all weights.
    """

    def __init__(self, width: int, *, side: int, tokens: int, basis: int, heads: int) -> None:
        super().__init__()
        self.side, self.heads = side, heads
        self.tokens = nn.Parameter(torch.randn(tokens, width) / width**0.5)
        self.encode = nn.Linear(width, 2 * width)
        self.decode = nn.Linear(width, width)
        self.constant = nn.Parameter(torch.zeros(width))
        self.weight = nn.Parameter(torch.randn(2 * basis, width) / (2 * basis) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        space = x.shape[2:]
        points = cut(x.movedim(1, -1), self.side)  # (patch, point, width)
        keys, values = self.encode(points).chunk(2, dim=-1)
        tokens = self.tokens.expand(len(points), -1, -1)
        latent = self.solved(tokens + self._attend(tokens, keys, values))
        found = points + self._attend(self.decode(points), latent, latent)
        return joined(found, space, self.side).movedim(-1, 1)

    def solved(self, latent: Tensor) -> Tensor:
        """The map of the latent tokens, each channel by itself: `(…, width)` -> the same."""
        waves = torch.arange(1, len(self.weight) // 2 + 1, device=latent.device)[:, None]
        phase = waves * latent[..., None, :]  # (…, k, width)
        return latent + self.constant + (torch.cat([phase.sin(), phase.cos()], dim=-2) * self.weight).sum(dim=-2)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention with the channels shared out among the heads; `(patch, *, width)` each."""
        q, k, v = (each.reshape(*each.shape[:-1], self.heads, -1).transpose(1, 2) for each in (queries, keys, values))
        return attention(q, k, v).transpose(1, 2).flatten(2)


class LatentSpectralModel(TorchModel):
    """The Latent Spectral Model as a neural solver: a U-Net with a spectral block across each of its grids.

    The paper's patches grow coarser by the pyramid alone: `side` points on every grid. The number of weights does not
    depend on `side` or on the grid.

    **Good values** for a 64² field: `width` 16, `multipliers` [1, 2, 4], `side` 4, `tokens` 4, `basis` 8.
    """

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        width: int = 16,
        multipliers: Sequence[int] = (1, 2, 4),
        side: int = 4,
        tokens: int = 4,
        basis: int = 8,
        heads: int = 4,
    ) -> UNetStep:
        space, halvings = spec.store.shape, len(multipliers) - 1
        expect_divisible(space, 2**halvings, f"a Latent Spectral Model of {len(multipliers)} levels")
        if any(n % (side * 2**halvings) for n in space):
            raise ModelError(
                f"patches of {side} points do not fill the coarsest grid, {[n // 2**halvings for n in space]}: take a "
                "side that divides it, or fewer multipliers"
            )
        if any(width * m % heads for m in multipliers):
            raise ModelError(f"{heads} heads cannot share {[width * m for m in multipliers]} channels evenly")
        inputs, outputs = channels(spec, history)

        def across(channels: int) -> SpectralBlock:
            return SpectralBlock(channels, side=side, tokens=tokens, basis=basis, heads=heads)

        shape = tuple(multipliers)
        return UNetStep(
            UNet(len(space), inputs, outputs, width=width, multipliers=shape, padding=padding_of(spec), across=across)
        )
