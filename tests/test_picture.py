"""Fields in a record come back to a step of their own scale, their errors to one of theirs, whatever their size."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import zlib
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
import pytest
from boards import record

from pdebench.errors import RecordError
from pdebench.picture import Picture, decode, take
from pdebench.task import load_record


def wave(size: float, offset: float = 0.0) -> np.ndarray:
    return np.broadcast_to(offset + size * np.sin(np.arange(8) * np.pi / 4), (2, 1, 8, 8))


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e5, 1e30])
def test_fields_of_any_size_come_back(size: float) -> None:
    """float16 ends at 65504, below a pressure of one bar in pascals."""
    truth, prediction = wave(size, size), wave(0.9 * size, size)
    found = decode(take(4, [0.5, 1.0], truth, prediction))
    step = np.ptp(truth) / 254
    np.testing.assert_allclose(found[0], truth, rtol=0, atol=0.51 * step)
    np.testing.assert_allclose(found[1] - found[0], prediction - truth, rtol=0, atol=0.51 * 0.1 * size / 31)


def test_a_small_error_is_kept_as_well_as_a_large_one() -> None:
    """A thousandth of the truth's own scale, a quarter of a step of it."""
    off = 1e-3 * wave(1.0)[:, :, ::-1].copy()
    kept, found = decode(take(0, [0.5, 1.0], wave(1.0), wave(1.0) + off))
    np.testing.assert_allclose(found - kept, off, rtol=0, atol=0.51e-3 / 31)


def test_each_field_has_its_own_scale() -> None:
    pair = np.concatenate([wave(1e5, 1e5), wave(1e-3)], axis=1)
    truth, _ = decode(take(0, [0.5, 1.0], pair, pair))
    np.testing.assert_allclose(truth[:, 1], pair[:, 1], rtol=0, atol=1e-5)


def test_what_diverged_is_lost_and_what_is_far_is_clipped() -> None:
    prediction = wave(1.0).copy()
    prediction[0, 0, 0, :3] = np.nan, np.inf, 1e9
    _, found = decode(take(0, [0.5, 1.0], wave(1.0), prediction))
    assert np.isnan(found[0, 0, 0, :2]).all()
    assert found[0, 0, 0, 2] == pytest.approx(3.0)
    assert np.isfinite(found[0, 0, 1:]).all()


def test_a_constant_truth_has_a_scale_too() -> None:
    truth, prediction = decode(take(0, [1.0], np.full((1, 1, 4, 4), 7.0), np.full((1, 1, 4, 4), 8.0)))
    np.testing.assert_allclose(truth, 7.0, atol=1e-3)
    np.testing.assert_allclose(prediction, 8.0, atol=1e-3)


def test_a_scale_must_have_every_field() -> None:
    picture = take(0, [0.5, 1.0], wave(1.0), wave(1.0))
    with pytest.raises(RecordError, match=r"scale has 2 fields.*has 1"):
        decode(picture.model_copy(update={"scale": [[0.0, 1.0]] * 2}))
    with pytest.raises(RecordError, match=r"reach has 2 fields.*has 1"):
        decode(picture.model_copy(update={"reach": [1.0] * 2}))


def test_a_few_bytes_do_not_grow_into_gigabytes() -> None:
    bomb = b64encode(zlib.compress(bytes(10**8), 9)).decode()
    picture = take(0, [0.5, 1.0], wave(1.0), wave(1.0)).model_copy(update={"truth": bomb})
    tracemalloc.start()
    with pytest.raises(RecordError, match="holds more than 128 bytes"):
        decode(picture)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
    with pytest.raises(RecordError, match="at most"):
        decode(picture.model_copy(update={"shape": (2, 1, 10**5, 10**5)}))


@pytest.mark.parametrize(("version", "kind", "scale"), [(3, "<f2", None), (4, "<u2", [[-1.0, 1.0]])])
def test_old_pictures_are_read(version: int, kind: str, scale: list[list[float]] | None) -> None:
    values = np.asarray(wave(1.0))
    codes = values if version == 3 else np.rint(65534 * (values + 1) / 2)
    coded = b64encode(np.asarray(codes, kind).tobytes()).decode()
    old = Picture(member=0, times=[0.5, 1.0], shape=values.shape, truth=coded, prediction=coded, scale=scale)
    for found in decode(old):
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "scale", "lost"), [("<f2", None, np.inf), ("<f2", None, np.nan), ("<u2", [[-1.0, 1.0]], 65535)]
)
def test_a_truth_that_is_not_finite_is_none(kind: str, scale: list[list[float]] | None, lost: float) -> None:
    """A prediction may be."""
    whole = np.zeros((2, 1, 8, 8), kind)
    broken = whole.copy()
    broken[0, 0, 0, 0] = lost
    sound, off = (b64encode(codes.tobytes()).decode() for codes in (whole, broken))
    old = Picture(member=0, times=[0.5, 1.0], shape=whole.shape, truth=sound, prediction=off, scale=scale)
    assert not np.isfinite(decode(old)[1][0, 0, 0, 0])
    with pytest.raises(RecordError, match=r"picture\.truth is not finite"):
        decode(old.model_copy(update={"truth": off}))


def test_a_scale_wider_than_numbers_go_holds_no_truth() -> None:
    picture = take(0, [0.5, 1.0], wave(1.0), wave(1.0)).model_copy(update={"scale": [[-1.7e308, 1.7e308]]})
    with pytest.raises(RecordError, match=r"picture\.truth is not finite"):
        decode(picture)


@pytest.mark.parametrize("name", ["truth", "prediction"])
def test_nothing_stands_behind_the_codes_and_none_of_them_is_missing(name: str) -> None:
    picture = take(0, [0.5, 1.0], wave(1.0), wave(1.0))
    content = b64decode(getattr(picture, name))
    for changed in (content + b"junk", content[:-1]):
        with pytest.raises(RecordError, match=f"picture.{name} is not one whole deflate stream"):
            decode(picture.model_copy(update={name: b64encode(changed).decode()}))


def test_records_from_before_scales_hold_float16(tmp_path: Path) -> None:
    """As they lie on disk: no scale in the picture, and a digest of what there was."""
    half = np.asarray(wave(1.0), "<f2")
    coded = b64encode(half.tobytes()).decode()
    content = json.loads(record("net", schema_version=3).model_dump_json(exclude={"digest", "signature"}))
    del content["expense"]["clock"], content["expense"]["training_clock"]
    content["picture"] = {
        "member": 4, "times": [0.5, 1.0], "shape": list(half.shape), "truth": coded, "prediction": coded
    }  # fmt: skip
    content["digest"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    found = load_record(path)
    assert found.picture is not None
    np.testing.assert_array_equal(decode(found.picture)[1], half)
    content["picture"]["scale"] = [[0.0, 1.0]]
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="version 3"):
        load_record(path)
