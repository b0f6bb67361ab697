from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import Colorspace
from media_factory import quadrants, write_video
from numpy.typing import NDArray
from vision_helpers import read_video

from unmask_shared.artifacts import VideoInfo
from unmask_shared.vision.picture import Picture


def _decode(path: Path) -> tuple[VideoInfo, list[Picture]]:
    info, frames, _ = read_video(path)
    return info, [frame.picture for frame in frames]


def _assert_close(pixels: NDArray[np.uint8], expected: NDArray[np.uint8], by: float = 6) -> None:
    assert pixels.shape == expected.shape
    inner = (slice(8, -8), slice(8, -8))
    difference = np.abs(pixels[inner].astype(float) - expected[inner])
    assert np.median(difference) < by
    assert difference.mean() < by


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_shown_as_the_display_matrix_says(
    tmp_path: Path, turn: int, mirrored: bool
) -> None:
    stored = quadrants()
    path = write_video(tmp_path / "turned.mp4", [stored] * 2, rotation=turn, mirrored=mirrored)
    shown = np.rot90(stored, -turn // 90)
    if mirrored:
        shown = shown[:, ::-1]
    info, frames = _decode(path)
    _assert_close(frames[0].rgb(), np.ascontiguousarray(shown))
    assert (info.width, info.height) == (shown.shape[1], shown.shape[0])
    if not mirrored:
        assert info.rotation == turn


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "anamorphic.mp4", [quadrants(96, 64)] * 2, sample_aspect_ratio=Fraction(3, 2)
    )
    info, frames = _decode(path)
    assert (info.width, info.height) == (144, 64)
    _assert_close(frames[0].rgb(), quadrants(144, 64))


def test_odd_sizes_keep_every_row_and_column(tmp_path: Path) -> None:
    path = write_video(tmp_path / "odd.mkv", [quadrants(97, 63)] * 2, pix_fmt="yuv444p")
    assert _decode(path)[1][0].rgb().shape == (63, 97, 3)


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_levels_survive_ranges_and_depths(
    tmp_path: Path, level: int, full_range: bool, pix_fmt: str
) -> None:
    grey = np.full((64, 64, 3), level, np.uint8)
    path = write_video(tmp_path / "grey.mkv", [grey], full_range=full_range, pix_fmt=pix_fmt)
    assert _decode(path)[1][0].rgb().mean() == pytest.approx(level, abs=3)


@pytest.mark.parametrize(("height", "matrix"), [(480, Colorspace.ITU601), (720, Colorspace.ITU709)])
def test_untagged_colours_are_read_as_players_do(
    tmp_path: Path, height: int, matrix: Colorspace
) -> None:
    picture = quadrants(128, height)
    path = write_video(tmp_path / "untagged.mkv", [picture], matrix=matrix)
    _assert_close(_decode(path)[1][0].rgb(), picture, by=5)


def test_pictures_shrink_to_the_side_asked_for_and_never_grow(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [quadrants(96, 64)])
    _, [frame] = _decode(path)
    _assert_close(frame.rgb(long_side=48), quadrants(48, 32))
    assert frame.rgb(long_side=500).shape == (64, 96, 3)


def test_a_stream_that_changes_its_size_keeps_the_first(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.ts", [quadrants(96, 64)] * 6, times_ms=range(0, 240, 40))
    second = write_video(tmp_path / "b.ts", [quadrants(192, 128)] * 6, times_ms=range(240, 480, 40))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    _, frames = _decode(joined)
    assert len(frames) >= 10
    for frame in frames:
        _assert_close(frame.rgb(), quadrants(96, 64))
