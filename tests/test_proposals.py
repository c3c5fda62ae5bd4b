"""Where the next members come from: towards the losses, without bias, and the same again from the same losses."""

from __future__ import annotations

import numpy as np
import pytest
from specs import tiny_spec

import pdebench
from pdebench import sample, solve
from pdebench.errors import CardError
from pdebench.problem import Frame
from pdebench.spec import Distribution
from pdebench.stream import Importance, Told, Uniform
from pdebench.stream.proposals import Draws, mixture, quantile


def peaked(points):
    """A loss that is large in a corner: `(n, 2)` -> `(n,)`."""
    return np.exp(-0.5 * ((points - 0.8) ** 2).sum(axis=1) / 0.08**2)


def campaign(proposal, seed, rounds=12, each=40):
    """Points and weights of an adaptive campaign that is told the exact loss after each round."""
    told = Told(np.empty((0, 2)), np.empty(0), np.empty(0))
    for number in range(rounds):
        points, density = proposal.draw(np.random.default_rng([seed, number]), each, told)
        told = Told(
            np.concatenate([told.points, points]),
            np.concatenate([told.weights, 1 / density]),
            np.concatenate([told.losses, peaked(points)]),
        )
    return told


def test_importance_goes_where_the_loss_is():
    late = campaign(Importance(), 1).points[-200:]
    near = (np.abs(late - 0.8) < 0.2).all(axis=1).mean()
    assert near > 0.5  # 0.7 of the draws follow the loss, nearly all of them within 2.5 of its widths; uniform: 0.16


def test_weighted_means_are_without_bias_and_better_where_the_loss_is():
    """Each draw's weight is 1/q of the law that it came from, so the estimate's mean is exact; 40 campaigns show it."""
    exact = 2 * np.pi * 0.08**2 * 0.9938**2  # of the Gaussian's mass, Φ(2.5) = 0.9938 lies below 1 on each axis
    for proposal, spread in ((Importance(), 0.6), (Uniform(), np.inf)):
        runs = [campaign(proposal, seed) for seed in range(40)]
        means = np.array([(run.weights * run.losses).mean() for run in runs])
        error = means.std(ddof=1) / np.sqrt(len(runs))
        assert abs(means.mean() - exact) < 3.5 * error
        ones = np.array([run.weights.mean() for run in runs])
        assert abs(ones.mean() - 1) < 3.5 * max(ones.std(ddof=1) / np.sqrt(len(runs)), 1e-12)
        assert means.std() < spread * np.array([campaign(Uniform(), s).losses.mean() for s in range(40)]).std()


def test_a_proposal_s_density_is_a_density():
    told = campaign(Importance(), 3)
    points, density = Importance().draw(np.random.default_rng(0), 4000, told)
    assert ((points >= 0) & (points < 1)).all()
    assert density.min() >= 0.3  # the defensive share
    inverse = 1 / density  # its mean is the volume of the cube
    assert abs(inverse.mean() - 1) < 4 * inverse.std() / np.sqrt(len(points))


def test_kernels_at_the_border_are_whole():
    """The midpoint rule on 400 cells a side, each a twentieth of a width, is exact to 1e-3."""
    centres, share, width = np.array([[0.01, 0.5], [0.97, 0.99]]), np.array([0.3, 0.7]), np.array([0.05, 0.1])
    axis = (np.arange(400) + 0.5) / 400
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert mixture(points, centres, share, width).mean() == pytest.approx(1, abs=1e-3)


def test_quantiles_follow_the_laws_of_the_card():
    assert quantile(Distribution(uniform=(2.0, 4.0)), 0.25) == 2.5
    assert quantile(Distribution(log_uniform=(0.01, 1.0)), 0.5) == pytest.approx(0.1)
    assert [quantile(Distribution(choice=(1.0, 5.0)), p) for p in (0.0, 0.49, 0.5, 0.99)] == [1, 1, 5, 5]


def active_spec():
    return tiny_spec(
        parameters__viscosity={"log_uniform": [0.005, 0.05]},
        samples__count=24,
        samples__unit=2,
        splits={"train": [0, 24]},
    )


def lived(spec, order, upto):
    """Draws whose units are handed out in `order`, each told before the next."""
    draws = Draws(spec, Importance())
    for number in order[:upto]:
        members = np.arange(2 * number, 2 * number + 2)
        draws.unit(number, members)
        draws.learn(members, np.array([draws.parameters(int(m))["viscosity"] for m in members]))
    return draws


def test_draws_are_the_same_again_from_the_same_losses():
    spec = active_spec()
    whole, half = lived(spec, range(12), 12), lived(spec, range(12), 6)
    again = Draws(spec, Importance())
    again.restore(half.state())  # a restarted trainer
    for number in range(6, 12):
        members = np.arange(2 * number, 2 * number + 2)
        again.unit(number, members)
        again.learn(members, np.array([again.parameters(int(m))["viscosity"] for m in members]))
    for member in range(24):
        assert again.parameters(member) == whole.parameters(member)
    np.testing.assert_array_equal(again.weights, whole.weights)
    assert len(set(whole.weights.tolist())) > 10  # it did adapt
    before = dict(whole.parameters(0))
    whole.unit(0, np.arange(2))  # handed out again after a solver's death
    assert whole.parameters(0) == before


def test_a_stream_solves_for_the_parameters_that_a_proposal_drew():
    spec, seen, lasts = active_spec(), {}, {}
    with pdebench.stream(spec, workers=1, batch_size=4, buffer="fifo", capacity=40, proposal="importance") as stream:
        for batch in stream:
            stream.learn(batch, batch.params[:, 1])
            for member, start, params, first in zip(
                batch.member, batch.start, batch.params, batch.history, strict=True
            ):
                seen.setdefault(int(member), (params, first))
                if start == 3:
                    lasts[int(member)] = first[0]
        weights = stream.weights(np.arange(24))
        state = stream.state()
    assert set(seen) == set(range(24))
    assert (weights != 1).any()
    assert sum(part.nbytes for part in state.values()) < 1_000_000
    member = int(np.flatnonzero(weights != 1)[0])
    viscosity = seen[member][0][1]
    assert 0.005 <= viscosity <= 0.05
    assert viscosity != sample.parameters(spec, member)["viscosity"]
    drawn = {member: {"drag": 0.0, "viscosity": float(viscosity)}}
    events = solve.trajectories(spec, np.array([member]), drawn=drawn)
    frames = [event.values[0] for event in events if isinstance(event, Frame)]
    np.testing.assert_allclose(lasts[member], frames[3], rtol=1e-5, atol=1e-5)


def test_a_store_cannot_keep_what_a_proposal_draws(tmp_path):
    with pytest.raises(CardError, match="proposal"):
        pdebench.stream(active_spec(), workers=0, proposal="uniform", keep=tmp_path / "kept")


def test_losses_must_be_losses():
    with (
        pdebench.stream(active_spec(), workers=0, proposal="uniform") as stream,
        pytest.raises(ValueError, match="finite"),
    ):
        stream._receiver.learn(np.array([0, 1]), np.array([1.0, np.nan]))
