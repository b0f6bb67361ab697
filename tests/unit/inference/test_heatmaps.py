"""Which frames of a face are drawn, and what of them is coloured."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from unmask_inference.heatmaps import DrawnHeatmap, draw_heatmaps
from unmask_shared.artifacts import (
    BoundingBox,
    FaceFrame,
    TrackManifest,
    crops_key,
    heatmap_key,
    thumbnail_key,
)
from unmask_shared.model.evidence import ClipEvidence

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
SIDE, GRID = 64, 4
CLIPS = (range(4), range(4, 8), range(8, 12))
TRACK = TrackManifest(
    track_id=3,
    crops=crops_key(ID, 3),
    thumbnail=thumbnail_key(ID, 3),
    frames=tuple(
        FaceFrame(
            frame=100 + number,
            time_s=4 + number / 25,
            clip=number // 4,
            box=BoundingBox(x=number, y=2, width=90, height=80),
            landmarks=None,
            detected=True,
        )
        for number in range(12)
    ),
)
CROPS = np.random.default_rng(0).integers(60, 180, (12, SIDE, SIDE, 3), np.uint8)


def evidence(score: float, *, telling: int, place: tuple[int, int]) -> ClipEvidence:
    """A clip with a score whose one frame speaks for a forgery, at one place of the map."""
    maps = np.full((4, GRID, GRID), -0.01, np.float32)
    maps[telling][place] = 1.0
    return ClipEvidence(logits=np.array([0, score], np.float32), maps=maps)


def draw(limit: int) -> tuple[DrawnHeatmap, ...]:
    explained = (
        (CLIPS[0], evidence(1.0, telling=2, place=(0, 0))),
        (CLIPS[1], evidence(-2.0, telling=0, place=(0, 3))),
        (CLIPS[2], evidence(3.0, telling=1, place=(3, 3))),
    )
    return draw_heatmaps(ID, TRACK, CROPS, explained, limit=limit)


def picture_of(drawn: DrawnHeatmap) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(drawn.webp, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8, copy=False)


def test_the_most_telling_frame_of_the_most_suspicious_clips_comes_first() -> None:
    drawn = draw(2)
    assert [one.heatmap.frame for one in drawn] == [109, 102]
    assert [one.heatmap.time_s for one in drawn] == pytest.approx([4.36, 4.08])
    assert [one.heatmap.box for one in drawn] == [TRACK.frames[9].box, TRACK.frames[2].box]
    keys = [heatmap_key(ID, 3, number) for number in range(2)]
    assert [one.heatmap.picture for one in drawn] == keys


@pytest.mark.parametrize(("limit", "drawn"), [(0, 0), (1, 1), (16, 3)])
def test_there_are_no_more_pictures_than_wanted_or_clips(limit: int, drawn: int) -> None:
    assert len(draw(limit)) == drawn


def test_only_the_place_that_speaks_for_a_forgery_is_coloured() -> None:
    last, first, _ = (picture_of(one) for one in draw(3))
    half = len(first) // 2
    assert len(first) >= 256

    def colour(picture: NDArray[np.uint8]) -> float:
        return float(np.ptp(picture.astype(int), axis=2).mean())

    for hot, cold in (
        (first[:half, :half], first[half:, half:]),
        (last[half:, half:], last[:half, :half]),
    ):
        assert colour(hot) > 5 * colour(cold)


def test_the_same_face_gives_the_same_bytes() -> None:
    assert draw(3) == draw(3)
