"""Cost: the batch found by measurement, the calibration kernel, and records of both versions."""

from __future__ import annotations

import json
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from pdebench.board.runs import machine
from pdebench.errors import ModelError, PdebenchError, RecordError
from pdebench.task import Record, load_record
from pdebench.timing import Calibration, best_batch, calibrate, clock_of

OLD = Path(__file__).parent / "records" / "version_1.json"  # written by the code of its time


def clock(cost, *, memory=10**9):
    """A trial whose seconds are `cost(b)`, and the batches that it was asked for."""
    asked = []

    def trial(size):
        asked.append(size)
        if size > memory:
            raise ModelError("no room") from MemoryError()
        return cost(size)

    return trial, asked


def test_the_batch_is_that_of_the_cheapest_trajectory():
    trial, asked = clock(lambda b: 0.01 + 0.01 * max(b - 8, 0))  # free up to eight, dear beyond
    assert best_batch(trial, 64, 0.01) == 8
    assert asked == [2, 4, 8, 16, 32, 64]


def test_a_cheap_trajectory_among_dear_ones_does_not_hide_that_batches_pay():
    trial, _ = clock(lambda b: 0.1)  # what the dearest of a batch takes; the one that was timed alone took a tenth
    assert best_batch(trial, 64, 0.01, patience=10) == 64


def test_the_batch_never_exceeds_the_most_even_if_that_is_no_power_of_two():
    trial, asked = clock(lambda b: 0.01)
    assert best_batch(trial, 5, 0.01) == 5
    assert asked == [2, 4, 5]
    assert best_batch(trial, 1, 0.01) == 1


def test_a_batch_that_does_not_fit_is_not_taken():
    trial, asked = clock(lambda b: 0.01, memory=4)
    assert best_batch(trial, 64, 0.01) == 4
    assert asked == [2, 4, 8]


def test_another_failure_is_not_hidden():
    def trial(size):
        raise ModelError("wrong shape")

    with pytest.raises(ModelError, match="wrong shape"):
        best_batch(trial, 8, 0.01)


def test_patience_bounds_the_time_of_trials():
    trial, asked = clock(lambda b: 0.9)
    assert best_batch(trial, 64, 0.9, patience=2.0) == 2  # the next trial may take 2 · 0.9 s more
    assert asked == [2]


def test_the_calibration_is_a_geometric_mean_of_positive_medians():
    assert Calibration(fft_seconds=0.04, product_seconds=0.01).unit == pytest.approx(0.02)
    found = calibrate(repeats=1)
    assert found.version == 1
    assert min(found.fft_seconds, found.product_seconds) > 0


def test_a_record_of_version_1_is_still_read_and_still_sealed():
    record = load_record(OLD)
    assert record.schema_version == 1
    assert record.expense.calibration is None
    assert record.sealed().digest == record.digest


def test_a_record_of_version_2_seals_its_calibration(tmp_path):
    record = load_record(OLD)
    timed = record.expense.model_copy(update={"calibration": Calibration(fft_seconds=1.0, product_seconds=1.0)})
    new = Record.model_validate(record.model_dump() | {"schema_version": 2, "expense": timed.model_dump()})
    path = new.save(tmp_path / "new.json")
    assert load_record(path).expense.calibration == timed.calibration
    data = json.loads(path.read_text())
    data["expense"]["calibration"]["fft_seconds"] = 0.5
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match="changed"):
        load_record(path)


def test_normalised_cost_is_seconds_in_units_of_the_kernel():
    from pdebench.board.cost import normalised

    record = load_record(OLD)
    assert normalised(record.expense) is None
    timed = record.expense.model_copy(
        update={
            "inference_seconds": 3.0,
            "inference_seconds_batched": 2.0,
            "calibration": Calibration(fft_seconds=0.04, product_seconds=0.01),
        }
    )
    assert np.isclose(normalised(timed), 100.0)


def test_the_processor_clock_does_not_see_a_sleep_and_its_name_is_checked():
    began = clock_of("cpu")()
    sleep(0.05)
    assert clock_of("cpu")() - began < 0.04
    with pytest.raises(PdebenchError, match="no clock 'cpus'.*cpu"):
        clock_of("cpus")


def test_times_of_another_clock_are_another_machine():
    record = load_record(OLD)
    content = record.model_dump() | {"schema_version": 4}
    timed = Record.model_validate(content | {"expense": content["expense"] | {"clock": "cpu"}})
    assert machine(timed) == f"{machine(record)}, processor time"
    with pytest.raises(ValueError, match="version 3"):
        Record.model_validate(timed.model_dump() | {"schema_version": 3})
