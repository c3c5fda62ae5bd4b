"""Operator transformer: attention in windows on a pyramid of grids, told how far ahead it has to look.

After the scalable operator transformer (scOT) of Herde et al. 2024, "Poseidon: Efficient Foundation Models for PDEs",
NeurIPS, arXiv 2405.19101: a U of SwinV2 blocks (Liu et al. 2022, arXiv 2111.09883: cosine attention, relative
positions by a small network, norms after the branches) with ConvNeXt blocks across and layer norms whose scale and
shift are affine in the lead time, trained on all pairs of frames of a trajectory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import gcd, log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdebench.errors import ModelError
from pdebench.problem import is_steady, problem_of
from pdebench.spec import DatasetSpec

from . import blocks
from .blocks import Padding, TimedNorm, conv, cut, joined
from .torch_model import TorchModel


class WindowAttention(nn.Module):
    """Cosine attention in windows of `side` points, the grid first moved by `shift`; `(b, *space, width)` -> the same.

    In a box with walls, points that only the shift made neighbours do not see each other.
    """

    offsets: Tensor  # (offset, axis), in logarithms
    pairs: Tensor  # (point, point): which offset
    apart: Tensor | None

    def __init__(self, space: Sequence[int], width: int, heads: int, *, side: int, shift: int, periodic: bool) -> None:
        super().__init__()
        axes = len(space)
        self.side, self.shift, self.heads, self.axes = side, shift, heads, tuple(range(1, 1 + axes))
        self.mixed, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.log_scale = nn.Parameter(torch.full((heads, 1, 1), log(10.0)))
        self.position = nn.Sequential(nn.Linear(axes, 32), nn.ReLU(), nn.Linear(32, heads, bias=False))
        place = torch.cartesian_prod(*[torch.arange(side)] * axes).reshape(-1, axes)
        between = (place[:, None] - place).flatten(0, 1)
        offsets, pairs = torch.unique(between, dim=0, return_inverse=True)
        logs = offsets.sign() * (1 + offsets.abs()).log2() / 3  # 1 at seven points apart
        apart = _apart(space, side, shift) if shift and not periodic else None
        for name, value in (("offsets", logs), ("pairs", pairs.reshape(side**axes, -1)), ("apart", apart)):
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        space = x.shape[1:-1]
        moved = x.roll([-self.shift] * len(space), self.axes) if self.shift else x
        parts = self.mixed(cut(moved, self.side)).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = (v.transpose(1, 2) for v in parts.unbind(dim=2))  # (window, head, point, channel)
        queries = functional.normalize(queries, dim=-1) * self.log_scale.clamp(max=log(100.0)).exp()
        bias = 16 * self.position(self.offsets).sigmoid().T[:, self.pairs]  # (head, point, point)
        if self.apart is not None:
            bias = bias + self.apart.repeat(len(x), 1, 1, 1)
        keys = functional.normalize(keys, dim=-1)
        found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=1.0)
        out = joined(self.project(found.transpose(1, 2).flatten(2)), space, self.side)
        return out.roll([self.shift] * len(space), self.axes) if self.shift else out


def _apart(space: Sequence[int], side: int, shift: int) -> Tensor:
    """Minus infinity between points of a window that lie on two sides of the box, `(window, 1, point, point)`."""
    wrapped = [(torch.arange(n) >= n - shift).long() * 2**axis for axis, n in enumerate(space)]
    label = torch.stack(torch.meshgrid(*wrapped, indexing="ij")).sum(dim=0)
    windows = cut(label[None, ..., None], side)[..., 0]
    return torch.where(windows[:, None, :, None] == windows[:, None, None, :], 0.0, -torch.inf)


def _perceptron(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class SwinBlock(nn.Module):
    """x + norm(attention(x)), then x + norm(perceptron(x)), each norm told the lead time."""

    def __init__(self, attention: WindowAttention, width: int) -> None:
        super().__init__()
        self.attention, self.after, self.last = attention, TimedNorm(width), TimedNorm(width)
        self.perceptron = _perceptron(width)

    def forward(self, x: Tensor, lead: Tensor) -> Tensor:
        x = x + self.after.timed(self.attention(x), lead)
        out: Tensor = x + self.last.timed(self.perceptron(x), lead)
        return out


class Stage(nn.ModuleList):
    """Blocks of one grid, one after the other."""

    def forward(self, x: Tensor, lead: Tensor) -> Tensor:
        for block in self:
            x = block(x, lead)
        return x


class ConvNeXt(nn.Module):
    """x + perceptron(norm(7-point convolution of each channel)); Liu et al. 2022, arXiv 2201.03545."""

    def __init__(self, axes: int, width: int, padding: Padding) -> None:
        super().__init__()
        self.each = conv(axes, width, width, 7, padding=padding, groups=width)
        self.norm = TimedNorm(width)
        self.perceptron = _perceptron(width)

    def forward(self, x: Tensor, lead: Tensor) -> Tensor:
        v = self.each(x.movedim(-1, 1)).movedim(1, -1)
        out: Tensor = x + self.perceptron(self.norm.timed(v, lead))
        return out


class OperatorTransformer(nn.Module):
    """History `(b, h, column, *space)`, `(b, p)`, lead time in steps `(b,)` -> the change, `(b, field, *space)`.

    Patches of `patch` points are tokens; a grid of half as many and a double width follows for each further entry of
    `depths`, its number of blocks. `longest` is the longest lead time that it is trained on.
    """

    def __init__(
        self, spec: DatasetSpec, *, history: int, width: int, depths: Sequence[int], patch: int, side: int, longest: int
    ) -> None:
        super().__init__()
        inputs, outputs = blocks.channels(spec, history)
        axes, padding, levels = len(spec.store.shape), blocks.padding_of(spec), range(len(depths))
        widths = [width * 2**level for level in levels]
        grids = [[n // patch // 2**level for n in spec.store.shape] for level in levels]
        self.leads, self.patch = longest, patch

        def swin(level: int) -> Stage:
            grid, w = grids[level], widths[level]
            fits = next(s for s in range(min(side, *grid), 0, -1) if gcd(*grid) % s == 0)
            heads = next(h for h in range(max(w // 8, 1), 0, -1) if w % h == 0)
            build = partial(WindowAttention, grid, w, heads, side=fits, periodic=padding == "circular")
            shifts = [fits // 2 * (index % 2) * (fits < max(grid)) for index in range(depths[level])]
            return Stage(SwinBlock(build(shift=shift), w) for shift in shifts)

        self.embed, self.first = nn.Linear(inputs * patch**axes, width), TimedNorm(width)
        self.down, self.up = (nn.ModuleList(swin(level) for level in levels) for _ in range(2))
        self.merge = nn.ModuleList(nn.Linear(2**axes * w, 2 * w) for w in widths[:-1])
        self.across = nn.ModuleList(ConvNeXt(axes, w, padding) for w in widths[:-1])
        self.part = nn.ModuleList(nn.Linear(2 * w, 2**axes * w) for w in widths[:-1])
        self.recover = nn.Linear(width, outputs * patch**axes)
        self.smooth = conv(axes, outputs, outputs, 5, padding=padding)

    def forward(self, history: Tensor, params: Tensor, lead: Tensor | None = None) -> Tensor:
        t = (torch.ones(len(history)).to(history) if lead is None else lead)[:, None] / self.leads
        seen = blocks.frames_and_constants(history, params).movedim(1, -1)
        x = self.first.timed(blocks.merged(seen, self.patch, self.embed), t)
        kept = []
        for level, stage in enumerate(self.down):
            x = stage(x, t)
            if level < len(self.merge):
                kept.append(self.across[level](x, t))
                x = blocks.merged(x, 2, self.merge[level])
        for level, stage in reversed(list(enumerate(self.up))):
            if level < len(self.part):
                x = blocks.parted(x, 2, self.part[level]) + kept[level]
            x = stage(x, t)
        out: Tensor = self.smooth(blocks.parted(x, self.patch, self.recover).movedim(-1, 1))
        return out


class OperatorTransformerModel(TorchModel):
    """The operator transformer as a neural solver: it is trained to go from any frame to any later one at once.

    `longest` is the greatest number of steps between two frames of a pair: all of the trajectory by default; 1 is
    training on one step as others do, the only way with a longer history.

    **Good values** for a 64² field: `width` 32, `depths` [2, 2], `patch` 4, `side` 8 (0.28 million weights;
    the smallest Poseidon has `width` 48, `depths` [4, 4, 4, 4], `side` 16 for 128²).
    """

    learning_rate = 2e-3

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        width: int = 32,
        depths: Sequence[int] = (2, 2),
        patch: int = 4,
        side: int = 8,
        longest: int | None = None,
    ) -> OperatorTransformer:
        most = 1 if is_steady(problem_of(spec)) or history > 1 else spec.times.frames - 1
        longest = most if longest is None else longest
        if not 1 <= longest <= most:
            raise ModelError(f"longest {longest}: choose 1 to {most} steps here (1 where there is a longer history)")
        coarsest = patch * 2 ** (len(depths) - 1)
        blocks.expect_divisible(spec.store.shape, coarsest, f"{len(depths)} levels on patches of {patch}")
        shape: dict[str, Any] = {"width": width, "depths": tuple(depths), "patch": patch, "side": side}
        return OperatorTransformer(spec, history=history, longest=longest, **shape)
