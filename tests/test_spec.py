"""Cards: what they mean, what they refuse, and the digest that names their content."""

from __future__ import annotations

import numpy as np
import pytest
from specs import tiny_card, tiny_spec

from pdebench import sample, solve
from pdebench.errors import CardError
from pdebench.problem import starts_with
from pdebench.spec import DatasetSpec, Distribution, Grid, find_card, load_spec, parse

CARDS = sorted(
    path.parent.name for path in find_card("ns2d_decaying", "datasets", "card.yaml").parents[1].glob("*/card.yaml")
)


@pytest.mark.parametrize("name", CARDS)
def test_every_card_that_ships_can_be_followed(name):
    spec = load_spec(name)
    assert spec.name == name
    problem, _ = solve.prepare(spec)
    points = 16
    if hasattr(problem, "band"):
        modes, powers = max(problem.band(), problem.initial_state.modes), getattr(problem, "degree", 2)
        points = (powers + 1) * modes + 1
    small = spec.grid.with_shape((points,) * len(spec.grid.shape))
    state = sample.initial(spec, problem, 0, small)
    assert state.shape == (len(starts_with(problem)), *small.shape)
    assert np.isfinite(state).all()


@pytest.mark.parametrize("name", CARDS)
def test_a_card_that_ships_leaves_no_option_to_defaults(name):
    """A default that changes must not change the bytes under an old digest."""
    spec = load_spec(name)
    problem, solver = solve.prepare(spec)
    assert set(spec.problem.options) == set(type(problem).model_fields)
    assert set(spec.solver.options) == set(type(solver).model_fields)


def test_published_numbers():
    chaos = load_spec("ks1d")
    assert (chaos.grid.shape, chaos.grid.lengths) == ((256,), (64.0,))
    assert chaos.times.step == 4 * 0.2
    assert chaos.times.frames * 4 == 640
    assert [chaos.parameters[name].bounds for name in ("length_scale", "time_scale")] == [(0.9, 1.1)] * 2
    kolmogorov = load_spec("ns2d_kolmogorov")
    assert kolmogorov.times.step == 16 * 0.007012483601762931
    assert kolmogorov.times.start == 40
    assert kolmogorov.times.values()[-1] - 40 == pytest.approx(80, abs=0.01)
    horizons = {n: load_spec(f"ns2d_fno_{n}").times.values()[-1] for n in ("v1e3", "v1e4", "v1e5")}
    assert horizons == {"v1e3": 50, "v1e4": 30, "v1e5": 20}
    assert load_spec("ns2d_fno_v1e4").problem.options["initial_state"]["scale"] == pytest.approx(7**1.5, rel=1e-15)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid__shap": [8, 8]}, "unknown key 'grid.shap'; did you mean 'shape'"),
        ({"gird": {}}, "did you mean 'grid'"),
        ({"grid__shape": [16]}, "must both have 1, 2 or 3 entries"),
        ({"grid__lengths": [1.0, -1.0]}, "greater than 0"),
        ({"parameters__viscosity": {"value": 1, "uniform": [0, 1]}}, "exactly one of"),
        ({"parameters__viscosity": {"uniform": [2, 1]}}, "lower bound 2"),
        ({"splits__test": [2, 6]}, "overlaps no other split"),
        ({"splits__test": [4, 7]}, "inside 0 … 6"),
        ({"store__shape": [16]}, "other axes than"),
        ({"times__step": float("nan")}, "finite"),
        ({"name": "Not a slug"}, "name"),
        ({"title": None}, "title"),
    ],
)
def test_a_wrong_card_is_refused_with_its_key(changes, words):
    with pytest.raises(CardError) as error:
        parse(DatasetSpec, tiny_card(**changes), where="card.yaml")
    assert words in str(error.value)
    assert str(error.value).startswith("card.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters__viscosity__units": "m"}, "units is 'm', but this card wants '1'"),
        ({"units": "SI", "parameters__viscosity__units": "mm2 s-1"}, "wants 'm2 s-1'"),
        ({"parameters__viscosity__value": -1e-3}, "below its minimum 0"),
        ({"parameters__viscosty": {"value": 1}}, "did you mean 'viscosity'"),
        ({"solver__cfl": 2.0}, "unstable"),
        ({"solver__clf": 0.2}, "did you mean 'cfl'"),
        ({"solver__name": "spectrall"}, "did you mean 'spectral'"),
        ({"problem__initial_state__mode": 3}, "did you mean 'modes'"),
    ],
)
def test_options_are_refused_by_the_part_that_owns_them(changes, words):
    with pytest.raises(Exception, match=words.replace("(", r"\(")):
        solve.prepare(tiny_spec(**changes))


