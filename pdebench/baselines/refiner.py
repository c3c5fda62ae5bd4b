"""PDE-Refiner: a one-step prediction, then denoising at ever smaller noise, which recovers the weak frequencies.

Lippe et al. 2023, "PDE-Refiner: Achieving Accurate Long Rollouts with Neural PDE Solvers", NeurIPS, arXiv 2308.05732,
§3 and algorithm 1: step 0 predicts the change from nothing; step k = 1 … K is shown the prediction with noise of
σ_k = σ_min^(k/K) and says the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor, nn

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .blocks import channels, frames_and_constants
from .torch_model import TorchModel
from .unet import UNet, body

EMBEDDED = 16  # numbers that tell a block which step of the refinement it is in


class Refiner(nn.Module):
    """The U-Net of a prediction and of its refinement. Noise and change are in units of the change's own scale.

    The noise is the same for all samples, so an answer depends neither on chance nor on the batch; it is another in
    each frame of a roll-out, or what it leaves behind would add up.
    """

    def __init__(self, network: UNet, outputs: int, *, steps: int, sigma_min: float) -> None:
        super().__init__()
        self.network, self.outputs, self.steps, self._frame = network, outputs, steps, 0
        self.sigmas = [sigma_min ** (k / steps) for k in range(1, steps + 1)]
        half = torch.arange(EMBEDDED // 2)
        self.register_buffer("frequencies", pi / 2 ** (half / 2), persistent=False)

    frequencies: Tensor

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        """`(b, h, column, *space)`, `(b, p)` -> `(b, field, *space)`, refined `steps` times."""
        given = frames_and_constants(history, params)
        shape = (len(given), self.outputs, *given.shape[2:])
        found = self._at(given, torch.zeros(shape).to(given), 0)
        draw = torch.Generator().manual_seed(self._frame)
        for k, sigma in enumerate(self.sigmas, 1):
            noised = found + sigma * torch.randn(1, *shape[1:], generator=draw).to(given)
            found = noised - sigma * self._at(given, noised, k)
        return found

    def at_frame(self, index: int) -> None:
        self._frame = index

    def training_errors(self, history: Tensor, params: Tensor, target: Tensor) -> Tensor:
        """Squared error of a random step of the refinement for each sample, `(b,)`."""
        given = frames_and_constants(history, params)
        k = torch.randint(0, self.steps + 1, (len(given),))
        shape = (len(given), *[1] * (given.ndim - 1))
        sigma = torch.tensor([0.0, *self.sigmas])[k].reshape(shape).to(given)
        first = (k == 0).reshape(shape).to(given.device)
        noise = torch.randn_like(target)
        shown = torch.where(first, 0.0, target + sigma * noise)
        error = self._at(given, shown, k) - torch.where(first, target, noise)
        return error.flatten(1).square().mean(dim=1)

    def _at(self, given: Tensor, shown: Tensor, k: int | Tensor) -> Tensor:
        """What the U-Net says at step k of the refinement."""
        place = torch.as_tensor(k, device=given.device).to(given).expand(len(given))[:, None] * self.frequencies
        said: Tensor = self.network(torch.cat([given, shown], dim=1), torch.cat([place.sin(), place.cos()], dim=1))
        return said


class RefinerModel(TorchModel):
    """PDE-Refiner as a neural solver. Each step costs 1 + `steps` passes through the U-Net.

    **Good values**: `steps` 3, `sigma_min` 2e-7 of the change on KS in the paper, whose data are float64; near the
    square of the one-step error that the U-Net alone reaches is safe.
    """

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        width: int = 16,
        multipliers: Sequence[int] = (1, 2, 4),
        steps: int = 3,
        sigma_min: float = 1e-4,
    ) -> Refiner:
        if steps < 1 or not 0 < sigma_min < 1:
            raise ModelError(f"a refinement has at least 1 step and 0 < sigma_min < 1, not {steps} and {sigma_min:g}")
        inputs, outputs = channels(spec, history)
        return Refiner(
            body(spec, inputs + outputs, width, multipliers, condition=EMBEDDED),
            outputs,
            steps=steps,
            sigma_min=sigma_min,
        )
