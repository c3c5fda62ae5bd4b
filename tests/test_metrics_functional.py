"""Metrics as losses: the same values as the registered ones, on NumPy and torch, with gradients that are right."""

from __future__ import annotations

import numpy as np
import pytest
from needs import needed
from test_metrics import box

from pdebench.metrics import Context, Pair, functional, metrics
from pdebench.metrics.functional import spectral_error

VALUES = ("rmse", "nrmse", "vrmse", "max_error", "relative_l1", "conserved_error", "correlation", "cosine")
SHAPES = [(12,), (8, 8), (6, 6, 6)]


def data(shape, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((2, 3, 1, *shape)) + 0.3
    return true + 0.5 * rng.standard_normal(true.shape), true


def known(shape, volumes=None):
    return Context(box(shape), np.arange(1.0, 4.0), np.ones((2, 1, *shape)), volumes=volumes)


def cases(shape):
    """Every loss as a function of prediction and truth alone, and the registered metric it must equal."""
    space = len(shape)
    volumes = 0.5 + (np.arange(np.prod(shape)) % 3).reshape(shape)
    volumes[(0,) * space] = 0
    plain = (*VALUES, "energy_spectrum_error", "boundary_rmse")
    found = {name: (lambda p, u, name=name: getattr(functional, name)(p, u, space), name, None) for name in plain}
    for name in VALUES:
        found[f"{name} on cells"] = (
            lambda p, u, name=name: getattr(functional, name)(p, u, space, like(volumes, p)),
            name,
            volumes,
        )
    bands = {"low": (0, 4), "mid": (4, 12)}
    found |= {
        f"spectral_error_{name}": (
            lambda p, u, low=low, high=high: spectral_error(p, u, space, low=low, high=high),
            f"spectral_error_{name}",
            None,
        )
        for name, (low, high) in bands.items()
    }
    return found


def like(values, other):
    if isinstance(other, np.ndarray):
        return values
    return needed("torch").from_numpy(values)


@pytest.mark.parametrize("case", list(cases((4,))))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_loss_equals_the_metric(shape, case):
    loss, name, volumes = cases(shape)[case]
    pred, true = data(shape)
    expected = metrics[name](pred, true, known(shape, volumes))
    np.testing.assert_allclose(loss(pred, true), expected, rtol=1e-12)


@pytest.mark.parametrize("case", list(cases((4,))))
def test_torch_gives_the_same_and_the_gradient_of_finite_differences(case):
    torch = needed("torch")
    shape = (8, 8) if "mid" in case else (5, 5)
    loss, _, _ = cases(shape)[case]
    pred, true = (values[:1, :1] for values in data(shape))
    tensors = [torch.tensor(values, requires_grad=index == 0) for index, values in enumerate((pred, true))]
    found = loss(*tensors)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.detach().numpy(), loss(pred, true), rtol=1e-12)
    assert torch.autograd.gradcheck(lambda p: loss(p, tensors[1]), tensors[:1])
    assert np.array_equal(tensors[1].numpy(), true)


@pytest.mark.parametrize("name", ["crps", "energy_score"])
def test_scores_of_ensembles_equal_the_metrics_and_have_gradients(name):
    torch = needed("torch")
    rng = np.random.default_rng(3)
    members, true = rng.standard_normal((4, 2, 3, 1, 5)), rng.standard_normal((2, 3, 1, 5))
    volumes = np.array([1.0, 2.0, 0.0, 1.0, 3.0])
    for weights in (None, volumes):
        context = Context(box((5,)), np.arange(1.0, 4.0), true[:, 0], volumes=weights)
        expected = metrics[name].of(Pair(members.mean(axis=0), true, context, members))
        function = getattr(functional, name)
        np.testing.assert_allclose(function(members, true, 1, weights), expected, rtol=1e-12)
    given = torch.tensor(members[:, :1, :1], requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: function(x, torch.tensor(true[:1, :1]), 1), [given])


def test_a_perfect_prediction_has_a_gradient_that_is_finite():
    torch = needed("torch")
    true = torch.tensor(data((6, 6))[1])
    pred = true.clone().requires_grad_()
    for name in ("rmse", "nrmse", "vrmse", "boundary_rmse"):
        (gradient,) = torch.autograd.grad(getattr(functional, name)(pred, true, 2).sum(), pred)
        assert torch.isfinite(gradient).all(), name


def test_float32_stays_float32():
    torch = needed("torch")
    pred, true = (torch.tensor(values, dtype=torch.float32) for values in data((8, 8)))
    for name in (*VALUES, "boundary_rmse", "energy_spectrum_error"):
        assert getattr(functional, name)(pred, true, 2).dtype == torch.float32, name
