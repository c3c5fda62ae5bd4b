"""DeepONet: an expansion in learnt functions of space, with coefficients that depend on the state.

Lu et al. 2021, "Learning nonlinear operators via DeepONet", Nature Machine Intelligence 3, eq. (1): the branch net
makes coefficients b_k from the state at the grid points, the trunk net functions t_k(x), and
G(u)(x) = Σ_k b_k t_k(x) + b_0.
"""

from __future__ import annotations

from math import pi, prod

import torch
from torch import Tensor, nn

from pdebench.spec import DatasetSpec

from .torch_model import TorchModel, columns, field_names


class DeepONet(nn.Module):
    """Branch: a perceptron on all values of the state and the parameters; trunk: one on sines and cosines of the place.

    The trunk sees sin and cos of π m x/L, m = 1 … `waves`, and x/L, so that walls and periodic boxes are both at hand.
    """

    def __init__(self, space: tuple[int, ...], inputs: int, parameters: int, outputs: int, **shape: int) -> None:
        super().__init__()
        width, basis, waves, hidden = shape["width"], shape["basis"], shape["waves"], shape["hidden"]
        self.outputs, self.basis = outputs, basis
        self.branch = _perceptron(inputs * prod(space) + parameters, width, outputs * basis, hidden)
        self.trunk = _perceptron(len(space) * (1 + 2 * waves), width, basis, hidden)
        self.constant = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("place", _place(space, waves), persistent=False)

    place: Tensor

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        space = history.shape[3:]
        coefficients = self.branch(torch.cat([history.flatten(1), params], dim=1))
        functions = self.trunk(self.place) / self.basis**0.5  # (point, basis)
        values = coefficients.unflatten(1, (self.outputs, self.basis)) @ functions.T + self.constant[:, None]
        out: Tensor = values.unflatten(2, space)
        return out


def _perceptron(inputs: int, width: int, outputs: int, hidden: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.GELU()]
    for _ in range(hidden - 1):
        layers += [nn.Linear(width, width), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _place(space: tuple[int, ...], waves: int) -> Tensor:
    """What the trunk knows of each point, `(point, axis * (1 + 2 * waves))`."""
    mesh = torch.meshgrid(*(torch.arange(n) / n for n in space), indexing="ij")
    x = torch.stack([axis.flatten() for axis in mesh], dim=1)  # (point, axis), 0 … 1
    phase = pi * x[:, :, None] * torch.arange(1, waves + 1)
    return torch.cat([x[:, :, None], phase.sin(), phase.cos()], dim=2).flatten(1)


class DeepONetModel(TorchModel):
    """The DeepONet as a neural solver. It knows nothing of shifts and holds the grid it was trained on.

    **Good values**: `width` 128, `basis` 64, `waves` 8, `hidden` 2.
    """

    @staticmethod
    def network(
        spec: DatasetSpec, *, history: int = 1, width: int = 128, basis: int = 64, waves: int = 8, hidden: int = 2
    ) -> DeepONet:
        inputs, outputs = history * columns(spec), len(field_names(spec))
        shape = {"width": width, "basis": basis, "waves": waves, "hidden": hidden}
        return DeepONet(spec.store.shape, inputs, len(spec.parameters), outputs, **shape)
