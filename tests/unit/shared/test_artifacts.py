"""Keys of artefacts, boxes, and what a face manifest may say."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from unmask_shared import artifacts
from unmask_shared.artifacts import BoundingBox, FacesManifest, TrackManifest, VideoInfo
from unmask_shared.object_store.protocol import check_key

ID = "01890a5d-ac96-774b-bcce-b302099a8057"

# Sizes of pictures, where areas neither vanish nor overflow.
coordinates = st.floats(-1e5, 1e5)
sides = st.floats(1e-2, 1e5)
boxes = st.builds(BoundingBox, x=coordinates, y=coordinates, width=sides, height=sides)


# --- keys ------------------------------------------------------------------------------------


def test_keys_are_what_other_services_and_stored_videos_rely_on() -> None:
    assert artifacts.record_key(ID) == f"videos/{ID}/record.json"
    assert artifacts.source_key(ID) == f"videos/{ID}/source"
    assert artifacts.faces_key(ID) == f"videos/{ID}/faces.json"
    assert artifacts.crops_key(ID, 7) == f"videos/{ID}/faces/0007.zip"
    assert artifacts.thumbnail_key(ID, 7) == f"videos/{ID}/faces/0007.jpg"
    assert artifacts.landmarks_key(ID, 7) == f"videos/{ID}/faces/0007-landmarks.png"
    assert artifacts.heatmap_key(ID, 7, 2) == f"videos/{ID}/heatmaps/0007-02.webp"
    assert artifacts.heatmap_key(ID, 7, 2).startswith(artifacts.heatmaps_prefix(ID))
    assert artifacts.result_key(ID) == f"videos/{ID}/result.json"
    assert artifacts.failure_key(ID) == f"videos/{ID}/failure.json"


@given(track=st.integers(0, 100_000))
def test_all_keys_of_a_video_are_possible_different_and_below_its_prefix(track: int) -> None:
    keys = [
        artifacts.record_key(ID),
        artifacts.source_key(ID),
        artifacts.faces_key(ID),
        artifacts.result_key(ID),
        artifacts.failure_key(ID),
        artifacts.crops_key(ID, track),
        artifacts.thumbnail_key(ID, track),
        artifacts.landmarks_key(ID, track),
        artifacts.heatmap_key(ID, track, 0),
        artifacts.heatmap_key(ID, track, 1),
        artifacts.crops_key(ID, track + 1),
    ]
    assert len(set(keys)) == len(keys)
    for key in keys:
        assert check_key(key).startswith(f"videos/{ID}/")
        # A key cannot be an object and the folder of others.
        assert not any(other.startswith(f"{key}/") for other in keys)


def test_videos_are_told_from_remains_by_their_record() -> None:
    keys = [
        "videos/a/faces/0000.zip",
        "videos/a/record.json",
        "videos/a/source",
        "videos/b/source",
        "videos/c/faces/record.json",
        "videos/c/result.json",
        "videos/d/record.json",
    ]
    assert list(artifacts.videos_among(keys)) == [
        ("a", True),
        ("b", False),
        ("c", False),
        ("d", True),
    ]


# --- boxes -----------------------------------------------------------------------------------


@given(first=boxes, second=boxes)
def test_iou_is_symmetric_and_a_fraction(first: BoundingBox, second: BoundingBox) -> None:
    assert 0 <= first.iou(second) <= 1
    assert first.iou(second) == pytest.approx(second.iou(first))


@given(box=boxes)
def test_iou_of_a_box_with_itself_is_one(box: BoundingBox) -> None:
    # Tiny boxes far from the origin lose digits when their edges are added up.
    assert box.iou(box) == pytest.approx(1, abs=1e-6)


@given(box=boxes, factor=st.floats(0.1, 1))
def test_iou_with_a_part_of_a_box_is_the_share_of_its_area(box: BoundingBox, factor: float) -> None:
    part = box.model_copy(update={"width": box.width * factor})
    assert box.iou(part) == pytest.approx(factor, abs=1e-6)


@given(box=boxes, gap=st.floats(0, 1e4), below=st.booleans())
def test_boxes_that_only_touch_or_lie_apart_share_nothing(
    box: BoundingBox, gap: float, below: bool
) -> None:
    moved = {"y": box.y + box.height + gap} if below else {"x": box.x + box.width + gap}
    assert box.iou(box.model_copy(update=moved)) == pytest.approx(0, abs=1e-6)


@given(first=boxes, second=boxes, shift=st.floats(-1000, 1000), scale=st.floats(0.5, 2))
def test_iou_does_not_depend_on_place_and_scale(
    first: BoundingBox, second: BoundingBox, shift: float, scale: float
) -> None:
    assume(min(first.width, first.height, second.width, second.height) > 1)

    def moved(box: BoundingBox) -> BoundingBox:
        return BoundingBox(
            x=(box.x + shift) * scale,
            y=(box.y + shift) * scale,
            width=box.width * scale,
            height=box.height * scale,
        )

    assert moved(first).iou(moved(second)) == pytest.approx(first.iou(second), abs=1e-6)


@given(box=boxes)
def test_the_centre_is_as_far_from_all_edges(box: BoundingBox) -> None:
    x, y = box.center
    assert math.isclose(x - box.x, box.x + box.width - x, abs_tol=1e-6)
    assert math.isclose(y - box.y, box.y + box.height - y, abs_tol=1e-6)


@pytest.mark.parametrize("side", [0, -1, math.nan, math.inf])
def test_a_box_without_an_area_is_refused(side: float) -> None:
    for name in ("width", "height"):
        with pytest.raises(ValidationError, match=name):
            BoundingBox.model_validate({"x": 0, "y": 0, "width": 1, "height": 1, name: side})


# --- the face manifest -----------------------------------------------------------------------


def face_frame(number: int) -> dict[str, Any]:
    return {
        "frame": number,
        "time_s": number / 25,
        "clip": 0,
        "box": {"x": 1, "y": 2, "width": 3, "height": 4},
        "landmarks": [(1, 1), (2, 1), (1.5, 2), (1, 3), (2, 3)],
        "detected": True,
    }


def track(*numbers: int) -> dict[str, Any]:
    return {
        "track_id": 0,
        "crops": artifacts.crops_key(ID, 0),
        "thumbnail": artifacts.thumbnail_key(ID, 0),
        "frames": [face_frame(number) for number in numbers],
    }


def coverage(**changes: Any) -> dict[str, Any]:
    return {
        "policy": "clips",
        "clips": 1,
        "frames": 16,
        "missing_frames": 0,
        "sampled_s": 0.64,
        "longest_gap_s": 0.36,
        **changes,
    }


def manifest(**changes: Any) -> dict[str, Any]:
    video = {"duration_s": 1, "fps": 25, "width": 64, "height": 48, "frames": 25, "codec": "h264"}
    return {
        "video": video,
        "detector": "hog",
        "crop_size": 112,
        "crop_margin": 0.3,
        "clip_length": 16,
        "coverage": coverage(),
        "tracks": [track(0, 1, 5)],
        **changes,
    }


def test_a_manifest_comes_back_from_json_as_it_was() -> None:
    written = FacesManifest.model_validate(manifest())
    assert FacesManifest.model_validate_json(written.model_dump_json()) == written
    assert written.schema_version == 2


def test_a_manifest_may_describe_whole_frames() -> None:
    frames = [face_frame(number) | {"landmarks": None} for number in (0, 25)]
    written = FacesManifest.model_validate(
        manifest(
            face_mode="full_frame",
            frame_step=25,
            faceless_frames=[25],
            tracks=[track() | {"frames": frames}],
        )
    )
    assert FacesManifest.model_validate_json(written.model_dump_json()) == written


def test_a_manifest_may_hold_no_face() -> None:
    assert FacesManifest.model_validate(manifest(tracks=[])).tracks == ()


@pytest.mark.parametrize("numbers", [(1, 0), (3, 3), (0, 2, 1)])
def test_frames_of_a_track_must_ascend(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="track 0 are not strictly ascending"):
        TrackManifest.model_validate(track(*numbers))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema_version": 1}, "schema_version"),
        ({"crop_size": 0}, "crop_size"),
        ({"clip_length": 0}, "clip_length"),
        ({"crop_margin": math.nan}, "crop_margin"),
        ({"face_mode": "profile"}, "face_mode"),
        ({"frame_step": 0}, "frame_step"),
        ({"coverage": coverage(policy="some")}, "policy"),
        ({"coverage": coverage(frames=-1)}, "frames"),
        ({"coverage": coverage(longest_gap_s=math.inf)}, "longest_gap_s"),
        ({"tracks": [track()]}, "frames"),
        ({"tracks": [track(0) | {"frames": [face_frame(0) | {"landmarks": []}]}]}, "landmarks"),
        ({"tracks": [track(0) | {"frames": [face_frame(-1)]}]}, "frame"),
        ({"from_the_future": 1}, "from_the_future"),
    ],
)
def test_a_manifest_that_nobody_could_use_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        FacesManifest.model_validate(manifest(**changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [("frames", 0), ("width", 0), ("height", -1), ("duration_s", -0.1), ("fps", math.inf)],
)
def test_a_video_without_pictures_has_no_info(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        VideoInfo.model_validate(manifest()["video"] | {field: value})
