"""Means over other cells: exact, conserving, local, and at a cost that grows with the number of cells."""

import tracemalloc
from math import lcm

import numpy as np
import pytest

from pdebench.resample import finer, resample
from pdebench.spec import Grid


def cells(*shape):
    return Grid(shape=shape, lengths=(1.0,) * len(shape), points="centres")


@pytest.mark.parametrize(("source", "target"), [(12, 4), (4, 12), (12, 8), (7, 5), (5, 7)])
def test_means_over_other_cells_are_those_over_the_pieces_of_both(source, target):
    values = np.random.default_rng(0).standard_normal((2, source))
    pieces = np.repeat(values, lcm(source, target) // source, axis=1)
    means = pieces.reshape(2, target, -1).mean(axis=2)
    np.testing.assert_allclose(resample(values, cells(source), cells(target)), means, rtol=0, atol=1e-15)


def test_means_keep_the_integral_on_each_axis_and_the_type():
    values = np.random.default_rng(1).random((3, 12, 9)).astype(np.float32)
    found = resample(values, cells(12, 9), cells(8, 18))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=(1, 2)), values.mean(axis=(1, 2)), rtol=1e-6)


def test_a_cell_without_a_value_spoils_none_but_those_that_it_lies_in():
    values = np.ones((1, 12))
    values[0, 5] = np.nan
    assert np.isnan(resample(values, cells(12), cells(4))[0]).tolist() == [False, True, False, False]


def test_a_long_line_takes_no_table_of_all_pairs_of_cells():
    values = np.random.default_rng(2).random((1, 1 << 13))
    resample(values, cells(1 << 13), cells(1 << 11))  # what it imports is not counted
    tracemalloc.start()
    resample(values, cells(1 << 13), cells(1 << 11))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * values.nbytes


def test_finer_cells_show_a_smooth_function_with_second_order():
    errors = []
    for n in (32, 64):
        coarse, fine = (np.sin(2 * np.pi * cells(k, 6).coordinates()[0]) * np.ones((1, k, 6)) for k in (n, 4 * n))
        found = finer(coarse, cells(n, 6), cells(4 * n, 6), periodic=[True, False])
        errors.append(np.abs(found - fine).mean())
        np.testing.assert_allclose(resample(found, cells(4 * n, 6), cells(n, 6)), coarse, rtol=0, atol=1e-15)
    assert errors[0] / errors[1] > 3.5, errors
    assert errors[1] < np.abs(resample(coarse, cells(n, 6), cells(4 * n, 6)) - fine).mean() / 10


def test_finer_cells_stay_between_their_neighbours():
    values = np.random.default_rng(3).random((2, 9))
    for ring in (True, False):
        found = finer(values, cells(9), cells(13), periodic=[ring])
        assert found.min() >= values.min()
        assert found.max() <= values.max()
        np.testing.assert_allclose(found.mean(axis=1), values.mean(axis=1), rtol=1e-14)
    line = np.arange(8.0)[None]
    np.testing.assert_allclose(finer(line, cells(8), cells(16), periodic=[False])[0, 2:-2], np.arange(0.75, 6.5, 0.5))
    assert np.array_equal(finer(line, cells(8), cells(4), periodic=[False]), resample(line, cells(8), cells(4)))
