"""What is trained, on what, and which claim is judged by which numbers. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLIND = f"{Path(__file__).with_name('blind.py')}:BlindUNetModel"


@dataclass(frozen=True, slots=True)
class Data:
    """A registered card with changes; the members are train, then 8 valid, then 16 test."""

    card: str
    train: int
    changes: dict[str, Any] = field(default_factory=dict)
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Training:
    """One network on one dataset; options go to the network, `recipe` to the training."""

    data: str
    model: str
    options: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    also: str = ""  # another dataset of the same members, to score it on


@dataclass(frozen=True, slots=True)
class Claim:
    """`better` has a greater (or smaller) score than each of `worse`, seed by seed; or a ratio within `within`."""

    title: str
    source: str
    says: str
    better: str
    worse: tuple[str, ...]
    score: str
    greater: bool = False
    within: float = 0.0


def _ns(n: int) -> dict[str, Any]:
    return {"store.shape": [n, n]}


DATA = {
    "ks": Data("ks1d", 64, {"grid.shape": [128], "store.shape": [128]}),
    "ns": Data("ns2d_decaying_demo", 40, _ns(32), stride=4),
    "ns, 64²": Data("ns2d_decaying_demo", 40, _ns(64), stride=4),
    "ns, few": Data("ns2d_decaying_demo", 8, _ns(32)),
    "burgers": Data(
        "burgers1d_smooth",
        64,
        {"grid.shape": [512], "store.shape": [128], "parameters.viscosity": {"log_uniform": [0.01, 1.0]}},
        stride=4,
    ),
    "darcy": Data("darcy2d_demo", 200),
}

_SMALL = {"noise": 0.0, "batch_size": 8}

TRAININGS = {
    "U-Net, KS": Training("ks", "unet", recipe=_SMALL),
    "PDE-Refiner": Training("ks", "refiner", {"steps": 3, "sigma_min": 1e-3}, _SMALL),
    "dilated ResNet": Training("ks", "dilated_resnet", {"width": 24, "blocks": 2}, _SMALL),
    "dilated ResNet, noise": Training("ks", "dilated_resnet", {"width": 24, "blocks": 2}, _SMALL | {"noise": 0.02}),
    "U-Net, NS": Training("ns", "unet", recipe=_SMALL, also="ns, 64²"),
    "SineNet": Training("ns", "sinenet", recipe=_SMALL),
    "FNO, NS": Training("ns", "fno", {"width": 12, "modes": 10}, _SMALL, also="ns, 64²"),
    "DeepONet": Training("ns", "deeponet", recipe=_SMALL),
    "CAPE": Training("burgers", "cape", recipe=_SMALL),
    "U-Net without parameters": Training("burgers", BLIND, recipe=_SMALL),
    "U-Net, parameters as channels": Training("burgers", "unet", recipe=_SMALL),
    "FNO, Darcy": Training("darcy", "fno", {"width": 12, "modes": 8}, _SMALL),
    "MgNO": Training("darcy", "mgno", recipe=_SMALL),
    "Latent Spectral Model": Training("darcy", "latent_spectral", {"width": 12}, _SMALL),
    "all pairs": Training("ns, few", "operator_transformer", recipe=_SMALL),
    "one step": Training("ns, few", "operator_transformer", {"longest": 1}, _SMALL),
}

CLAIMS = (
    Claim(
        "PDE-Refiner follows chaos for longer than the one-step U-Net",
        "Lippe et al. 2023",
        "time until the correlation falls below 0.8, Kuramoto–Sivashinsky",
        "PDE-Refiner",
        ("U-Net, KS",),
        "correlation_time",
        greater=True,
    ),
    Claim(
        "Several small U-Nets in sequence beat one of as many weights",
        "Zhang et al. 2024",
        "nRMSE of the roll-out, decaying turbulence, 0.4 time units a step",
        "SineNet",
        ("U-Net, NS",),
        "nrmse",
    ),
    Claim(
        "Attention to the parameters carries a network to others",
        "Takamoto et al. 2023",
        "nRMSE of the roll-out, Burgers in 1D, viscosity over two decades, test members with others",
        "CAPE",
        ("U-Net without parameters",),
        "nrmse",
    ),
    Claim(
        "…and further than parameters as further channels",
        "Takamoto et al. 2023",
        "the same",
        "CAPE",
        ("U-Net, parameters as channels",),
        "nrmse",
    ),
    Claim(
        "MgNO is more accurate on elliptic problems than the FNO",
        "He et al. 2024",
        "nRMSE, Darcy flow on 32² cells, about 150 000 weights each",
        "MgNO",
        ("FNO, Darcy",),
        "nrmse",
    ),
    Claim(
        "DeepONet is less accurate on flows than the FNO",
        "our expectation: it knows nothing of shifts",
        "nRMSE of the roll-out, decaying turbulence",
        "FNO, NS",
        ("DeepONet",),
        "nrmse",
    ),
    Claim(
        "The Latent Spectral Model is more accurate than the FNO",
        "Wu et al. 2023",
        "nRMSE, Darcy flow on 32² cells",
        "Latent Spectral Model",
        ("FNO, Darcy",),
        "nrmse",
    ),
    Claim(
        "Noise in training keeps long roll-outs stable",
        "Stachenfeld et al. 2022",
        "distance of the distribution of values from the truth's over 159 steps, Kuramoto–Sivashinsky",
        "dilated ResNet, noise",
        ("dilated ResNet", "U-Net, KS"),
        "histogram",
    ),
    Claim(
        "All pairs of frames teach more than consecutive ones where trajectories are few",
        "Herde et al. 2024",
        "nRMSE of 20 frames, decaying turbulence, 8 trajectories",
        "all pairs",
        ("one step",),
        "nrmse",
    ),
    Claim(
        "An FNO trained on one grid answers on another",
        "Li et al. 2021",
        "nRMSE on 64² points over that on the 32² of the training",
        "FNO, NS",
        ("U-Net, NS",),
        "nrmse on the other grid / here",
        within=1.1,
    ),
)
