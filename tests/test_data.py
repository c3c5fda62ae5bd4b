"""Windows, their order, torch's loader on top, and the statistics of a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from specs import tiny_spec, tiny_store

from pdebench.arrays import Array, Index
from pdebench.data import Normaliser, Pairs, Windows
from pdebench.errors import StoreError
from pdebench.spec import DatasetSpec
from pdebench.store import TrajectoryStore


class Ramp:
    """A store whose value at (member, frame, field) is 100 member + frame + 10 field everywhere; member 1 failed."""

    def __init__(self, spec: DatasetSpec) -> None:
        self.spec, self.fields, self.times = spec, ("first", "second"), spec.times.values()
        self.inputs, self.steady = (), False

    def members(self, split: str | None = None) -> Index:
        done = np.array([0, 2, 3, 4, 5])
        return done if split is None else done[np.isin(done, self.spec.split(split))]

    def params(self, members: Index) -> Array:
        return np.stack([members * 0.5, members * 0.0 + 7.0], axis=1)

    def frames(self, member: int, start: int = 0, stop: int | None = None, step: int = 1) -> Array:
        times = np.arange(len(self.times))[start:stop:step]
        values = (100.0 * member + times[:, None] + 10.0 * np.arange(2)).astype(np.float32)
        out = np.broadcast_to(values[..., None, None], (*values.shape, *self.spec.store.shape))
        assert not out.flags.writeable
        return out

    def read(self, into: Array, member: int, start: int, step: int) -> None:
        into[...] = self.frames(member, start, start + (len(into) - 1) * step + 1, step)


@pytest.fixture
def ramp() -> Ramp:
    return Ramp(tiny_spec())  # 5 frames, train 0-2, valid 3, test 4-5


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrajectoryStore:
    return tiny_store(tmp_path_factory.mktemp("data") / "tiny.zarr")


def test_a_window_is_consecutive_frames_of_a_member_that_is_done(ramp: Ramp) -> None:
    windows = Windows(ramp, "train", history=2, horizon=1)
    assert len(windows) == 2 * 3  # members 0 and 2, starts 0, 1, 2
    window = windows[4]
    assert (window.member, window.start) == (2, 1)
    assert window.history[:, 1, 0, 0].tolist() == [211.0, 212.0]
    assert window.future[:, 0, 5, 5].tolist() == [203.0]
    assert window.params.tolist() == [1.0, 7.0]
    np.testing.assert_allclose(window.times, [0.25])


def test_stride_counts_stored_frames_and_times_start_at_the_last_frame_of_the_history(ramp: Ramp) -> None:
    window = Windows(ramp, "train", history=1, horizon=2, stride=2)[0]
    assert window.history[0, 0, 0, 0] == 0
    assert window.future[:, 0, 0, 0].tolist() == [2.0, 4.0]
    np.testing.assert_allclose(window.times, [0.5, 1.0])


def test_start_every_thins_the_windows(ramp: Ramp) -> None:
    windows = Windows(ramp, "train", start_every=3)
    assert [windows[i].start for i in range(len(windows))] == [0, 3, 0, 3]


def test_negative_index_counts_from_the_end_and_beyond_the_end_raises(ramp: Ramp) -> None:
    windows = Windows(ramp, "train")
    assert windows[-1].start == windows[len(windows) - 1].start == 3
    with pytest.raises(IndexError, match="window 8 of 8"):
        windows[8]
    assert len(list(windows)) == 8  # the old iteration protocol ends by IndexError


def test_windows_are_the_callers_to_change(ramp: Ramp) -> None:
    window = Windows(ramp, "train")[0]
    window.history[:] = -1
    window.params[:] = -1
    again = Windows(ramp, "train")[0]
    assert again.history.min() == 0 and again.params[1] == 7


def test_a_batch_is_its_windows_side_by_side(store: TrajectoryStore) -> None:
    windows = Windows(store, "train", history=2, horizon=2)
    picked = [5, 0, 3]
    batch = windows.batch(picked)
    for row, window in enumerate(windows.__getitems__(picked)):
        for name, value in window._asdict().items():
            np.testing.assert_array_equal(getattr(batch, name)[row], value)


def test_batches_cover_every_window_once_in_an_order_that_seed_and_epoch_decide(store: TrajectoryStore) -> None:
    windows = Windows(store, "train")

    def order(seed: int, epoch: int) -> list[tuple[int, int]]:
        batches = windows.batches(5, seed=seed, epoch=epoch)
        return [(int(m), int(s)) for b in batches for m, s in zip(b.member, b.start, strict=True)]

    assert order(0, 0) == order(0, 0)
    assert sorted(order(0, 0)) == [(m, s) for m in range(3) for s in range(4)]
    assert len({tuple(order(*key)) for key in [(0, 0), (0, 1), (1, 0), (1, 1)]}) == 4


def test_drop_last_and_no_shuffle(store: TrajectoryStore) -> None:
    windows = Windows(store, "train")  # 12
    assert [len(b.start) for b in windows.batches(5)] == [5, 5, 2]
    assert [len(b.start) for b in windows.batches(5, drop_last=True)] == [5, 5]
    first = next(windows.batches(5, shuffle=False))
    assert first.start.tolist() == [0, 1, 2, 3, 0]


def test_windows_hold_the_stored_numbers(store: TrajectoryStore) -> None:
    window = Windows(store, "test", horizon=3)[1]
    np.testing.assert_array_equal(window.future, store.frames(4)[2:5])
    np.testing.assert_array_equal(window.params, store.params([4])[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"horizon": 5}, "spans 6 frames"), ({"stride": 5}, "spans 6 frames")],
)
def test_a_window_longer_than_a_trajectory_is_refused(ramp: Ramp, options: dict[str, int], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Windows(ramp, "train", **options)  # type: ignore[arg-type]


def test_a_split_without_finished_members_is_refused(tmp_path: Path) -> None:
    empty = TrajectoryStore.create(tmp_path / "empty.zarr", tiny_spec())
    with pytest.raises(StoreError, match="no finished member"):
        Windows(empty, "train")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
def test_torch_loader_takes_windows_as_they_are(store: TrajectoryStore, workers: int) -> None:
    torch = pytest.importorskip("torch")
    windows = Windows(store, "train", history=2, horizon=1)
    loader = torch.utils.data.DataLoader(windows, batch_size=4, shuffle=True, num_workers=workers)
    seen = []
    for batch in loader:
        assert batch.history.dtype == torch.float32
        assert batch.history.shape[1:] == (2, 1, 16, 16)
        for row, place in enumerate(zip(batch.member.tolist(), batch.start.tolist(), strict=True)):
            seen.append(place)
            own = store.frames(place[0], place[1], place[1] + 3)
            np.testing.assert_array_equal(batch.history[row], own[:2])
            np.testing.assert_array_equal(batch.future[row], own[2:])
    assert sorted(seen) == [(m, s) for m in range(3) for s in range(3)]


def test_normaliser_of_known_numbers(ramp: Ramp) -> None:
    measured = Normaliser.measure(ramp, "train")
    # Every pair of neighbours: frames 0, 1, 1, 2, 2, 3, 3, 4 of members 0 and 2.
    frames = np.array([100 * m + f for m in (0, 2) for s in range(4) for f in (s, s + 1)], float)
    np.testing.assert_allclose(measured.mean, [frames.mean(), frames.mean() + 10])
    np.testing.assert_allclose(measured.std, [frames.std()] * 2)
    np.testing.assert_allclose(measured.change, [1.0, 1.0])
    np.testing.assert_allclose(measured.param_mean, [0.5, 7.0])
    np.testing.assert_allclose(measured.param_std, [0.5, 1.0])  # 1 for the constant


def test_normaliser_sees_the_training_split_only_and_few_frames(ramp: Ramp) -> None:
    class Watched(Ramp):
        read: list[int] = []

        def frames(self, member: int, start: int = 0, stop: int | None = None, step: int = 1) -> Array:
            self.read.append(member)
            return super().frames(member, start, stop, step)

    watched = Watched(ramp.spec)
    Normaliser.measure(watched, frames=6)
    assert set(watched.read) == {0, 2}
    assert len(watched.read) == 3


def test_normaliser_survives_a_mean_far_above_the_spread() -> None:
    class Offset(Ramp):
        def frames(self, member: int, start: int = 0, stop: int | None = None, step: int = 1) -> Array:
            noise = np.random.default_rng([member, start]).standard_normal((2, 2, *self.spec.store.shape))
            return 1e6 + noise

    measured = Normaliser.measure(Offset(tiny_spec()))
    np.testing.assert_allclose(measured.std, 1.0, rtol=0.05)
    np.testing.assert_allclose(measured.change, np.sqrt(2), rtol=0.05)


def test_parameters_over_decades_are_taken_in_logarithms() -> None:
    class Decades(Ramp):
        def members(self, split: str | None = None) -> Index:
            return np.arange(3)

        def params(self, members: Index) -> Array:
            return np.stack([10.0**-members, 0.1 * np.ones(len(members))], axis=1)

    measured = Normaliser.measure(Decades(tiny_spec()))
    assert measured.param_log.tolist() == [1, 0]
    np.testing.assert_allclose(measured.param_mean, [-np.log(10), 0.1])
    # The mean of three 0.1 is not quite 0.1, and must not count as spread.
    np.testing.assert_allclose(measured.param_std, [np.log(10) * np.sqrt(2 / 3), 1])


def test_pairs_are_all_frames_with_all_later_ones_near_enough(ramp: Ramp) -> None:
    pairs = Pairs(ramp, "train", longest=3)
    assert len(pairs) == 2 * (4 + 3 + 2)  # members 0 and 2; of five frames
    batch = pairs.batch(range(len(pairs)))
    found = {
        (int(a) // 100, int(a) % 100, int(b) % 100, round(4 * float(t)))
        for a, b, t in zip(batch.history[:, 0, 0, 0, 0], batch.future[:, 0, 0, 0, 0], batch.times[:, 0], strict=True)
    }
    assert found == {(m, i, j, j - i) for m in (0, 2) for i in range(5) for j in range(i + 1, min(i + 4, 5))}
    passed = np.concatenate([b.start for b in pairs.batches(4, seed=1)])
    assert sorted(passed) == sorted(batch.start) and passed.tolist() != batch.start.tolist()


def test_pairs_keep_the_stride_of_the_model(ramp: Ramp) -> None:
    pairs = Pairs(ramp, "train", longest=2, stride=2)
    assert sorted(pairs.batch(range(len(pairs))).times[:, 0]) == [0.5] * 6 + [1.0] * 2
    with pytest.raises(StoreError, match="spans 7 frames"):
        Pairs(ramp, "train", longest=3, stride=2)
    with pytest.raises(ValueError, match="longest"):
        Pairs(ramp, "train", longest=0)
