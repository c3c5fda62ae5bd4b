"""The conservative level set by itself: bounds, conservation, order, the profile, and shapes after a vortex."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from needs import needs_dolfinx
from volumes import order as observed

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.solvers.finite_element.level_set import LevelSet
from pdebench.solvers.finite_element.meshing import box, graded
from pdebench.solvers.finite_element.space import Space

needs_dolfinx()


def square(cells: int, grading: float = 0.0) -> Space:
    places = graded(cells, 1.0, grading)
    return Space(box(places, places))


def swirl(space: Space, time: float = 0.0, period: float = np.inf) -> Array:
    """A single vortex that turns round half-way (Rider & Kothe 1998, J. Comput. Phys. 141, 112; LeVeque 1996)."""
    x, y = np.pi * space.points.T
    u = np.stack([-(np.sin(x) ** 2) * np.sin(2 * y), np.sin(y) ** 2 * np.sin(2 * x)])
    return np.asarray(u * np.cos(np.pi * time / period))


def disc(space: Space, width: float) -> Array:
    x, y = space.points1.T
    return np.asarray(1 / (1 + np.exp((np.hypot(x - 0.5, y - 0.75) - 0.15) / width)))


def carried(level_set: LevelSet, space: Space, phi: Array, period: float, steps: int) -> Array:
    nothing, dt = np.zeros(space.size1), period / steps
    carriers = [level_set.carrier(swirl(space, k * dt, period)) for k in range(steps + 1)]
    for before, after in pairwise(carriers):
        phi, _ = level_set.advance(phi, before, after, dt, entering=(nothing, nothing))
    return phi


def test_noise_in_any_flow_stays_between_0_and_1_and_keeps_its_volume() -> None:
    space, rng = square(12, 1.0), np.random.default_rng(2)
    level_set, phi = LevelSet(space), rng.uniform(size=space.size1)
    wild = rng.standard_normal((2, space.size))
    wild[:, space.boundary] = 0
    carrier, nothing = level_set.carrier(wild), np.zeros(space.size1)
    solenoidal = replace(carrier, out=0 * carrier.out)  # as if the sums of rows, which noise does not have, were right
    for _ in range(10):
        phi, came = level_set.advance(phi, solenoidal, solenoidal, 0.05, entering=(nothing, nothing))
        assert came == 0
    assert phi.min() >= -1e-14 and phi.max() <= 1 + 1e-14
    space = square(12)  # where the vortex is free of divergence to the last bit
    level_set, phi = LevelSet(space), disc(space, 0.03)
    begun = level_set.volume(phi)
    after = carried(level_set, space, phi, 1.0, 12)
    assert level_set.volume(after) == pytest.approx(begun, rel=1e-13)
    assert after.min() >= -1e-14 and after.max() <= 1 + 1e-14


def test_what_comes_in_through_the_boundary_is_counted() -> None:
    space = square(8)
    level_set, x = LevelSet(space, sharpening=0), space.points1[:, 0]
    carrier = level_set.carrier(np.stack([np.ones(space.size), np.zeros(space.size)]))
    water, phi = np.ones(space.size1), np.zeros(space.size1)
    total = 0.0
    for _ in range(4):
        phi, came = level_set.advance(phi, carrier, carrier, 0.1, entering=(water, water))
        total += came
    assert level_set.volume(phi) == pytest.approx(total, rel=1e-12)
    assert total == pytest.approx(0.4, rel=1e-4)  # next to nothing has left yet
    np.testing.assert_allclose(phi[x < 0.1], 1, atol=0.01)


def test_transport_of_what_is_smooth_is_of_second_order_at_least() -> None:
    """Linear elements with their consistent mass do better where the mesh is nearly uniform."""
    errors = []
    for cells in (16, 32):
        space = square(cells, 0.5)
        level_set = LevelSet(space, sharpening=0)
        x, y = space.points1.T
        phi = 0.3 + 0.4 * np.exp(-30 * ((x - 0.5) ** 2 + (y - 0.7) ** 2))
        after = carried(level_set, space, phi, 0.5, 2 * cells)
        errors.append(np.sqrt(level_set.volumes @ (after - phi) ** 2))
    assert observed(errors) > 1.8, errors


def test_a_disc_comes_back_from_a_vortex_the_better_the_finer_the_mesh() -> None:
    """Order 1 is what an interface as wide as a cell must have; the sharpened profile does better."""
    errors = []
    for cells in (16, 32):
        space = square(cells)
        level_set, phi = LevelSet(space), disc(space, 0.6 / cells)
        after = carried(level_set, space, phi, 2.0, 4 * cells)
        errors.append(float(level_set.volumes @ np.abs(after - phi)))
    assert observed(errors) > 1.2, errors
    assert errors[1] < 0.14 * np.pi * 0.15**2, errors  # of the disc's area


def test_sharpening_brings_the_profile_to_its_thickness_and_keeps_the_volume() -> None:
    space = square(24)
    x = space.points1[:, 0]
    level_set, width = LevelSet(space), 0.6 / 24
    nothing = np.zeros(space.size1)
    carrier = level_set.carrier(np.zeros((2, space.size)))
    still = replace(carrier, speed=np.ones_like(carrier.speed))
    phi = 1 / (1 + np.exp((x - 0.51) / (3 * width)))
    begun = level_set.volume(phi)
    for _ in range(40):
        phi, _ = level_set.advance(phi, still, still, 0.02, entering=(nothing, nothing))
    assert level_set.volume(phi) == pytest.approx(begun, rel=1e-12)
    at = phi[space.cells1]
    product = at.sum(1) / 3 - ((at**2).sum(1) + at.sum(1) ** 2) / 12  # the mean of φ(1 − φ) in a cell
    assert space.areas @ product == pytest.approx(width, rel=0.1)  # ∫ φ(1 − φ) dx = ε of the profile, 3 ε at first


def test_the_curvature_of_a_circle_is_one_over_its_radius() -> None:
    errors = []
    for cells in (16, 32):
        space = square(cells)
        level_set, phi = LevelSet(space), disc(space, 0.6 / cells)
        found = level_set.curvature(phi)[np.abs(phi - 0.5) < 0.3]
        errors.append(np.abs(found * 0.15 - 1).mean())
    assert errors[1] < errors[0] / 2 and errors[1] < 0.07, errors  # h / R is 0.21


@pytest.mark.parametrize("angle", [60, 90, 120])
def test_tension_turns_an_interface_to_a_right_angle_at_a_wall(angle: float) -> None:
    """A straight one has no curvature but at the walls, where the heavier fluid's angle differs from 90°."""
    space, slope = square(16), np.radians(angle)
    x, y = space.points1.T
    phi = 1 / (1 + np.exp(16 / 0.6 * ((x - 0.5) * np.sin(slope) + y * np.cos(slope))))
    curvature, near = LevelSet(space).curvature(phi) / 16, np.abs(phi - 0.5) < 0.3  # over a cell
    wall, inside = near & (y < 1e-9), near & (np.abs(y - 0.5) < 0.1)
    assert wall.any() and inside.any()
    assert np.abs(curvature[inside]).max() < 0.02
    if angle == 90:
        assert np.abs(curvature[wall]).max() < 1e-12
    else:
        assert (curvature[wall] * np.sign(90 - angle) > 0.5 * np.cos(np.radians(60))).all()  # drawn back from an edge


def test_a_flow_far_too_fast_for_the_step_is_refused() -> None:
    space = square(4)
    level_set, nothing = LevelSet(space), np.zeros(space.size1)
    carrier = level_set.carrier(1e6 * swirl(space))
    with pytest.raises(SolverError, match="the interface would need [0-9]+ steps within one of 1 s"):
        level_set.advance(disc(space, 0.1), carrier, carrier, 1.0, entering=(nothing, nothing))
