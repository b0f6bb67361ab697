"""Searching and looking up faces, with the real detector watched at its work."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_factory import Head, admiral, astronaut, scenery, show
from numpy.typing import NDArray
from vision_helpers import picture_of

from unmask_shared.vision.faces import Detection, LibFaceDetection
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.search import FaceSearch, SearchEffort, searched_positions
from unmask_shared.vision.shots import Shot

WIDTH, HEIGHT = 640, 360
CLIP, EVERY, FPS = 16, 5, 25
MIDDLE = 10
EFFORT = SearchEffort(long_side=480, every=EVERY, max_faces=8, smallest_face=32)

Scene = Callable[[int], Sequence[Head]]


class WatchedDetector(LibFaceDetection):
    """Remembers the size of every picture that it searched."""

    def __init__(self) -> None:
        super().__init__()
        self.searched: list[tuple[int, int]] = []

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        height, width = image.shape[:2]
        self.searched.append((width, height))
        return super().detect(image)

    def take_whole_pictures(self) -> list[tuple[int, int]]:
        """Those that were wider than high, which windows around a face are not; then forget."""
        whole = [size for size in self.searched if size[0] != size[1]]
        self.searched.clear()
        return whole


@pytest.fixture
def detector() -> WatchedDetector:
    return WatchedDetector()


@pytest.fixture
def search(detector: WatchedDetector) -> FaceSearch:
    return FaceSearch(detector, EFFORT)


def _shot(
    scene: Scene, *, clip: int = 0, setting: int = 0, start: int | None = None, length: int = CLIP
) -> Shot:
    """A shot of which only those frames are drawn that may be looked at."""
    start = 2 * CLIP * clip if start is None else start
    background = scenery(WIDTH, HEIGHT)
    needed = set(searched_positions(length, EVERY))
    frames = []
    for position in range(length):
        heads = scene(start + position) if position in needed else []
        frames.append(
            DecodedFrame(
                number=start + position,
                time_s=(start + position) / FPS,
                picture=picture_of(show(background, *heads)),
            )
        )
    return Shot(clip=clip, setting=setting, frames=frames)


def _anna(number: int) -> Head:
    return Head(portrait=astronaut(), center=(160 + 0.3 * number, 150), eye_distance=40)


def _berta(number: int) -> Head:
    return Head(portrait=admiral(), center=(460, 160 + 0.3 * number), eye_distance=40)


def _counts(found: dict[int, list[Detection]]) -> dict[int, int]:
    return {position: len(faces) for position, faces in found.items()}


def test_a_whole_picture_is_searched_once_and_faces_are_looked_up_from_there(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    found = search.search(_shot(lambda number: [_anna(number), _berta(number)]))
    assert _counts(found) == {0: 2, 5: 2, 10: 2, 15: 2}
    assert len(detector.searched) == 1 + 2 * 3
    assert detector.take_whole_pictures() == [(480, 270)]
    for position, faces in found.items():
        for face, head in zip(
            sorted(faces, key=lambda face: face.box.x), (_anna, _berta), strict=True
        ):
            assert face.box.center[0] == pytest.approx(head(position).center[0], abs=8)
            assert face.box.width == pytest.approx(2.3 * 40, rel=0.15)


def test_windows_fit_into_what_the_network_fills_up_to(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    search.search(_shot(lambda number: [_anna(number)]))
    windows = [width for width, height in detector.searched if width == height]
    assert windows
    assert all(32 < side <= 64 for side in windows)


def test_the_next_clip_of_a_scene_is_looked_up_and_the_one_after_searched(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    whole = []
    for clip in range(4):
        found = search.search(_shot(lambda number: [_anna(number)], clip=clip))
        assert _counts(found) == {0: 1, 5: 1, 10: 1, 15: 1}
        whole.append(len(detector.take_whole_pictures()))
    assert whole == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("comes_at", "seen"),
    [(2 * CLIP, [1, 1, 2]), (MIDDLE + 1, [1, 1, 2]), (4 * CLIP, [1, 1, 2])],
    ids=["one clip later", "two clips later", "at once"],
)
def test_who_comes_in_is_found_with_the_next_search(
    search: FaceSearch, comes_at: int, seen: list[int]
) -> None:
    def scene(number: int) -> list[Head]:
        return [_anna(number), _berta(number)] if number >= comes_at else [_anna(number)]

    found = [search.search(_shot(scene, clip=clip)) for clip in range(3)]
    assert [set(_counts(clip).values()) for clip in found] == [{faces} for faces in seen]


def test_a_clip_in_which_somebody_is_missing_is_searched(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    search.search(_shot(lambda number: [_anna(number), _berta(number)]))
    detector.take_whole_pictures()
    found = search.search(_shot(lambda number: [_anna(number)], clip=1))
    assert set(_counts(found).values()) == {1}
    assert len(detector.take_whole_pictures()) == 1


@pytest.mark.parametrize(
    ("changed", "searched"),
    [({}, 0), ({"setting": 1}, 1), ({"start": 4 * FPS}, 1)],
    ids=["goes on", "another setting", "long after"],
)
def test_faces_are_known_in_one_scene_and_not_for_long(
    search: FaceSearch, detector: WatchedDetector, changed: dict[str, int], searched: int
) -> None:
    def scene(_number: int) -> list[Head]:
        return [_anna(0)]

    search.search(_shot(scene))
    detector.take_whole_pictures()
    search.search(_shot(scene, clip=1, **changed))
    assert len(detector.take_whole_pictures()) == searched


def test_both_ends_are_searched_where_the_middle_shows_nobody(search: FaceSearch) -> None:
    late = search.search(_shot(lambda number: [_anna(number)] if number >= 15 else []))
    assert _counts(late) == {0: 0, 5: 0, 10: 0, 15: 1}
    early = search.search(_shot(lambda number: [_anna(number)] if number < 3 else []))
    assert early[0]
    assert not early[MIDDLE]


def test_nobody_is_searched_for_in_vain_three_times_at_two_sizes(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    assert _counts(search.search(_shot(lambda _number: []))) == {0: 0, MIDDLE: 0, 15: 0}
    assert detector.take_whole_pictures() == 3 * [(480, 270), (320, 180)]


def test_a_smeared_face_is_found_at_the_second_look(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    head = Head(portrait=admiral(), center=(480, 240), eye_distance=130)
    smeared = cv2.blur(show(scenery(960, 540), head), (1, 125)).astype(np.uint8)
    frame = DecodedFrame(number=0, time_s=0.0, picture=picture_of(smeared))
    found = search.search(Shot(clip=0, setting=0, frames=[frame]))
    assert detector.take_whole_pictures() == [(480, 270), (320, 180)]
    (face,) = found[0]
    assert face.box.center[0] == pytest.approx(480, abs=50)


@pytest.mark.parametrize(
    ("hidden", "seen"),
    [((20,), [0, 5, 10, 15, 25, 30]), ((20, 25), [0, 5, 10, 15])],
    ids=["missed once", "missed twice"],
)
def test_a_face_is_looked_up_again_after_one_miss_but_not_after_two(
    search: FaceSearch, hidden: tuple[int, ...], seen: list[int]
) -> None:
    def scene(number: int) -> list[Head]:
        return [] if number in hidden else [_anna(0)]

    found = search.search(_shot(scene, length=31))
    assert [position for position, faces in found.items() if faces] == seen


def test_two_faces_looked_up_in_one_place_are_one(search: FaceSearch) -> None:
    """Somebody leaves, and the neighbour moves up: one face is now near both last places."""

    def scene(number: int) -> list[Head]:
        if number > MIDDLE:
            return [Head(portrait=astronaut(), center=(350, 150), eye_distance=40)]
        return [
            Head(portrait=admiral(), center=(400, 150), eye_distance=40),
            Head(portrait=astronaut(), center=(318, 150), eye_distance=40),
        ]

    found = search.search(_shot(scene))
    assert len(found[MIDDLE]) == 2
    (left,) = found[15]
    assert left.box.center[0] == pytest.approx(350, abs=8)


def test_a_crowd_is_searched_as_a_whole_each_time(
    search: FaceSearch, detector: WatchedDetector
) -> None:
    places = [(100 + 110 * column, 100 + 150 * row) for column in range(4) for row in range(2)]

    def scene(_number: int) -> list[Head]:
        return [Head(portrait=astronaut(), center=place, eye_distance=26) for place in places[:6]]

    found = search.search(_shot(scene))
    assert _counts(found) == {0: 6, 5: 6, 10: 6, 15: 6}
    assert len(detector.searched) == len(detector.take_whole_pictures()) == 4
    # And again in the next clip: so many are not looked up one by one.
    search.search(_shot(scene, clip=1))
    assert len(detector.take_whole_pictures()) == 4


def test_only_the_largest_faces_are_followed_and_small_ones_ignored() -> None:
    def scene(number: int) -> list[Head]:
        small = Head(portrait=admiral(), center=(460, 160), eye_distance=24)
        return [_anna(number), small]

    shot = _shot(scene)
    for effort in (
        SearchEffort(long_side=480, every=EVERY, max_faces=1, smallest_face=32),
        SearchEffort(long_side=480, every=EVERY, max_faces=8, smallest_face=75),
    ):
        found = FaceSearch(LibFaceDetection(), effort).search(shot)
        assert [face.box.center[0] < 320 for face in found[MIDDLE]] == [True]


@given(st.integers(1, 300), st.integers(1, 40))
def test_positions_have_both_ends_and_no_gap_beyond_the_distance(length: int, every: int) -> None:
    positions = searched_positions(length, every)
    assert (positions[0], positions[-1]) == (0, length - 1)
    gaps = np.diff(positions)
    assert all(0 < gap <= every for gap in gaps)
    assert len(positions) <= -(-(length - 1) // every) + 1
