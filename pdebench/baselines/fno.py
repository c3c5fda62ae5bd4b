"""Fourier neural operator: a network that acts on the low Fourier modes, whatever the grid.

Li et al. 2021, "Fourier Neural Operator for Parametric Partial Differential Equations", ICLR, arXiv 2010.08895, §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .blocks import channels, frames_and_constants
from .torch_model import TorchModel


class SpectralConv(nn.Module):
    """(Ru)(x) = F⁻¹( R_k · F u(k) ), R_k complex, zero for high k; `(b, in, *space)` -> `(b, out, *space)`.

    Keeps wavenumbers −m … m−1 of each axis, and 0 … m−1 of the last as the field is real. F divides by the number of
    points, so the weights mean the same on every grid: `weight[k of the last axis, …, of the first, in, out, re/im]`.
    So few modes are cheaper to reach by one small matrix product per axis than by a whole FFT.
    """

    def __init__(self, width: int, modes: Sequence[int]) -> None:
        super().__init__()
        self.modes = tuple(modes)
        kept = [modes[-1], *(2 * m for m in reversed(modes[:-1]))]
        self.weight = nn.Parameter(torch.randn(*kept, width, width, 2) / (2 * width) ** 0.5)

    def forward(self, u: Tensor) -> Tensor:
        last = len(self.modes) - 1
        sizes = enumerate(zip(u.shape[2:], self.modes, strict=True))
        pairs = [_fourier(n, m, axis == last, u) for axis, (n, m) in sizes]
        u_hat = _contract(u.unsqueeze(-1), [analysis for analysis, _ in pairs])  # (b, in, *reversed k, 2)
        v_hat = torch.einsum("bi...p,...ipoq->bo...q", u_hat, _as_matrix(torch.view_as_complex(self.weight)))
        return _contract(v_hat, [synthesis for _, synthesis in reversed(pairs)]).squeeze(-1)


def _contract(v: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Replace each axis of `(b, c, *axes, p)`, with the parts p, by the output axis and parts of its matrix.

    Last axis first; as new axes come at the end, their order turns round.
    """
    for axis, matrix in reversed(list(enumerate(matrices, 2))):
        v = torch.tensordot(v, matrix, dims=([axis, v.ndim - 1], [0, 1]))
    return v


def _fourier(n: int, m: int, real: bool, like: Tensor) -> tuple[Tensor, Tensor]:
    """F `(x, part, k, part)` and F⁻¹ `(k, part, x, part)` along one axis; two parts of a complex number, one of a real.

    A real axis keeps 0 … m−1, each mode k > 0 standing for −k too; a complex one 0 … m−1, −m … −1.
    """
    k = torch.arange(m) if real else torch.cat([torch.arange(m), torch.arange(-m, 0)])
    x = torch.arange(n, dtype=torch.float64) * (2 * pi / n)
    wave = torch.exp(1j * x[:, None] * k)
    twice = torch.where(k > 0, 2.0, 1.0) if real else torch.ones(len(k))
    analysis, synthesis = _as_matrix(wave.conj() / n), _as_matrix((wave * twice).T)
    if real:
        analysis, synthesis = analysis[:, :1], synthesis[..., :1]
    return analysis.to(like), synthesis.to(like)


def _as_matrix(z: Tensor) -> Tensor:
    """The complex matrix `(..., in, out)` as a real one on real and imaginary parts, `(..., in, 2, out, 2)`."""
    re, im = z.real, z.imag
    return torch.stack([torch.stack([re, im], -1), torch.stack([-im, re], -1)], -3)


class Pointwise(nn.Linear):
    """The same affine map at every point, `(b, in, *space)` -> `(b, out, *space)`."""

    def forward(self, u: Tensor) -> Tensor:
        weight = self.weight.expand(len(u), -1, -1)  # faster than a convolution, or a broadcast product
        return torch.baddbmm(self.bias[:, None], weight, u.flatten(2)).view(len(u), -1, *u.shape[2:])


def _local(width: int, kernel: int, axes: int) -> nn.Module:
    """W: a map at each point, or, for `kernel` > 1, a periodic convolution over that many points."""
    if kernel == 1:
        return Pointwise(width, width)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    return conv(width, width, kernel, padding=kernel // 2, padding_mode="circular")


class FNO(nn.Module):
    """Lift, `layers` times σ(Wv + Rv), project: equations (2) and (4) of the paper, σ = GELU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        modes: Sequence[int],
        width: int,
        layers: int,
        kernel: int = 1,
        coordinates: bool = True,
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.lift = Pointwise(inputs + 2 * len(modes) * coordinates, width)
        self.spectral = nn.ModuleList(SpectralConv(width, modes) for _ in range(layers))
        self.skip = nn.ModuleList(_local(width, kernel, len(modes)) for _ in range(layers))
        self.project = nn.Sequential(Pointwise(width, width), nn.GELU(), Pointwise(width, outputs))

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        """`(b, h, column, *space)`, `(b, p)` -> `(b, field, *space)`."""
        v = self.lift(self._channels(history, params))
        for number, (spectral, skip) in enumerate(zip(self.spectral, self.skip, strict=True), 1):
            v = skip(v) + spectral(v)
            if number < len(self.spectral):  # the last layer is linear, as in the paper's code
                v = functional.gelu(v)
        out: Tensor = self.project(v)
        return out

    def _channels(self, history: Tensor, params: Tensor) -> Tensor:
        """Frames, parameters as constant fields and, if asked for, the place in the box: `(b, channel, *space)`."""
        space = history.shape[3:]
        channels = frames_and_constants(history, params)
        if not self.coordinates:
            return channels
        return torch.cat([channels, _place(space, history).expand(len(history), -1, *space)], dim=1)


def _place(space: Sequence[int], like: Tensor) -> Tensor:
    """sin and cos of 2πx/L along each axis: smooth across the periodic border; `(2 * axes, *space)`."""
    phases = [2 * pi * torch.arange(n, dtype=like.dtype, device=like.device) / n for n in space]
    mesh = torch.meshgrid(*phases, indexing="ij")
    return torch.stack([wave(phase) for phase in mesh for wave in (torch.sin, torch.cos)])


class FNOModel(TorchModel):
    """The Fourier neural operator as a neural solver: it predicts the change over one training step.

    `kernel` 3 lets W see the neighbours too, so that gradients of scales beyond `modes` move as they should
    (Liu-Schiaffini et al. 2024, arXiv 2402.16845); it ties the weights to the spacing of the grid. `coordinates` only
    where the equation knows its place (a forcing f(x), walls): without them a shifted state gives the shifted answer.

    **Good values** for a 64² turbulence field: `modes` 12, `width` 16 or 32, `layers` 4, `kernel` 3.
    """

    learning_rate = 1e-2

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        width: int = 16,
        modes: int | Sequence[int] = 12,
        layers: int = 4,
        kernel: int = 1,
        coordinates: bool = True,
    ) -> FNO:
        space = spec.store.shape
        per_axis = (modes,) * len(space) if isinstance(modes, int) else tuple(modes)
        if len(per_axis) != len(space) or any(not 1 <= m <= n // 2 for m, n in zip(per_axis, space, strict=True)):
            raise ModelError(f"modes {modes} do not fit the grid {space}: at most half its points along each axis")
        if kernel % 2 == 0 or kernel < 1:
            raise ModelError(f"kernel {kernel} has no middle: choose 1, 3, 5 …")
        inputs, outputs = channels(spec, history)
        return FNO(inputs, outputs, modes=per_axis, width=width, layers=layers, kernel=kernel, coordinates=coordinates)
