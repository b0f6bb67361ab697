"""Stored colours against the tables of the standards: bars of 100 %, with eight bits."""

import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from unmask_shared.vision.colours import (
    BT601,
    BT709,
    brightness_scale,
    colour_space,
    has_full_range,
    rgb_matrix,
)

BT2020 = 9
JPEG_RANGE, MPEG_RANGE = 2, 1

Level = tuple[int, int, int]

# (Y, Cb, Cr) of white, yellow, cyan, green, magenta, red, blue, black.
RGB: tuple[Level, ...] = (
    (255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0),
    (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0),
)  # fmt: skip
BARS_601: tuple[Level, ...] = (
    (235, 128, 128), (210, 16, 146), (170, 166, 16), (145, 54, 34),
    (106, 202, 222), (81, 90, 240), (41, 240, 110), (16, 128, 128),
)  # fmt: skip
BARS_709: tuple[Level, ...] = (
    (235, 128, 128), (219, 16, 138), (188, 154, 16), (173, 42, 26),
    (78, 214, 230), (63, 102, 240), (32, 240, 118), (16, 128, 128),
)  # fmt: skip
BARS_2020: tuple[Level, ...] = (
    (235, 128, 128), (222, 16, 137), (177, 159, 16), (164, 47, 25),
    (87, 209, 231), (74, 97, 240), (29, 240, 119), (16, 128, 128),
)  # fmt: skip
# JFIF: the colours of BT.601 from 0 to 255.
BARS_JPEG: tuple[Level, ...] = (
    (255, 128, 128), (226, 0, 149), (179, 171, 0), (150, 44, 21),
    (105, 212, 235), (76, 85, 255), (29, 255, 107), (0, 128, 128),
)  # fmt: skip


def _to_rgb(bars: tuple[Level, ...], space: int, *, full_range: bool) -> NDArray[np.float64]:
    matrix = rgb_matrix(space, full_range=full_range)
    return np.asarray(np.array(bars) @ matrix[:, :3].T + matrix[:, 3], np.float64)


@pytest.mark.parametrize(
    ("bars", "space", "full_range"),
    [
        (BARS_601, BT601, False),
        (BARS_709, BT709, False),
        (BARS_2020, BT2020, False),
        (BARS_JPEG, BT601, True),
    ],
    ids=["BT.601", "BT.709", "BT.2020", "JPEG"],
)
def test_bars_have_the_colours_of_the_standard(
    bars: tuple[Level, ...], space: int, full_range: bool
) -> None:
    # Half a level of brightness and half a level of colour are worth up to 1.7 levels of RGB.
    assert np.abs(_to_rgb(bars, space, full_range=full_range) - RGB).max() < 2


@pytest.mark.parametrize("space", [BT601, BT709, BT2020])
@pytest.mark.parametrize("full_range", [False, True])
def test_what_has_no_colour_is_grey_of_its_brightness(space: int, full_range: bool) -> None:
    factor, offset = brightness_scale(full_range=full_range)
    for level in (16, 100, 235):
        grey = _to_rgb(((level, 128, 128),), space, full_range=full_range)
        assert grey == pytest.approx(np.full((1, 3), factor * level + offset), abs=0.01)


@pytest.mark.parametrize(("full_range", "darkest", "brightest"), [(False, 16, 235), (True, 0, 255)])
def test_grey_levels_span_all_that_there_are(
    full_range: bool, darkest: int, brightest: int
) -> None:
    factor, offset = brightness_scale(full_range=full_range)
    assert factor * darkest + offset == pytest.approx(0)
    assert factor * brightest + offset == pytest.approx(255)


@pytest.mark.parametrize(
    ("tagged", "height", "taken_for"),
    [(BT709, 480, BT709), (BT601, 1080, BT601), (2, 719, BT601), (2, 720, BT709), (8, 480, BT601)],
    ids=["tagged BT.709", "tagged BT.601", "small", "large", "not known"],
)
def test_colours_are_guessed_by_size_where_the_video_does_not_say(
    tagged: int, height: int, taken_for: int
) -> None:
    picture = VideoFrame(32, height, "yuv420p")
    picture.colorspace = tagged
    assert colour_space(picture) == taken_for


@pytest.mark.parametrize(
    ("form", "tagged", "full"),
    [("yuv420p", JPEG_RANGE, True), ("yuv420p", MPEG_RANGE, False), ("yuvj420p", 0, True)],
)
def test_the_range_is_that_of_the_tag_or_of_the_format(form: str, tagged: int, full: bool) -> None:
    picture = VideoFrame(32, 32, form)
    picture.color_range = tagged
    assert has_full_range(picture) is full
