"""The baseline networks: the structure that each paper claims, held against what can be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from networks import OPTIONS, trainable
from specs import tiny_spec, tiny_store
from steady import toy_spec

from pdebench.data import Normaliser
from pdebench.errors import ModelError
from pdebench.model import models
from pdebench.problem import problem_of, starts_with

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pdebench.baselines.cape import CapeModel  # noqa: E402
from pdebench.baselines.deeponet import DeepONetModel  # noqa: E402
from pdebench.baselines.dilated_resnet import DilatedResNet, DilatedResNetModel  # noqa: E402
from pdebench.baselines.mgno import MgNOModel, VCycle  # noqa: E402
from pdebench.baselines.refiner import RefinerModel  # noqa: E402
from pdebench.baselines.sinenet import SineNetModel  # noqa: E402
from pdebench.baselines.torch_model import Stepper  # noqa: E402
from pdebench.baselines.unet import UNet, UNetModel  # noqa: E402
from pdebench.recipe import Progress, Recipe  # noqa: E402
from pdebench.train import train  # noqa: E402

KINDS = [
    pytest.param(models[name], id=name)
    for name in trainable()
    if name not in ("dmd", "fno")  # which have files of their own
]
SMALL: dict[Any, dict[str, Any]] = {models[name]: OPTIONS[name] for name in trainable()}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Of small networks the second thread is mostly waiting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(kind: Any, **changes: Any) -> Any:
    """The small network for the tiny dataset: one field on 16 × 16 periodic points, two parameters."""
    torch.manual_seed(0)
    return kind.network(tiny_spec(), **SMALL[kind] | changes)


def given(batch: int = 3, *, history: int = 1) -> tuple[Any, Any]:
    torch.manual_seed(1)
    return torch.randn(batch, history, 1, 16, 16), torch.randn(batch, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("history", [1, 2])
def test_gives_the_fields_and_every_weight_has_a_say(kind: Any, history: int) -> None:
    net = network(kind, history=history)
    out = net(*given(history=history))
    assert out.shape == (3, 1, 16, 16)
    out.square().sum().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_does_not_depend_on_who_else_is_asked(kind: Any) -> None:
    net, (history, params) = network(kind).eval(), given()
    alone = torch.cat([net(history[i : i + 1], params[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(net(history, params), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "period"),
    [(CapeModel, 2), (DilatedResNetModel, 1), (MgNOModel, 4), (SineNetModel, 2), (UNetModel, 4)],
)
def test_a_shifted_state_gives_the_shifted_answer(kind: Any, period: int) -> None:
    """By whole cells of the coarsest grid, round the periodic box."""
    net, (history, params) = network(kind).eval(), given()
    shift = {"shifts": (period, -3 * period), "dims": (-2, -1)}
    torch.testing.assert_close(
        net(history.roll(**shift), params), net(history, params).roll(**shift), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_u_net_in_any_dimension(axes: int) -> None:
    net = UNet(axes, 3, 2, width=4, multipliers=(1, 2), padding="replicate")
    assert net(torch.randn(2, 3, *[8] * axes)).shape == (2, 2, *[8] * axes)


def test_dilated_network_sees_as_far_as_its_dilations_reach() -> None:
    """One point each for encoder and decoder, and 1 + 2 + 4 for the block: nine to either side."""
    torch.manual_seed(0)
    shape = {"width": 4, "blocks": 1, "dilations": (1, 2, 4), "padding": "circular"}
    net = DilatedResNet(1, 1, 1, **shape).double()
    u = torch.randn(1, 1, 1, 64, dtype=torch.float64)
    touched = u.clone()
    touched[..., 30] += 1e3
    nothing = torch.zeros(1, 0, dtype=torch.float64)
    changed = (net(u, nothing) != net(touched, nothing)).flatten().nonzero().flatten()
    assert (int(changed.min()), int(changed.max())) == (21, 39)


def test_v_cycle_is_linear() -> None:
    torch.manual_seed(0)
    cycle = VCycle(2, 4, 3, "circular").double()
    a, b = torch.randn(2, 1, 4, 16, 16, dtype=torch.float64)
    nothing = cycle(torch.zeros_like(a))
    torch.testing.assert_close(cycle(2 * a - 3 * b) - nothing, 2 * (cycle(a) - nothing) - 3 * (cycle(b) - nothing))


def test_v_cycle_reaches_across_the_box() -> None:
    """Seven levels of three points would not, on one grid of 64: the coarse grids carry it."""
    torch.manual_seed(0)
    cycle = VCycle(1, 2, 5, "circular").double()
    f = torch.zeros(1, 2, 64, dtype=torch.float64)
    pulse = f.clone()
    pulse[..., 0] = 1
    assert (cycle(pulse) - cycle(f))[..., 32].abs().max() > 0


def test_deeponet_answers_in_the_span_of_its_functions() -> None:
    net, (history, params) = network(DeepONetModel), given(40)
    out = net(history, params).flatten(1).detach().double()
    values = torch.linalg.svdvals(out - out.mean(dim=0))
    assert int((values > 1e-5 * values[0]).sum()) == 5


def test_without_attention_cape_is_blind_to_the_parameters() -> None:
    net, (history, params) = network(CapeModel).eval(), given()
    assert (net(history, params) - net(history, -params)).abs().max() > 1e-3
    with torch.no_grad():
        for weight in net.cape.attention.parameters():
            weight.zero_()
    assert torch.equal(net(history, params), net(history, -params))


def test_refinement_by_who_knows_the_noise_ends_at_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    net, (history, params) = network(RefinerModel, steps=3, sigma_min=1e-2), given()
    truth = torch.randn(3, 1, 16, 16)
    sigmas = [0.0, *net.sigmas]
    assert net.sigmas == pytest.approx([1e-2 ** (1 / 3), 1e-2 ** (2 / 3), 1e-2])

    def oracle(given: Any, shown: Any, k: Any) -> Any:
        sigma = torch.tensor(sigmas)[torch.as_tensor(k)].reshape(-1, 1, 1, 1)
        return torch.where(sigma == 0, truth + 0.5, (shown - truth) / sigma.clamp_min(1e-9))  # first guess: half off

    monkeypatch.setattr(net, "_at", oracle)
    torch.testing.assert_close(net(history, params), truth, rtol=0, atol=1e-5)
    wrong = net.training_errors(history, params, truth)
    assert all(min(abs(float(e) - 0.25), abs(float(e))) < 1e-5 for e in wrong)  # the first guess, or no error at all


def test_refinement_is_repeatable_and_draws_none_of_the_common_numbers() -> None:
    net, (history, params) = network(RefinerModel).eval(), given()
    state = torch.get_rng_state()
    assert torch.equal(net(history, params), net(history, params))
    assert torch.equal(torch.get_rng_state(), state)


def test_each_frame_of_a_roll_out_is_refined_from_other_noise() -> None:
    """A network that says no noise leaves all of it: what is left must not add up coherently."""
    one = [np.ones(1)] * 3
    net = Stepper(network(RefinerModel), Normaliser(0 * one[0], *one[:2], *[np.zeros(2)] * 2, np.ones(2)), 2).eval()
    for weight in net.parameters():
        torch.nn.init.zeros_(weight)
    history, params = given()
    first, second, third = (f[:, 0] for f in net.roll_out(history, params, 3))
    a, b = (second - first).detach().flatten(), (third - second).detach().flatten()
    assert abs(float(a @ b / (a.norm() * b.norm()))) < 0.3  # 256 points, one noise for all samples: 4.8 std
    assert torch.equal(net.roll_out(history, params, 3)[2][:, 0], third)


@pytest.mark.parametrize("kind", [UNetModel, MgNOModel, DilatedResNetModel, SineNetModel])
def test_convolutions_see_the_walls_of_a_steady_problem(kind: Any) -> None:
    """With inputs that are the same everywhere, only the walls can make the answer vary."""
    torch.manual_seed(0)
    options = SMALL[kind] | ({"multipliers": (1, 2)} if kind is UNetModel else {})
    net = kind.network(toy_spec(steady=True), **options).double().eval()
    columns = len(starts_with(problem_of(toy_spec(steady=True))))
    out = net(torch.ones(1, 1, columns, 12, 16).double(), torch.zeros(1, 1).double())
    assert out.std() > 1e-3 * out.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_can_be_fitted_to_what_it_is_shown(kind: Any) -> None:
    """What a wave loses in moving on by two points, for waves of three phases."""
    net, (_, params) = network(kind), given()
    x = torch.arange(16) * torch.pi / 8
    wave = (x[:, None] + torch.tensor([0.0, 1.0, 2.0])[:, None, None]).sin() + x.cos()
    history = wave[:, None, None]
    target = history[:, 0].roll((2, 2), dims=(-2, -1)) - history[:, 0]
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    errors = []
    for _ in range(60):
        optimiser.zero_grad()
        own = getattr(net, "training_errors", lambda *given: (net(*given[:2]) - given[2]).square().mean()[None])
        error = own(history, params, target).mean()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert sum(errors[-10:]) < 0.5 * sum(errors[:10])


def test_refiner_is_trained_by_its_own_error_and_judged_by_its_answer(tmp_path: Any) -> None:
    store = tiny_store(tmp_path / "tiny.zarr")
    seen: list[Progress] = []
    options = {"width": 4, "multipliers": [1, 1]}
    recipe = Recipe(epochs=2, batch_size=8, threads=1)
    train("refiner", store, tmp_path / "net.safetensors", recipe, options=options, report=seen.append)
    assert 0.5 < seen[0].train_error < 2  # the mean square of noise, or of a change, in its own units
    with pytest.raises(ModelError, match="unroll must be 1"):
        train("refiner", store, tmp_path / "other.safetensors", Recipe(epochs=1, unroll=2), options=options)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (UNetModel, {"multipliers": (1,) * 5}, "multiples of 16, at least 32"),
        (SineNetModel, {"multipliers": (1,) * 5}, "multiples of 16"),
        (MgNOModel, {"levels": 5}, "MgNO of 5 levels"),
        (DilatedResNetModel, {"dilations": (1, 16)}, "reach across the whole grid"),
        (RefinerModel, {"sigma_min": 1.0}, "0 < sigma_min < 1"),
        (RefinerModel, {"steps": 0}, "at least 1 step"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(kind: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        kind.network(tiny_spec(), **options)
