"""The Fourier neural operator: its spectral layer against operators known by hand, and its weights files."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import tiny_spec

from pdebench.data import Normaliser
from pdebench.errors import ModelError
from pdebench.spec import DatasetSpec

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

from pdebench.baselines.fno import FNO, FNOModel, SpectralConv  # noqa: E402
from pdebench.baselines.torch_model import Passport, count_parameters, dump, load  # noqa: E402

OPTIONS = {"width": 6, "modes": 3, "layers": 2, "kernel": 1}
ONE_FIELD = Normaliser(
    *(np.array([x]) for x in (0.1, 2.0, 0.5)), *(np.array([x, y]) for x, y in ((0, 1), (0, -5), (1, 1)))
)


def passport(**changes: Any) -> Passport:
    spec = tiny_spec()
    known = Passport(
        model="FNOModel",
        options=OPTIONS,
        fields=["vorticity"],
        parameters=["drag", "viscosity"],
        lengths=list(spec.grid.lengths),
        step=0.25,
        history=1,
        dataset="tiny",
        dataset_digest=spec.digest,
        seed=3,
        training_seconds=12.5,
    )
    return replace(known, **changes)


def weights(path: Path, spec: DatasetSpec | None = None, **changes: Any) -> Path:
    """A file as training writes it, of a network as it begins."""
    torch.manual_seed(0)
    described = passport(**changes)
    dump(path, described, FNOModel.stepper(spec or tiny_spec(), described, ONE_FIELD).state_dict())
    return path


@pytest.fixture
def model(tmp_path: Path) -> FNOModel:
    return FNOModel(tiny_spec(), weights(tmp_path / "fno.safetensors"))


def histories(batch: int = 3, n: int = 16) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 1, 1, n, n)).astype(np.float32)


PARAMS = np.array([[0.0, 0.01], [0.0, 0.02], [0.0, 0.03]])  # drag, viscosity


# -- the spectral layer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "modes"), [((20,), (5,)), ((16, 12), (5, 4)), ((16, 16), (8, 8)), ((10, 12, 14), (3, 4, 2))]
)
def test_spectral_layer_is_the_fft_definition(space: tuple[int, ...], modes: tuple[int, ...]) -> None:
    """F⁻¹ R F by `rfftn`, one mode after another."""
    torch.manual_seed(0)
    layer, u = SpectralConv(3, modes), torch.randn(2, 3, *space)
    axes = tuple(range(2, 2 + len(space)))
    u_hat = torch.fft.rfftn(u, dim=axes, norm="forward")
    out_hat = torch.zeros_like(u_hat)
    weight = torch.view_as_complex(layer.weight.detach())
    for k in product(*(range(-m, m) for m in modes[:-1]), range(modes[-1])):
        out_hat[(..., *k)] = u_hat[(..., *k)] @ weight[k[::-1]]
    expected = torch.fft.irfftn(out_hat, s=space, dim=axes, norm="forward")
    torch.testing.assert_close(layer(u).detach(), expected, rtol=1e-5, atol=2e-6)


def multiplier_layer(multiplier: Any, modes: tuple[int, int]) -> SpectralConv:
    """A one-channel layer that multiplies mode (ky, kx) by `multiplier(ky, kx)`."""
    layer = SpectralConv(1, modes)
    with torch.no_grad():
        for ky, kx in product(range(-modes[0], modes[0]), range(modes[1])):
            value = complex(multiplier(ky, kx))
            layer.weight[kx, ky, 0, 0] = torch.tensor([value.real, value.imag])
    return layer


def band_limited(n: int, m: int) -> Any:
    """A field of wavenumbers below m, as a function that can be shifted, on n × n points."""
    rng = np.random.default_rng(1)
    waves = [(ky, kx, *rng.standard_normal(2)) for ky in range(1 - m, m) for kx in range(m)]

    def sample(shift_y: float = 0.0, shift_x: float = 0.0) -> Any:
        y, x = np.meshgrid(
            2 * np.pi * np.arange(n) / n - shift_y, 2 * np.pi * np.arange(n) / n - shift_x, indexing="ij"
        )
        field = sum(a * np.cos(ky * y + kx * x) + b * np.sin(ky * y + kx * x) for ky, kx, a, b in waves)
        return torch.tensor(field, dtype=torch.float32)[None, None]

    return sample


def test_a_phase_shifts_a_band_limited_field_by_a_fraction_of_a_cell() -> None:
    dy, dx = 0.123, -0.456
    layer = multiplier_layer(lambda ky, kx: np.exp(-1j * (ky * dy + kx * dx)), (6, 6))
    field = band_limited(32, 6)
    torch.testing.assert_close(layer(field()).detach(), field(dy, dx), rtol=0, atol=2e-4)


def test_ik_differentiates_along_each_axis() -> None:
    y, x = (torch.tensor(c, dtype=torch.float32) for c in tiny_spec().grid.coordinates())
    u = torch.sin(2 * y + x)[None, None]
    for axis, expected in enumerate([2 * torch.cos(2 * y + x), torch.cos(2 * y + x)]):
        layer = multiplier_layer(lambda ky, kx, axis=axis: 1j * (ky, kx)[axis], (4, 4))
        torch.testing.assert_close(layer(u)[0, 0].detach(), expected, rtol=0, atol=1e-5)


def test_modes_beyond_the_kept_ones_vanish() -> None:
    x = torch.arange(32) * 2 * torch.pi / 32
    layer = multiplier_layer(lambda ky, kx: 1, (4, 4))
    assert layer(torch.cos(5 * x).expand(1, 1, 32, 32)).abs().max() < 1e-6
    assert layer(torch.cos(3 * x).expand(1, 1, 32, 32)).abs().max() > 0.9


def test_the_network_is_the_same_operator_on_every_grid() -> None:
    torch.manual_seed(0)
    layer = SpectralConv(1, (5, 5))
    coarse, fine = layer(band_limited(16, 5)()), layer(band_limited(48, 5)())
    torch.testing.assert_close(fine[..., ::3, ::3], coarse, rtol=0, atol=1e-4)
    whole = FNO(3, 1, modes=(5, 5), width=8, layers=1, coordinates=True)
    sparse, dense = (whole(band_limited(n, 5)()[:, None], torch.ones(1, 2)) for n in (16, 48))
    torch.testing.assert_close(dense[..., ::3, ::3], sparse, rtol=0, atol=1e-4)


def test_without_coordinates_a_shifted_state_gives_the_shifted_answer() -> None:
    torch.manual_seed(0)
    u, params = torch.randn(1, 1, 1, 16, 16), torch.ones(1, 2)
    for coordinates, kernel, same in ((False, 1, True), (False, 3, True), (True, 1, False)):
        network = FNO(3, 1, modes=(4, 4), width=8, layers=2, kernel=kernel, coordinates=coordinates)
        gap = network(u.roll((3, 5), (-2, -1)), params) - network(u, params).roll((3, 5), (-2, -1))
        assert (gap.abs().max() < 1e-5) == same


@pytest.mark.parametrize(
    ("width", "modes", "layers", "kernel", "coordinates"),
    [(6, 3, 2, 1, True), (8, 5, 4, 1, False), (8, 5, 4, 3, False)],
)
def test_parameter_count_is_the_sum_over_layers(
    width: int, modes: int, layers: int, kernel: int, coordinates: bool
) -> None:
    options = {"width": width, "modes": modes, "layers": layers, "kernel": kernel, "coordinates": coordinates}
    network = FNOModel.network(tiny_spec(), **options)
    inputs = 1 + 2 + (4 if coordinates else 0)  # vorticity; viscosity, drag; sin and cos of y and x
    lift, project = (inputs + 1) * width, (width + 1) * width + width + 1
    per_layer = 2 * modes * modes * width**2 * 2 + (width * kernel**2 + 1) * width
    assert count_parameters(network) == lift + layers * per_layer + project


def test_network_runs_in_one_and_three_dimensions() -> None:
    for space in ((24,), (8, 10, 12)):
        for kernel in (1, 3):
            network = FNO(3, 1, modes=(3,) * len(space), width=4, layers=2, kernel=kernel)
            assert network(torch.randn(2, 1, 1, *space), torch.ones(2, 2)).shape == (2, 1, *space)


@pytest.mark.parametrize("modes", [9, 0, [4, 4, 4]])
def test_modes_that_the_grid_cannot_hold_are_refused(modes: Any) -> None:
    with pytest.raises(ModelError, match="do not fit the grid"):
        FNOModel.network(tiny_spec(), modes=modes)
    with pytest.raises(ModelError, match="kernel 2 has no middle"):
        FNOModel.network(tiny_spec(), modes=3, kernel=2)


# -- the model ------------------------------------------------------------------------------------------------------


def test_weights_alone_rebuild_the_model(tmp_path: Path, model: FNOModel) -> None:
    path = tmp_path / "fno.safetensors"
    dump(tmp_path / "again.safetensors", *load(path))
    again = FNOModel(tiny_spec(), tmp_path / "again.safetensors")
    times = np.array([0.25, 0.5])
    np.testing.assert_array_equal(model.predict(histories(), PARAMS, times), again.predict(histories(), PARAMS, times))
    assert again.training_seconds == 12.5
    assert again.parameter_count == model.parameter_count == count_parameters(FNOModel.network(tiny_spec(), **OPTIONS))


def test_prediction_is_the_last_frame_plus_the_rescaled_output(model: FNOModel) -> None:
    history = histories()
    normalised = torch.tensor((history - 0.1) / 2.0)
    params = torch.tensor(np.stack([PARAMS[:, 0], np.log(PARAMS[:, 1]) + 5], 1), dtype=torch.float32)
    with torch.no_grad():
        change = model._stepper.network(normalised, params).numpy()
    one = model.predict(history, PARAMS, np.array([0.25]))[:, 0]
    np.testing.assert_allclose(one, history[:, 0] + 0.5 * change, atol=1e-5)


def test_roll_out_repeats_the_step_and_skips_times_not_asked_for(model: FNOModel) -> None:
    history = histories()
    all_of_them = model.predict(history, PARAMS, 0.25 * np.arange(1, 5))
    some = model.predict(history, PARAMS, np.array([0.5, 1.0]))
    np.testing.assert_array_equal(some, all_of_them[:, [1, 3]])
    by_hand = history
    for _ in range(4):
        by_hand = model.predict(by_hand, PARAMS, np.array([0.25]))
    np.testing.assert_allclose(all_of_them[:, 3], by_hand[:, 0], rtol=1e-5, atol=1e-5)


def test_a_longer_history_moves_along(tmp_path: Path) -> None:
    model = FNOModel(tiny_spec(), weights(tmp_path / "two.safetensors", history=2))
    four = np.random.default_rng(0).standard_normal((3, 4, 1, 16, 16)).astype(np.float32)
    first = model.predict(four, PARAMS, np.array([0.25]))
    np.testing.assert_array_equal(model.predict(four[:, -2:], PARAMS, np.array([0.25])), first)
    second = model.predict(np.concatenate([four[:, -1:], first], axis=1), PARAMS, np.array([0.25]))
    both = model.predict(four, PARAMS, np.array([0.25, 0.5]))
    np.testing.assert_allclose(both[:, 1], second[:, 0], rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match="wants 2 frames of history, got 1"):
        model.predict(four[:, :1], PARAMS, np.array([0.25]))


@pytest.mark.parametrize("times", [[0.3], [0.25, 0.4], [0.0, 0.25], [], [-0.25]])
def test_times_off_the_training_step_are_refused(model: FNOModel, times: list[float]) -> None:
    with pytest.raises(ModelError, match=r"steps by 0\.25"):
        model.predict(histories(), PARAMS, np.array(times))


def test_a_finer_grid_of_the_same_box_is_fine(tmp_path: Path) -> None:
    path = weights(tmp_path / "fno.safetensors")
    fine = tiny_spec(grid__shape=[32, 32], store__shape=[32, 32])
    assert FNOModel(fine, path).predict(histories(n=32), PARAMS, np.array([0.25])).shape == (3, 1, 1, 32, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": ["density", "pressure"]}, r"trained on fields \['density', 'pressure'\]"),
        ({"parameters": ["viscosity"]}, "trained on parameters"),
        ({"lengths": [1.0, 1.0, 1.0]}, "a grid of axes 3, but dataset tiny has 2"),
        ({"lengths": [1.0, 1.0]}, "a box of lengths"),
        ({"model": "UNetModel"}, "weights of UNetModel, not of FNOModel"),
        ({"options": OPTIONS | {"width": 8}}, "does not fit the network it describes"),
        ({"options": {"depth": 8}}, "cannot be built with options"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = weights(tmp_path / "fno.safetensors")
    _, tensors = load(path)
    dump(path, passport(**changes), tensors)
    with pytest.raises(ModelError, match=message):
        FNOModel(tiny_spec(), path)


def test_options_may_repeat_the_files_but_not_contradict_it(tmp_path: Path) -> None:
    path = weights(tmp_path / "fno.safetensors")
    FNOModel(tiny_spec(), path, width=6)
    with pytest.raises(ModelError, match="trained with width: 6, not 7"):
        FNOModel(tiny_spec(), path, width=7)


def test_a_model_needs_weights() -> None:
    with pytest.raises(ModelError, match="trained first"):
        FNOModel(tiny_spec())
    with pytest.raises(ModelError, match="no weights at"):
        FNOModel(tiny_spec(), "nowhere.safetensors")


class Bomb:
    def __reduce__(self) -> Any:
        return (Path("exploded").touch, ())


def test_a_pickle_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pickle.safetensors").write_bytes(pickle.dumps(Bomb()))
    torch.save({"weight": Bomb()}, "torch.safetensors")
    for name in ("pickle.safetensors", "torch.safetensors"):
        with pytest.raises(ModelError, match="not a whole safetensors file"):
            FNOModel(tiny_spec(), name)
    assert not Path("exploded").exists()


def test_a_truncated_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = weights(tmp_path / "fno.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        FNOModel(tiny_spec(), tmp_path / "cut.safetensors")
    safetensors_torch.save_file({"weight": torch.ones(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="not written by pdebench"):
        FNOModel(tiny_spec(), tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "header is not"),
        ('{"model": "FNOModel"}', "header is incomplete"),
        ('{"colour": 1}', "unknown key 'colour'"),
    ],
)
def test_a_header_written_by_hand_is_refused(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "hand.safetensors"
    safetensors_torch.save_file({"weight": torch.ones(3)}, path, metadata={"pdebench": header})
    with pytest.raises(ModelError, match=message):
        load(path)


def test_the_header_is_plain_json_that_any_reader_can_show(tmp_path: Path) -> None:
    raw = weights(tmp_path / "fno.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    told = json.loads(header["__metadata__"]["pdebench"])
    assert told["dataset"] == "tiny" and told["options"] == OPTIONS and told["seed"] == 3
    assert {"mean", "std", "change"} <= header.keys()
