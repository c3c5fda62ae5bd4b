"""Dynamic mode decomposition: the best linear step that the training frames allow, in closed form.

Tu, Rowley, Luchtenburg, Brunton & Kutz 2014, "On dynamic mode decomposition: theory and applications", J. Comput.
Dyn. 1, definition 1: of snapshots X and what became of them Y, A = Y X⁺ with X⁺ on the leading POD modes of X. The
parameters act as controls, Y = A X + B p + c (Proctor, Brunton & Kutz 2016, SIAM J. Appl. Dyn. Syst. 15).
"""

from __future__ import annotations

from math import inf, prod

import torch
from torch import Tensor, nn

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .torch_model import Batches, TorchModel, columns, field_names

SNAPSHOTS = 2048  # at most so many give the POD modes; all of them give the step
SHRINKAGE = (0.0, 0.01, 0.1, 1.0, inf)  # tried on the valid split; the last is persistence


class Linear(nn.Module):
    """Answer = Σ_k w_k (φ_k · history) + B p + c: modes φ `(rank, seen)`, responses w `(rank, answer)`.

    Y is the change of the frame, so what lies outside the modes stays as it is. The valid split chooses how many modes
    answer, and how far answers are shrunk; the others' are zero.
    """

    def __init__(self, seen: int, parameters: int, answer: int, rank: int) -> None:
        super().__init__()
        self.modes = nn.Parameter(torch.zeros(rank, seen))
        self.responses = nn.Parameter(torch.zeros(rank, answer))
        self.controls = nn.Parameter(torch.zeros(parameters + 1, answer))

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        seen = history.flatten(1)
        out = seen @ self.modes.T @ self.responses + _with_one(params) @ self.controls
        return out.reshape(len(history), -1, *history.shape[3:])

    @torch.no_grad()
    def fit(self, train: Batches, valid: Batches) -> None:
        """Least squares on all of `train`, with as many modes and as much shrinkage as are best on `valid`."""
        modes = _leading(train, len(self.modes))
        gram, cross = _normal_equations(train, modes)
        there = _normal_equations(valid, modes)
        counts = {0, len(modes), *(2**k for k in range(len(modes).bit_length()))}
        tries = (_solved(gram, cross, len(modes), count=n, ridge=ridge) for n in sorted(counts) for ridge in SHRINKAGE)
        answer = min(tries, key=lambda answer: _excess(answer, *there))
        rows = (modes, answer[: len(modes)], answer[len(modes) :])
        for parameter, fitted in zip(self.parameters(), rows, strict=True):
            parameter.zero_()
            parameter[: len(fitted)] = fitted.to(parameter)


def _with_one(params: Tensor) -> Tensor:
    return torch.cat([params, params.new_ones(len(params), 1)], dim=1)


def _leading(batches: Batches, rank: int) -> Tensor:
    """The POD modes of the snapshots, orthonormal, strongest first: `(count, seen)`, float64.

    By the smaller of the two products X Xᵀ (Sirovich 1987, Q. Appl. Math. 45) and Xᵀ X.
    """
    seen = sum(len(history) for history, _, _ in batches())
    every = -(-seen // SNAPSHOTS)
    number, rows = 0, []
    for history, _, _ in batches():
        rows.append(history[(-number) % every :: every].flatten(1).double())
        number += len(history)
    x = torch.cat(rows)
    wide = x.shape[0] < x.shape[1]
    energy, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    energy, vectors = energy.flip(0)[:rank], vectors.flip(1)[:, :rank]
    kept = energy > 1e-12 * energy[0]  # 1e-6 of the amplitude: data in single precision tell no more
    modes: Tensor = vectors[:, kept].T @ x / energy[kept].sqrt()[:, None] if wide else vectors[:, kept].T
    return modes


def _normal_equations(batches: Batches, modes: Tensor) -> tuple[Tensor, Tensor]:
    """ZᵀZ and ZᵀY of the regressors Z = (coefficients, parameters, 1)."""
    gram = cross = torch.zeros(())
    for history, params, answer in batches():
        z = torch.cat([history.flatten(1).double() @ modes.T, _with_one(params.double())], dim=1)
        gram, cross = gram + z.T @ z, cross + z.T @ answer.flatten(1).double()
    return gram, cross


def _solved(gram: Tensor, cross: Tensor, modes: int, *, count: int, ridge: float) -> Tensor:
    """What answers to `count` of the `modes`, the parameters and 1, and zero to the other modes: `(regressor, answer)`.

    By least squares, shrunk by a `ridge` in units of each regressor's mean square; nothing for an infinite one. Where
    the answer is not unique it is that of least norm.
    """
    answer = torch.zeros_like(cross)
    if ridge < inf:
        kept = [*range(count), *range(modes, len(gram))]
        scale = gram.diagonal()[kept].sqrt()
        scale = torch.where(scale > 0, scale, 1.0)
        equal = gram[kept][:, kept] / scale / scale[:, None] + ridge * torch.eye(len(kept)).to(gram)
        answer[kept] = torch.linalg.pinv(equal, rtol=1e-10, hermitian=True) @ (cross[kept] / scale[:, None])
        answer[kept] /= scale[:, None]
    return answer


def _excess(answer: Tensor, gram: Tensor, cross: Tensor) -> float:
    """‖Z answer − Y‖² − ‖Y‖²: below zero where it is better than persistence."""
    return float((answer * (gram @ answer - 2 * cross)).sum())


class DMDModel(TorchModel):
    """The linear reference that a network must beat: least squares on POD modes. The seed and the epochs do nothing.

    **Good values**: `rank` 128; more costs memory, and the valid split takes fewer where they are better.
    """

    @staticmethod
    def network(spec: DatasetSpec, *, history: int = 1, rank: int = 128) -> Linear:
        if rank < 1:
            raise ModelError(f"rank {rank}: at least one mode")
        points = prod(spec.store.shape)
        seen, answer = history * columns(spec) * points, len(field_names(spec)) * points
        return Linear(seen, len(spec.parameters), answer, min(rank, seen))
