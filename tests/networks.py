"""The registered networks, each small enough to be trained many times in a test."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from pdebench.model import models

OPTIONS: dict[str, dict[str, Any]] = {
    "cape": {"width": 8, "multipliers": [1, 2]},
    "deeponet": {"width": 16, "basis": 5, "waves": 2},
    "dilated_resnet": {"width": 6, "blocks": 2, "dilations": [1, 2, 1]},
    "dmd": {"rank": 8},
    "fno": {"width": 6, "modes": 4, "layers": 2},
    "latent_spectral": {"width": 8, "multipliers": [1, 2], "side": 2, "tokens": 3, "basis": 2, "heads": 2},
    "mgno": {"width": 6, "layers": 2, "levels": 3},
    "neuralop": {"architecture": "TFNO", "width": 8, "modes": 6, "n_layers": 2, "rank": 0.5},
    "operator_transformer": {"width": 8, "depths": [2, 1], "patch": 2, "side": 4},
    "refiner": {"width": 8, "multipliers": [1, 2], "steps": 2, "sigma_min": 0.25},  # noise that is seen at once
    "sinenet": {"width": 6, "waves": 2, "multipliers": [1, 2]},
    "unet": {"width": 8, "multipliers": [1, 2, 2]},
}


def trainable() -> list[str]:
    """The names of all registered models that `pdebench train` trains here; each has its entry in `OPTIONS`."""
    absent = set() if find_spec("neuralop") else {"neuralop"}
    return [name for name in models if hasattr(models[name], "stepper") and name not in absent]
