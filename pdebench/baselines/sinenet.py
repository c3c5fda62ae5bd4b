"""SineNet: several small U-Nets in sequence, so that what moves within a step is followed in stages.

Zhang et al. 2024, "SineNet: Learning Temporal Dynamics in Time-Dependent PDEs", ICLR, arXiv 2403.19507, §4: one U-Net
joins features of different times across its skips; a chain of K waves halves the misalignment K times.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pdebench.spec import DatasetSpec

from .blocks import Padding, channels, conv, expect_divisible, frames_and_constants, padding_of
from .torch_model import TorchModel
from .unet import UNet


class SineNet(nn.Module):
    """Lift, `waves` residual U-Nets of equal shape, project."""

    def __init__(
        self,
        axes: int,
        inputs: int,
        outputs: int,
        *,
        width: int,
        waves: int,
        multipliers: Sequence[int],
        padding: Padding,
    ) -> None:
        super().__init__()
        self.lift = conv(axes, inputs, width, padding=padding)
        self.waves = nn.ModuleList(
            UNet(axes, width, width, width=width, multipliers=multipliers, padding=padding) for _ in range(waves)
        )
        self.project = nn.Sequential(nn.GELU(), conv(axes, width, outputs, 1, padding=padding))

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        v = self.lift(frames_and_constants(history, params))
        for wave in self.waves:
            v = v + wave(v)
        out: Tensor = self.project(v)
        return out


class SineNetModel(TorchModel):
    """SineNet as a neural solver.

    **Good values** for a 64² field: `width` 8, `waves` 4, `multipliers` [1, 2, 4] (the paper has eight waves).
    """

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        width: int = 8,
        waves: int = 4,
        multipliers: Sequence[int] = (1, 2, 4),
    ) -> SineNet:
        expect_divisible(spec.store.shape, 2 ** (len(multipliers) - 1), f"a SineNet of {len(multipliers)} levels")
        return SineNet(
            len(spec.store.shape),
            *channels(spec, history),
            width=width,
            waves=waves,
            multipliers=tuple(multipliers),
            padding=padding_of(spec),
        )
