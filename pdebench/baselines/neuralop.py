"""The networks of the `neuraloperator` library behind our one contract: FNO, TFNO, UNO, CODANO and what else it has.

Kossaifi et al. 2024, "A Library for Learning Neural Operators", arXiv 2412.10354. Its own choices hold, such as places
as channels 0 … 1; options that are not named here go to its class.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from inspect import signature
from io import StringIO
from typing import Any

from torch import Tensor, nn

from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

from .blocks import channels, frames_and_constants
from .torch_model import TorchModel


class Zoo(nn.Module):
    """A network of the library on frames and parameters as channels; of more channels than `outputs` the first."""

    def __init__(self, operator: nn.Module, outputs: int) -> None:
        super().__init__()
        self.operator, self.outputs = operator, outputs
        # The library puts a mapping among the tensors, which a file of tensors does not take.
        self.register_state_dict_post_hook(_without_notes)  # type: ignore[no-untyped-call]  # torch has it untyped

    def forward(self, history: Tensor, params: Tensor) -> Tensor:
        out: Tensor = self.operator(frames_and_constants(history, params))
        return out[:, : self.outputs]


def _without_notes(module: nn.Module, state: dict[str, Any], prefix: str, local: dict[str, Any]) -> None:
    state.pop("_metadata", None)


class NeuralopModel(TorchModel):
    """A network of the `neuraloperator` library; `architecture` is the name of its class.

    **Good values**: those below, which suit a 64² field. `modes` are counted as the library does: 24 are −12 … 11.
    """

    @staticmethod
    def network(
        spec: DatasetSpec,
        *,
        history: int = 1,
        architecture: str = "TFNO",
        width: int = 32,
        modes: int = 24,
        **options: Any,
    ) -> Zoo:
        kind = _architecture(architecture)
        inputs, outputs = channels(spec, history)
        kept = [min(modes, n) for n in spec.store.shape]
        said = _usual(architecture, width, kept) | {"in_channels": inputs, "out_channels": outputs} | options
        known = signature(kind).parameters
        if architecture == "CODANO":  # it takes any number of channels, and gives as many
            said = {key: value for key, value in said.items() if key not in ("in_channels", "out_channels")}
        for key in said.keys() - known.keys():
            if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
                raise ModelError(f"{architecture} of neuraloperator has no option {key!r}; it has {', '.join(known)}")
        try:
            with redirect_stdout(StringIO()):  # the library prints what it is told
                return Zoo(kind(**said), outputs)
        except (AssertionError, TypeError, ValueError) as error:
            raise ModelError(f"{architecture} of neuraloperator cannot be built with {said}: {error}") from error


def _architecture(name: str) -> type[nn.Module]:
    try:
        from neuralop import models
    except ImportError as error:
        raise ModelError(
            f"the library neuraloperator is not here ({error}): pip install 'pdebench-foundry[neuraloperator]'"
        ) from error
    found = getattr(models, name, None)
    if name in OTHER_GRIDS or not (isinstance(found, type) and issubclass(found, nn.Module)):
        fit = [each for each in dir(models) if isinstance(getattr(models, each), type) and each not in OTHER_GRIDS]
        raise ModelError(f"neuraloperator has no architecture {name!r} for regular grids; it has {', '.join(fit)}")
    return found


OTHER_GRIDS = ("GINO", "FNOGNO", "UQNO")  # on points, or round another network


def _usual(architecture: str, width: int, modes: list[int]) -> dict[str, Any]:
    """What the library wants to be told of each architecture."""
    axes = len(modes)
    if architecture == "UNO":
        scalings = [[factor] * axes for factor in (1.0, 0.5, 1.0, 2.0)]
        inner = [max(m // 2, 1) for m in modes]
        return {
            "hidden_channels": width,
            "lifting_channels": 2 * width,
            "projection_channels": 2 * width,
            "uno_out_channels": [width] * 4,
            "uno_n_modes": [modes, inner, inner, modes],
            "uno_scalings": scalings,
            "channel_mlp_skip": "linear",  # its default wants as many channels out as in, and the U joins two
        }
    if architecture == "CODANO":
        return {
            "lifting_channels": 2 * width,
            "hidden_variable_codimension": max(width // 4, 1),
            "projection_channels": 2 * width,
            "n_layers": 4,
            "n_modes": [modes] * 4,
            "n_heads": [2] * 4,
            "per_layer_scaling_factors": [[1] * axes] * 4,
            "attention_scaling_factors": [1] * 4,
        }
    return {"n_modes": tuple(modes), "hidden_channels": width}
