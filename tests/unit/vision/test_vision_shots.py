from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import pytest
from media_factory import Head, astronaut, scenery, show
from numpy.typing import NDArray
from vision_helpers import picture_of

from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.shots import Shot, ShotSplitter

HERE, THERE = 0, 5


def _frames(pixels: Iterable[NDArray[np.uint8]], *, start: int = 0) -> list[DecodedFrame]:
    return [
        DecodedFrame(number=start + step, time_s=(start + step) / 25, picture=picture_of(image))
        for step, image in enumerate(pixels)
    ]


def _place(seed: int) -> NDArray[np.uint8]:
    """A place with large forms of its own, as rooms and landscapes have."""
    coarse = np.random.default_rng(seed).integers(30, 220, (4, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)


def _numbers(shots: Iterable[Shot]) -> list[list[int]]:
    return [[frame.number for frame in shot.frames] for shot in shots]


def test_a_clip_is_split_at_its_cuts() -> None:
    pixels = [_place(HERE)] * 5 + [_place(THERE)] * 4 + [_place(HERE)] * 3
    shots = ShotSplitter().split(7, _frames(pixels))
    assert _numbers(shots) == [[0, 1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]]
    assert {shot.clip for shot in shots} == {7}
    assert len({shot.setting for shot in shots}) == 3


def _lit(levels: Sequence[int]) -> list[NDArray[np.uint8]]:
    return [scenery(320, 240, brightness=level) for level in levels]


def test_a_small_cut_counts_where_it_stands_out_against_what_is_usual() -> None:
    flicker = [100, 102] * 3 + [122, 124] * 3
    assert _numbers(ShotSplitter().split(0, _frames(_lit(flicker)))) == [
        list(range(6)),
        list(range(6, 12)),
    ]
    assert len(ShotSplitter().split(0, _frames(_lit([100, 122] * 6)))) == 1


def test_a_large_cut_counts_in_any_case() -> None:
    flicker = [60, 75] * 3 + [135, 150] * 3
    assert _numbers(ShotSplitter().split(0, _frames(_lit(flicker)))) == [
        list(range(6)),
        list(range(6, 12)),
    ]


@pytest.mark.parametrize("speed", [1, 4, 12])
def test_a_face_that_moves_and_a_camera_that_pans_make_no_cut(speed: int) -> None:
    walking = [
        show(scenery(320, 240), Head(portrait=astronaut(), center=(60 + speed * step, 110)))
        for step in range(16)
    ]
    wide = np.asarray(cv2.resize(_place(HERE), (640, 240)), np.uint8)
    panning = [np.ascontiguousarray(wide[:, speed * s : 320 + speed * s]) for s in range(16)]
    for pixels in (walking, panning):
        assert len(ShotSplitter().split(0, _frames(pixels))) == 1


def test_a_scene_goes_on_over_the_frames_between_two_clips() -> None:
    splitter = ShotSplitter()
    (first,) = splitter.split(0, _frames([_place(HERE)] * 4))
    (second,) = splitter.split(1, _frames([_place(HERE)] * 4, start=50))
    (third,) = splitter.split(2, _frames([_place(THERE)] * 4, start=100))
    assert (first.clip, second.clip, third.clip) == (0, 1, 2)
    assert first.setting == second.setting != third.setting


def test_clips_that_touch_are_compared_frame_by_frame() -> None:
    splitter = ShotSplitter()
    (first,) = splitter.split(0, _frames([_place(HERE)] * 4))
    (second,) = splitter.split(1, _frames([_place(HERE)] * 4, start=4))
    (third,) = splitter.split(2, _frames([_place(THERE)] * 4, start=8))
    assert first.setting == second.setting != third.setting


def test_an_empty_clip_has_no_shots_and_ends_no_scene() -> None:
    splitter = ShotSplitter()
    (before,) = splitter.split(0, _frames([_place(HERE)] * 2))
    assert splitter.split(1, []) == []
    (after,) = splitter.split(2, _frames([_place(HERE)] * 2, start=40))
    assert before.setting == after.setting
