"""Pieces that several networks are made of, in one, two or three dimensions. Fields are `(b, channel, *space)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pdebench.errors import ModelError
from pdebench.problem import is_periodic, is_steady, problem_of
from pdebench.spec import DatasetSpec

from .torch_model import columns, field_names

Padding = Literal["circular", "replicate", "zeros"]


def padding_of(spec: DatasetSpec) -> Padding:
    """What lies beyond the border: the other side of a periodic box, else the border's value.

    Of a steady problem nothing does: with the border's value a network of convolutions could not see the walls, which
    are all that a solution with constant inputs depends on.
    """
    problem = problem_of(spec)
    if is_periodic(problem, spec.grid):
        return "circular"
    return "zeros" if is_steady(problem) else "replicate"


def channels(spec: DatasetSpec, history: int) -> tuple[int, int]:
    """How many channels `frames_and_constants` makes, and how many fields the answer has."""
    return history * columns(spec) + len(spec.parameters), len(field_names(spec))


def frames_and_constants(history: Tensor, params: Tensor) -> Tensor:
    """All frames of the history, and each parameter as a constant field: `(b, h, column, *space)`, `(b, p)` ->."""
    space = history.shape[3:]
    constants = params.reshape(*params.shape, *[1] * len(space)).expand(*params.shape, *space)
    return torch.cat([history.flatten(1, 2), constants], dim=1)


def conv(
    axes: int, inputs: int, outputs: int, kernel: int = 3, *, padding: Padding, dilation: int = 1, **how: Any
) -> nn.Module:
    """A convolution that keeps the grid (or, with a `stride`, every stride-th point of it); `how` may have `groups`."""
    kind: Callable[..., nn.Module] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    around = dilation * (kernel - 1) // 2
    return kind(inputs, outputs, kernel, dilation=dilation, padding=around, padding_mode=padding, **how)


class Residual(nn.Module):
    """x + conv σ norm conv σ norm x, with a 1-point convolution on the way past where the channels differ.

    `condition` is the length of a vector that scales and shifts the second norm (FiLM, Perez et al. 2018, eq. 2).
    """

    def __init__(self, axes: int, inputs: int, outputs: int, *, padding: Padding, condition: int = 0) -> None:
        super().__init__()
        self.first = nn.Sequential(norm(inputs), nn.GELU(), conv(axes, inputs, outputs, padding=padding))
        self.norm = norm(outputs)
        self.second = nn.Sequential(nn.GELU(), conv(axes, outputs, outputs, padding=padding))
        self.past = nn.Identity() if inputs == outputs else conv(axes, inputs, outputs, 1, padding=padding)
        self.film = nn.Linear(condition, 2 * outputs) if condition else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        v = self.norm(self.first(x))
        if self.film is not None and condition is not None:
            scale, shift = self.film(condition).reshape(len(v), -1, *[1] * (v.ndim - 2)).chunk(2, dim=1)
            v = v * (1 + scale) + shift
        out: Tensor = self.past(x) + self.second(v)
        return out


def cut(x: Tensor, side: int) -> Tensor:
    """`(b, *space, c)` in windows of `side` points along each axis: `(b * window, point, c)`."""
    batch, *space, channels = x.shape
    axes = len(space)
    split = x.reshape(batch, *(part for n in space for part in (n // side, side)), channels)
    order = [0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1]
    return split.permute(order).reshape(-1, side**axes, channels)


def joined(windows: Tensor, space: Sequence[int], side: int) -> Tensor:
    """What `cut` cut, whole again: `(b * window, point, c)` -> `(b, *space, c)`."""
    axes, counts = len(space), [n // side for n in space]
    batch = len(windows) // prod(counts)
    split = windows.reshape(batch, *counts, *[side] * axes, windows.shape[-1])
    order = [0, *(place for axis in range(axes) for place in (1 + axis, 1 + axes + axis)), 1 + 2 * axes]
    return split.permute(order).reshape(batch, *space, windows.shape[-1])


def merged(x: Tensor, side: int, linear: nn.Module) -> Tensor:
    """Each cell of `side` points along each axis as one; `(b, *space, c)` -> `(b, *space / side, c')`."""
    space = [n // side for n in x.shape[1:-1]]
    out: Tensor = linear(cut(x, side).flatten(1)).reshape(len(x), *space, -1)
    return out


def parted(x: Tensor, side: int, linear: nn.Module) -> Tensor:
    """Each point as a cell of `side` along each axis; `(b, *space, c)` -> `(b, *side * space, c')`."""
    space = [n * side for n in x.shape[1:-1]]
    cells = linear(x)
    return joined(cells.reshape(-1, side ** len(space), cells.shape[-1] // side ** len(space)), space, side)


def norm(channels: int) -> nn.Module:
    """Over groups of channels and space, so that it does not see the batch."""
    return nn.GroupNorm(next(groups for groups in (8, 4, 2, 1) if channels % groups == 0), channels)


class TimedNorm(nn.LayerNorm):
    """A layer norm with scale 1 + αt + α₀ and shift βt + β₀; `(b, *space, width)`, lead time t `(b, 1)`."""

    def __init__(self, width: int) -> None:
        super().__init__(width, elementwise_affine=False)
        self.of_time = nn.Linear(1, 2 * width)
        for weight in self.of_time.parameters():
            nn.init.zeros_(weight)

    def timed(self, x: Tensor, lead: Tensor) -> Tensor:
        scale, shift = self.of_time(lead).reshape(len(x), *[1] * (x.ndim - 2), -1).chunk(2, dim=-1)
        return torch.addcmul(shift, self(x), 1 + scale)


def expect_divisible(shape: Sequence[int], factor: int, what: str) -> None:
    """Raise `ModelError` where a grid cannot be halved as often as `what` wants."""
    if any(n % factor or n < 2 * factor for n in shape):
        raise ModelError(
            f"{what} needs a grid whose sides are multiples of {factor}, at least {2 * factor}; {tuple(shape)} is not"
        )