def test_a_missing_parameter_is_named():
    card = tiny_card()
    del card["parameters"]["drag"]
    with pytest.raises(CardError, match=r"parameters.drag is missing"):
        solve.prepare(parse(DatasetSpec, card, where="card"))


def test_prose_does_not_change_the_digest_and_content_does():
    digest = tiny_spec().digest
    assert tiny_spec(title="Another title", description="Other words").digest == digest
    assert tiny_spec(splits__test=[4, 5]).digest == digest
    changes = ({"samples__seed": 2}, {"solver__cfl": 0.25}, {"times__step": 0.5}, {"samples__unit": 3})
    assert len({digest, *(tiny_spec(**change).digest for change in changes)}) == 5


def test_the_order_of_keys_in_a_card_means_nothing():
    card = tiny_card()
    turned = card | {"parameters": dict(reversed(card["parameters"].items()))}
    one, other = (parse(DatasetSpec, c, where="card") for c in (card, turned))
    assert one.digest == other.digest
    assert list(one.parameters) == list(other.parameters) == ["drag", "viscosity"]


def test_a_card_survives_its_own_json():
    spec = tiny_spec()
    assert parse(DatasetSpec, spec.model_dump(mode="json"), where="json") == spec


def test_changes_reach_nested_keys(tmp_path):
    spec = load_spec("ns2d_decaying_demo", {"grid.shape": [128, 128], "samples.seed": 9})
    assert spec.grid.shape == (128, 128)
    assert spec.samples.seed == 9
    with pytest.raises(CardError, match="name is a value"):
        load_spec("ns2d_decaying_demo", {"name.first": 1})
    with pytest.raises(CardError, match="no card at"):
        load_spec(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(CardError, match="cannot be read"):
        load_spec(tmp_path / "bad.yaml")


def test_nodes_include_the_left_end_and_exclude_the_right():
    nodes = Grid(shape=(4,), lengths=(2.0,))
    assert nodes.axes()[0].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert Grid(shape=(4,), lengths=(2.0,), points="centres").axes()[0].tolist() == [0.25, 0.75, 1.25, 1.75]


def test_laws_draw_inside_their_bounds_with_the_right_mean():
    rng = np.random.default_rng(0)
    for law, mean in [
        (Distribution(uniform=(1, 3)), 2.0),
        (Distribution(log_uniform=(1e-2, 1e2)), (1e2 - 1e-2) / np.log(1e4)),
        (Distribution(choice=(1.0, 5.0)), 3.0),
        (Distribution(value=7.0), 7.0),
    ]:
        drawn = np.array([law.draw(rng) for _ in range(20_000)])
        assert law.bounds[0] <= drawn.min() <= drawn.max() <= law.bounds[1]
        assert drawn.mean() == pytest.approx(mean, rel=0.03)


def test_members_are_independent_of_each_other_and_of_other_parameters():
    spec = tiny_spec(parameters__viscosity={"uniform": [0.0, 1.0]})
    more = tiny_spec(
        parameters__viscosity={"uniform": [0.0, 1.0]}, parameters__drag={"uniform": [0.0, 1.0]}, samples__count=60
    )
    first = [sample.parameters(spec, m)["viscosity"] for m in range(6)]
    assert len(set(first)) == 6
    assert [sample.parameters(more, m)["viscosity"] for m in range(6)] == first
    assert sample.seed(tiny_spec(samples__seed=2), 0) != sample.seed(spec, 0)
