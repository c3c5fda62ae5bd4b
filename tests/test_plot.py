"""Pictures show the data: the right panels, colours, curves and number of frames."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageSequence
from specs import exposed, tiny_spec, tiny_store
from toys import heat_card

from pdebench import plot, sample, solve
from pdebench.errors import PdebenchError, StoreError
from pdebench.generate import generate
from pdebench.portrait import _small, portrait
from pdebench.spec import load_spec
from pdebench.store import TrajectoryStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrajectoryStore:
    return tiny_store(tmp_path_factory.mktemp("plot") / "store", samples__count=2, splits={"test": [0, 2]})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def remember(self: Figure, *args: Any, **kwargs: Any) -> None:
        figures.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures


def pixels(path: Path) -> Any:
    return matplotlib.image.imread(path)[..., :3]


def test_a_member_is_drawn_at_the_times_that_are_written_above(
    store: TrajectoryStore, tmp_path: Path, drawn: list[Figure]
) -> None:
    path = plot.plot_member(store, 1, tmp_path / "new" / "member.png", count=3)
    assert path == tmp_path / "new" / "member.png"
    *panels, bar = drawn[0].axes
    assert [axes.get_title() for axes in panels] == ["t = 0", "t = 0.5", "t = 1"]
    for axes, frame in zip(panels, (0, 2, 4), strict=True):
        assert np.array_equal(axes.images[0].get_array(), store.frames(1)[frame, 0])
        low, high = axes.images[0].get_clim()
        assert low == -high, "zero is white"
    assert bar.get_ylabel().split() == ["vertical", "component", "of", "vorticity"]
    image = pixels(path)
    assert image.shape[1] > 2 * image.shape[0]
    assert image.std() > 0.1, "a blank picture"


def test_the_picture_is_not_upside_down(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store", samples__count=1, samples__unit=1, splits={"test": [0, 1]})
    frames = exposed(store, 0)
    frames[:] = -1.0
    frames[:, 12:, :] = 1.0  # large y is warm
    image = pixels(plot.plot_member(store, 0, tmp_path / "member.png", count=1))
    red = (image[..., 0] > 0.3) & (image[..., 2] < 0.3)
    blue = (image[..., 2] > 0.3) & (image[..., 0] < 0.3)
    left = slice(0, image.shape[1] * 3 // 4)  # without the colour bar
    assert np.nonzero(red[:, left])[0].mean() < np.nonzero(blue[:, left])[0].mean()


@pytest.mark.parametrize("shape", [(24,), (12, 18), (8, 12, 16)], ids=["1D", "2D", "3D"])
def test_fields_of_any_dimension_are_drawn(tmp_path: Path, drawn: list[Figure], shape: tuple[int, ...]) -> None:
    store = tiny_store(tmp_path / "store", **heat_card(shape))
    path = plot.plot_member(store, 0, tmp_path / "member.png", count=4)
    frames = store.frames(0)[[0, 1, 3, 4]]
    panels = np.reshape(np.array([a for a in drawn[0].axes if a.images or a.lines], object), (2, 4))
    for row, column in np.ndindex(2, 4):
        values = frames[column, row]
        axes = panels[row, column]
        if len(shape) == 1:
            assert np.array_equal(axes.lines[0].get_ydata(), values)
        else:
            middle = values[shape[0] // 2] if len(shape) == 3 else values
            assert np.array_equal(axes.images[0].get_array(), middle)
            assert axes.images[0].get_cmap().name == ("RdBu_r", "viridis")[row], "signed, then positive"
    assert any(" ".join(a.get_ylabel().split()) == "temperature anomaly [K]" for a in drawn[0].axes)
    assert pixels(path).std() > 0.02


def test_a_portrait_shows_what_the_card_becomes_in_a_small_file(tmp_path: Path, drawn: list[Figure]) -> None:
    """From the first to the last frame of the card, as its store would have them; smaller where that is asked for."""
    spec = tiny_spec(times__frames=9, times__step=0.25)
    portrait(spec, tmp_path / "own.png")
    *panels, _ = drawn[0].axes
    assert [axes.get_title() for axes in panels] == [f"t = {t:g}" for t in (0, 0.5, 1, 1.5, 2)]
    generate(spec, tmp_path / "store")
    frames = TrajectoryStore.open(tmp_path / "store").frames(0)[::2, 0]
    for axes, frame in zip(panels, frames, strict=True):
        assert np.asarray(axes.images[0].get_array()) == pytest.approx(frame, abs=1e-6 * np.abs(frame).max())
    assert 5000 < (tmp_path / "own.png").stat().st_size <= 60_000
    portrait(spec, tmp_path / "small.png", shape=(14, 14))
    assert drawn[-1].axes[0].images[0].get_array().shape == (14, 14)
    assert drawn[-1].get_suptitle() == "solved at 14 × 14 for this picture"


def test_a_portrait_on_a_line_shows_space_and_time(tmp_path: Path, drawn: list[Figure]) -> None:
    spec = load_spec("advection1d", {"grid.shape": [64], "store.shape": [64]})
    portrait(spec, tmp_path / "line.png")
    axes, bar = drawn[0].axes
    image = axes.images[0]
    assert image.get_array().shape == (101, 64)
    assert image.get_extent() == [0, 1, 0, 2]
    first = sample.initial(spec, solve.prepare(spec)[0], 0)[0]
    assert np.asarray(image.get_array())[0] == pytest.approx(first, abs=1e-12)
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("x", "time", "concentration")


def test_a_portrait_of_a_member_that_fails_is_refused_with_its_reason(tmp_path: Path) -> None:
    spec = load_spec("cns1d_shock", {"grid.shape": [512], "store.shape": [64], "solver.max_steps": 2})
    with pytest.raises(PdebenchError, match="member 0 of cns1d_shock cannot be drawn: .* more than 2 steps"):
        portrait(spec, tmp_path / "x.png")
    with pytest.raises(PdebenchError, match=r"cns1d_shock has a grid of 1 axes, so no picture at \(8, 8\)"):
        portrait(spec, tmp_path / "x.png", shape=(8, 8))
    with pytest.raises(PdebenchError, match="a portrait is a .png, not '.svg'"):
        portrait(spec, tmp_path / "x.svg")


def test_a_portrait_that_would_be_large_is_drawn_coarser(tmp_path: Path) -> None:
    """Noise of 360 by 360 dots takes more than 60 kB in any 128 colours."""
    figure = Figure(figsize=(4, 4))
    figure.figimage(np.random.default_rng(0).random((360, 360, 3)))
    _small(figure, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size <= 60_000
    with Image.open(tmp_path / "noise.png") as image:
        assert image.width < 360


def test_spectra_have_the_power_of_the_field(store: TrajectoryStore, tmp_path: Path, drawn: list[Figure]) -> None:
    plot.plot_spectra(store, tmp_path / "one.png", member=1, count=2)
    (axes,) = drawn[0].axes
    curves = [line for line in axes.lines if line.get_label().startswith("t =")]
    assert [line.get_label() for line in curves] == ["t = 0", "t = 1"]
    waves, first = (np.asarray(part) for part in curves[0].get_data())
    assert waves.tolist() == list(range(1, 9))
    # Everything at t = 0 lies below wavenumber √2·4.
    assert np.nansum(first) == pytest.approx(np.mean(store.frames(1)[0] ** 2) / 2, rel=1e-5)
    marked = sorted(line.get_xdata()[0] for line in axes.lines if line not in curves)
    assert marked == [pytest.approx(16 / 3), 8.0]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_spectra_are_averaged_over_members(store: TrajectoryStore, tmp_path: Path, drawn: list[Figure]) -> None:
    for member in (0, 1, None):
        plot.plot_spectra(store, tmp_path / "spectra.svg", member=member)
    first, second, both = (np.asarray(figure.axes[0].lines[-3].get_ydata()) for figure in drawn)
    assert both == pytest.approx((first + second) / 2)
    assert drawn[2].get_suptitle().endswith("mean of 2 members")
    assert (tmp_path / "spectra.svg").read_text().count("<path") > 10


def test_a_gif_has_a_frame_per_time(store: TrajectoryStore, tmp_path: Path) -> None:
    path = plot.film(store, 0, tmp_path / "film.gif", seconds=1)
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == len(store.times) == 5
    assert all(np.abs(new - old).mean() > 0.5 for old, new in pairwise(frames)), "it moves"


def test_an_mp4_has_a_frame_per_time(store: TrajectoryStore, tmp_path: Path) -> None:
    path = plot.film(store, 0, tmp_path / "film.mp4", seconds=1)
    copied = subprocess.run(
        [plot._ffmpeg(), "-i", str(path), "-f", "framemd5", "-"], capture_output=True, text=True, check=True
    )
    sums = [line.split(",")[-1] for line in copied.stdout.splitlines() if not line.startswith("#")]
    assert len(sums) == 5
    assert len(set(sums)) == 5


def test_a_film_of_curves_moves(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store", **heat_card((24,)) | {"parameters": {"diffusivity": {"value": 0.1}}})
    path = plot.film(store, 0, tmp_path / "film.gif", seconds=1)
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(image)]
    below = len(frames[0]) // 4  # without the title, which moves too
    assert len(frames) == 5
    assert all(np.abs(new - old)[below:].max() > 100 for old, new in pairwise(frames))


@pytest.mark.parametrize("name", ["film.avi", "film"])
def test_other_films_are_refused(store: TrajectoryStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(PdebenchError, match=r"ends in \.mp4 or \.gif"):
        plot.film(store, 0, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_ffmpeg_the_way_out_is_told(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot.shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(PdebenchError, match=r"pip install imageio-ffmpeg.*or write a \.gif"):
        plot.film(store, 0, tmp_path / "film.mp4")


def test_what_cannot_be_drawn_is_refused(store: TrajectoryStore, tmp_path: Path) -> None:
    with pytest.raises(PdebenchError, match=r"ends in \.png, \.svg or \.pdf"):
        plot.plot_member(store, 0, tmp_path / "member.bmp2")
    with pytest.raises(StoreError, match="members 0 … 1, not 2"):
        plot.plot_member(store, 2, tmp_path / "member.png")
    failed = tiny_store(tmp_path / "failed", solver__max_steps=1)
    with pytest.raises(StoreError, match="member 3 .* cannot be drawn: .*more than 1 steps"):
        plot.film(failed, 3, tmp_path / "film.gif")
    with pytest.raises(StoreError, match="no finished member"):
        plot.plot_spectra(failed, tmp_path / "spectra.png")
