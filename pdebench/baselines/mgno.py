"""MgNO: linear maps given by one multigrid V-cycle with learnt stencils, and a nonlinearity between them.

He, Liu & Xu 2024, "MgNO: Efficient Parameterization of Linear Operators via Multigrid", ICLR, arXiv 2310.19809, §4,
algorithm 1: on each grid u ← u + B(f − A u), then restriction of the residual; on the way back prolongation,
correction, smoothing.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from pdebench.spec import DatasetSpec

from .blocks import Padding, channels, conv, expect_divisible, frames_and_constants, padding_of
from .torch_model import TorchModel


class VCycle(nn.Module):
    """A map `(b, width, *space)` -> the same: stencils A and B per grid, B before and after the coarser grids."""

    def __init__(self, axes: int, width: int, levels: int, padding: Padding) -> None:
        super().__init__()

        def stencils(count: int, **how: int) -> nn.ModuleList:
            return nn.ModuleList(conv(axes, width, width, padding=padding, **how) for _ in range(count))

        self.operator, self.before, self.after = stencils(levels - 1), stencils(levels), stencils(levels - 1)
        self.restrict, self.prolong = stencils(levels - 1, stride=2), stencils(levels - 1)

    def forward(self, f: Tensor) -> Tensor:
        kept = []
        u = self.before[0](f)
        for level, (operator, restrict) in enumerate(zip(self.operator, self.restrict, strict=True)):
            kept.append((u, f))
            f = restrict(f - operator(u))
            u = self.before[level + 1](f)
        for level, (fine, right) in reversed(list(enumerate(kept))):
            u = fine + self.prolong[level](functional.interpolate(u, scale_factor=2.0, mode="nearest"))
            u = u + self.after[level](right - self.operator[level](u))
        out: Tensor = u
        return out


class MgNO(nn.Module):
    """Lift, `layers` times σ(V-cycle(v) + pointwise(v)), project."""

    def __init__(
        self, axes: int, inputs: int, outputs: int, *, width: int, layers: int, levels: int, padding: Padding
    ) -> None:
        super().__init__()
        self.lift = conv(axes, inputs, width, 1, padding=padding)
        self.cycles = nn.ModuleList(VCycle(axes, width, levels, padding) for _ in range(layers))
        self.skip = nn.ModuleList(conv(axes, width, width, 1, padding=padding) for _ in range(layers))
        self.project = conv(axes, width, outputs, 1, padding=padding)

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        v = self.lift(frames_and_constants(history, params))
        for cycle, skip in zip(self.cycles, self.skip, strict=True):
            v = functional.gelu(cycle(v) + skip(v))
        out: Tensor = self.project(v)
        return out


class MgNOModel(TorchModel):
    """MgNO as a neural solver. The V-cycle itself is linear: all nonlinearity is one GELU per layer.

    **Good values** for a 64² field: `width` 16, `layers` 4, `levels` 4.
    """

    @staticmethod
    def network(spec: DatasetSpec, *, history: int = 1, width: int = 16, layers: int = 4, levels: int = 4) -> MgNO:
        expect_divisible(spec.store.shape, 2 ** (levels - 1), f"an MgNO of {levels} levels")
        return MgNO(
            len(spec.store.shape),
            *channels(spec, history),
            width=width,
            layers=layers,
            levels=levels,
            padding=padding_of(spec),
        )
