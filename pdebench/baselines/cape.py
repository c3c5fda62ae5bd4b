"""CAPE: a network told the equation's parameters by attention over channels.

Takamoto, Alesiani & Niepert 2023, "Learning Neural PDE Solvers with Parameter-Guided Channel Attention", ICML,
arXiv 2304.14118, §3.2: filters of three kinds are applied to the frames, each channel of theirs is weighed by a
function of the parameters, and their sum joins the frames before the network proper.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .blocks import Padding, conv, padding_of
from .fno import SpectralConv
from .torch_model import TorchModel, columns
from .unet import UNet, body


class Cape(nn.Module):
    """Filters at a point, over a neighbourhood and on Fourier modes, `(b, width, *space)` each, weighed by a(λ)."""

    def __init__(self, space: Sequence[int], inputs: int, parameters: int, width: int, padding: Padding) -> None:
        super().__init__()
        axes = len(space)
        modes = [max(min(8, n // 2), 1) for n in space]
        self.lift = conv(axes, inputs, width, 1, padding=padding)
        self.filters = nn.ModuleList(
            [
                conv(axes, width, width, 1, padding=padding),
                conv(axes, width, width, 5, padding=padding),
                SpectralConv(width, modes),
            ]
        )
        kinds = len(self.filters)
        self.attention = nn.Sequential(nn.Linear(parameters, 32), nn.GELU(), nn.Linear(32, kinds * width))
        self.back = conv(axes, width, inputs, 1, padding=padding)

    def forward(self, frames: Tensor, params: Tensor) -> Tensor:
        v = self.lift(frames)
        weights = self.attention(params).reshape(len(v), len(self.filters), -1, *[1] * (v.ndim - 2))
        mixed = torch.stack([weights[:, i] * part(v) for i, part in enumerate(self.filters)]).sum(dim=0)
        out: Tensor = self.back(mixed)
        return out


class CapeUNet(nn.Module):
    """A U-Net that sees the frames and what CAPE made of them; the parameters reach it in no other way."""

    def __init__(self, cape: Cape, network: UNet) -> None:
        super().__init__()
        self.cape, self.network = cape, network

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        frames = history.flatten(1, 2)
        out: Tensor = self.network(torch.cat([frames, self.cape(frames, params)], dim=1))
        return out


class CapeModel(TorchModel):
    """A U-Net with parameter-guided channel attention. Of use where the parameters vary between members.

    **Good values** for a 64² field: `width` 16, `multipliers` [1, 2, 4].
    """

    @staticmethod
    def network(
        spec: DatasetSpec, *, history: int = 1, width: int = 16, multipliers: Sequence[int] = (1, 2, 4)
    ) -> CapeUNet:
        if not spec.parameters:
            raise ModelError(f"CAPE attends to parameters, and {spec.name} has none: take the plain `unet`")
        inputs = history * columns(spec)
        cape = Cape(spec.store.shape, inputs, len(spec.parameters), width, padding_of(spec))
        return CapeUNet(cape, body(spec, 2 * inputs, width, multipliers))
