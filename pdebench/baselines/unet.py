"""U-Net: convolutions on a pyramid of grids, each level joined to its mirror image.

Ronneberger, Fischer & Brox 2015, arXiv 1505.04597, fig. 1; in the residual form of Gupta & Brandstetter 2022, "Towards
Multi-spatiotemporal-scale Generalized PDE Modeling", arXiv 2209.15616, §3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdebench.spec import DatasetSpec

from .blocks import Padding, Residual, channels, conv, expect_divisible, frames_and_constants, padding_of
from .torch_model import TorchModel, field_names


class UNet(nn.Module):
    """`(b, inputs, *space)` -> `(b, outputs, *space)`; one grid per entry of `multipliers`, each half the one before.

    `condition` is the length of a vector that every block is told, such as the place in a refinement. `across` makes,
    of a number of channels, what works on the features of a grid on their way from down to up.
    """

    def __init__(
        self,
        axes: int,
        inputs: int,
        outputs: int,
        *,
        width: int,
        multipliers: Sequence[int],
        padding: Padding,
        condition: int = 0,
        across: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        widths = [width * m for m in multipliers]

        def block(into: int, out: int) -> Residual:
            return Residual(axes, into, out, padding=padding, condition=condition)

        self.lift = conv(axes, inputs, width, padding=padding)
        pairs = pairwise([width, *widths])
        self.down = nn.ModuleList(block(*pair) for pair in pairs)
        self.halve = nn.ModuleList(conv(axes, w, w, padding=padding, stride=2) for w in widths[:-1])
        self.across = nn.ModuleList(across(w) if across else nn.Identity() for w in widths)
        self.middle = block(widths[-1], widths[-1])
        self.enlarge = nn.ModuleList(conv(axes, b, a, padding=padding) for a, b in pairwise(widths))
        self.up = nn.ModuleList(block(2 * w, w) for w in widths[:-1])
        self.project = nn.Sequential(nn.GELU(), conv(axes, widths[0], outputs, padding=padding))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        v, kept = self.lift(x), []
        for level, block in enumerate(self.down):
            v = block(v, condition)
            if level < len(self.halve):
                kept.append(self.across[level](v))
                v = self.halve[level](v)
        v = self.middle(self.across[-1](v), condition)
        for enlarge, block in zip(reversed(self.enlarge), reversed(self.up), strict=True):
            v = enlarge(functional.interpolate(v, scale_factor=2.0, mode="nearest"))
            v = block(torch.cat([v, kept.pop()], dim=1), condition)
        out: Tensor = self.project(v)
        return out


class UNetStep(nn.Module):
    """The U-Net as one step: frames and parameters in, the change out."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        out: Tensor = self.body(frames_and_constants(history, params))
        return out


class UNetModel(TorchModel):
    """The U-Net as a neural solver. Its receptive field grows with the levels; the grid must be divisible by 2^levels.

    **Good values** for a 64² field: `width` 16, `multipliers` [1, 2, 4] (0.6 million weights).
    """

    @staticmethod
    def network(
        spec: DatasetSpec, *, history: int = 1, width: int = 16, multipliers: Sequence[int] = (1, 2, 4)
    ) -> UNetStep:
        return UNetStep(body(spec, channels(spec, history)[0], width, multipliers))


def body(spec: DatasetSpec, inputs: int, width: int, multipliers: Sequence[int], *, condition: int = 0) -> UNet:
    """A U-Net that fits the dataset's grid. Raises `ModelError` where the grid cannot be halved so often."""
    expect_divisible(spec.store.shape, 2 ** (len(multipliers) - 1), f"a U-Net of {len(multipliers)} levels")
    return UNet(
        len(spec.store.shape),
        inputs,
        len(field_names(spec)),
        width=width,
        multipliers=tuple(multipliers),
        padding=padding_of(spec),
        condition=condition,
    )
