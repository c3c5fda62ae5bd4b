"""Dilated residual network: a wide receptive field on the full grid, without a pyramid.

Stachenfeld et al. 2022, "Learned Coarse Models for Efficient Turbulence Simulation", ICLR, arXiv 2112.15275, §3:
encode, four blocks of seven convolutions with dilations 1, 2, 4, 8, 4, 2, 1, decode.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .blocks import Padding, channels, conv, frames_and_constants, padding_of
from .torch_model import TorchModel


class DilatedResNet(nn.Module):
    """Encode, `blocks` residual blocks of dilated convolutions with ReLU, decode."""

    def __init__(
        self,
        axes: int,
        inputs: int,
        outputs: int,
        *,
        width: int,
        blocks: int,
        dilations: Sequence[int],
        padding: Padding,
    ) -> None:
        super().__init__()
        self.encode = conv(axes, inputs, width, padding=padding)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(
                    layer
                    for dilation in dilations
                    for layer in (conv(axes, width, width, padding=padding, dilation=dilation), nn.ReLU())
                )
            )
            for _ in range(blocks)
        )
        self.decode = conv(axes, width, outputs, padding=padding)

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        v = self.encode(frames_and_constants(history, params))
        for block in self.blocks:
            v = v + block(v)
        out: Tensor = self.decode(v)
        return out


class DilatedResNetModel(TorchModel):
    """The dilated residual network as a neural solver.

    **Good values** for a 64² field: `width` 24, `blocks` 4 (the paper has 48 channels).
    """

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        width: int = 24,
        blocks: int = 4,
        dilations: Sequence[int] = (1, 2, 4, 8, 4, 2, 1),
    ) -> DilatedResNet:
        if max(dilations) >= min(spec.store.shape):
            raise ModelError(f"dilations {list(dilations)} reach across the whole grid {spec.store.shape}: take less")
        return DilatedResNet(
            len(spec.store.shape),
            *channels(spec, history),
            width=width,
            blocks=blocks,
            dilations=tuple(dilations),
            padding=padding_of(spec),
        )
