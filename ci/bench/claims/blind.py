"""A U-Net that is told no parameters: what CAPE's network is without its attention."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pdebench.baselines.torch_model import TorchModel, columns
from pdebench.baselines.unet import UNet, body
from pdebench.spec import DatasetSpec


class Blind(nn.Module):
    """Frames in, change out; the parameters are not looked at."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        out: Tensor = self.network(history.flatten(1, 2))
        return out


class BlindUNetModel(TorchModel):
    """The U-Net without parameters as a neural solver."""

    @staticmethod
    def network(
        spec: DatasetSpec, *, history: int = 1, width: int = 16, multipliers: Sequence[int] = (1, 2, 4)
    ) -> Blind:
        return Blind(body(spec, history * columns(spec), width, multipliers))
