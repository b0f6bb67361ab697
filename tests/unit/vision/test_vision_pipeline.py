from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media_factory import Head, admiral, astronaut, film, scenery, show, write_sound, write_video
from numpy.typing import NDArray

from unmask_shared.errors import NoVideoStream, UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.align import similarity, template
from unmask_shared.vision.faces import DetectorName
from unmask_shared.vision.pipeline import FaceTrack, FaceTracks, VisionSettings, extract_faces
from unmask_shared.vision.tracks import look_alike

SETTINGS = VisionSettings()
Heads = Callable[[int], Sequence[Head]]


def _extract(
    folder: Path, count: int, heads: Heads, settings: VisionSettings = SETTINGS
) -> FaceTracks:
    return extract_faces(write_video(folder / "clip.mp4", film(count, heads)), settings)


def _eyes(landmarks: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    points = np.array(landmarks)
    return np.stack([points[:2].mean(axis=0), points[2:4].mean(axis=0)])


def _frame_numbers(track: FaceTrack) -> list[int]:
    return [frame.frame for frame in track.frames]


def _nodding(number: int) -> list[Head]:
    swing = np.sin(number / 6)
    return [
        Head(
            portrait=astronaut(),
            center=(130 + 2 * number, 110 + 8 * swing),
            eye_distance=48,
            tilt_degrees=6 * swing,
        )
    ]


@pytest.mark.parametrize("detector", ["libfacedetection", "dlib-hog"])
def test_a_moving_face_is_followed_to_the_pixel(tmp_path: Path, detector: DetectorName) -> None:
    faces = _extract(tmp_path, 32, _nodding, replace(SETTINGS, detector=detector))
    (track,) = faces.tracks
    assert (faces.coverage.frames, faces.video.frames) == (32, 32)
    assert _frame_numbers(track) == list(range(32))
    assert [frame.clip for frame in track.frames] == [0] * 16 + [1] * 16
    seen = [frame.frame for frame in track.frames[:16] if frame.detected]
    assert seen == [0, 5, 10, 15]
    for frame in track.frames:
        (head,) = _nodding(frame.frame)
        assert frame.time_s == pytest.approx(frame.frame / 25)
        assert np.abs(_eyes(frame.landmarks) - head.pupils).max() < 0.15 * head.eye_distance
        center_x, center_y = head.center
        assert frame.box.center[0] == pytest.approx(center_x, abs=0.3 * head.eye_distance)
        assert frame.box.y < center_y < frame.box.center[1]


def test_the_eyes_stand_still_in_the_crops(tmp_path: Path) -> None:
    (track,) = _extract(tmp_path, 32, _nodding).tracks
    target = template(SETTINGS.crop_size, SETTINGS.crop_margin)
    in_crops = []
    for frame in track.frames:
        matrix = similarity(np.array(frame.landmarks), target)
        in_crops.append(_nodding(frame.frame)[0].pupils @ matrix[:, :2].T + matrix[:, 2])
    places = np.stack(in_crops)
    assert np.abs(places.mean(axis=0) - _eyes([tuple(point) for point in target])).max() < 4
    assert places.std(axis=0).max() < 1
    steps = np.abs(np.diff(places, axis=0))
    assert steps.mean() < 0.4
    assert all(look_alike(track.crops[0], crop) for crop in track.crops)


def test_crops_have_the_size_asked_for(tmp_path: Path) -> None:
    (track,) = _extract(tmp_path, 3, _nodding, replace(SETTINGS, crop_size=160)).tracks
    assert track.crops.shape == (3, 160, 160, 3)
    assert track.crops.dtype == np.uint8


def test_two_faces_side_by_side_are_two_tracks_the_larger_first(tmp_path: Path) -> None:
    def heads(_number: int) -> list[Head]:
        return [
            Head(portrait=astronaut(), center=(90, 110), eye_distance=30),
            Head(portrait=admiral(), center=(230, 110), eye_distance=42),
        ]

    first, second = _extract(tmp_path, 20, heads).tracks
    assert [first.track_id, second.track_id] == [0, 1]
    assert _frame_numbers(first) == _frame_numbers(second) == list(range(20))
    assert first.frames[0].box.center[0] > 160 > second.frames[0].box.center[0]


def test_a_person_who_leaves_and_returns_is_one_track(tmp_path: Path) -> None:
    def heads(number: int) -> list[Head]:
        present = [Head(portrait=admiral(), center=(235, 110), eye_distance=36)]
        if number < 16:
            present.append(Head(portrait=astronaut(), center=(80, 100), eye_distance=32))
        if number >= 48:
            present.append(
                Head(portrait=astronaut(), center=(90, 130), eye_distance=36, tilt_degrees=8)
            )
        return present

    stays, returns = _extract(tmp_path, 64, heads).tracks
    assert _frame_numbers(stays) == list(range(64))
    assert _frame_numbers(returns) == [*range(16), *range(48, 64)]


@pytest.mark.parametrize("cut", [16, 22])
def test_a_cut_between_two_persons_in_one_place_gives_two_tracks(tmp_path: Path, cut: int) -> None:
    def heads(number: int) -> list[Head]:
        portrait = astronaut() if number < cut else admiral()
        return [Head(portrait=portrait, center=(160, 110), eye_distance=36)]

    tracks = _extract(tmp_path, 40, heads).tracks
    assert sorted(map(_frame_numbers, tracks)) == [list(range(cut)), list(range(cut, 40))]


def test_boxes_do_not_slide_across_a_cut(tmp_path: Path) -> None:
    def place(number: int) -> Head:
        return Head(portrait=astronaut(), center=(140 if number < 8 else 176, 110), eye_distance=36)

    frames = [
        show(scenery(320, 240, seed=0, brightness=90 if number < 8 else 180), place(number))
        for number in range(16)
    ]
    (track,) = extract_faces(write_video(tmp_path / "cut.mp4", frames), SETTINGS).tracks
    assert _frame_numbers(track) == list(range(16))
    for frame in track.frames:
        assert np.abs(_eyes(frame.landmarks) - place(frame.frame).pupils).max() < 5
        assert frame.box.center[0] == pytest.approx(place(frame.frame).center[0], abs=6)


def test_a_face_that_comes_inside_a_clip_is_found_from_the_next_searched_frame(
    tmp_path: Path,
) -> None:
    def heads(number: int) -> list[Head]:
        return [Head(portrait=astronaut(), center=(160, 110))] if number >= 6 else []

    (track,) = _extract(tmp_path, 16, heads).tracks
    assert _frame_numbers(track) == list(range(10, 16))


def test_a_video_without_faces_has_no_tracks(tmp_path: Path) -> None:
    faces = _extract(tmp_path, 20, lambda _number: [])
    assert faces.tracks == ()
    assert faces.coverage.frames == 20
    assert faces.faceless_frames == tuple(range(20))


def test_a_long_video_is_sampled_over_its_whole_length(tmp_path: Path) -> None:
    settings = replace(SETTINGS, clip_length=4, max_clips=5, clip_period_s=0.5)
    path = write_video(tmp_path / "long.mp4", film(120, _pacing))
    faces = extract_faces(path, settings)
    (track,) = faces.tracks
    assert faces.coverage.frames == len(track.frames) == 20
    # The last clip begins at the last key frame.
    assert (track.frames[0].frame, track.frames[-1].frame) == (0, 111)
    assert faces.coverage.longest_gap_s < 2 * 120 / 25 / 5


def _pacing(number: int) -> list[Head]:
    return [Head(portrait=astronaut(), center=(110 + number * 0.8, 110))]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_faces_in_turned_videos_are_upright(tmp_path: Path, rotation: int) -> None:
    def heads(_number: int) -> list[Head]:
        return [Head(portrait=astronaut(), center=(150, 110), eye_distance=40)]

    upright = film(6, heads)
    stored = [np.ascontiguousarray(np.rot90(frame, rotation // 90)) for frame in upright]
    path = write_video(tmp_path / "phone.mp4", stored, rotation=rotation)
    faces = extract_faces(path, SETTINGS)
    (track,) = faces.tracks
    assert (faces.video.width, faces.video.height, faces.video.rotation) == (320, 240, rotation)
    assert np.abs(_eyes(track.frames[0].landmarks) - heads(0)[0].pupils).max() < 6


@pytest.mark.parametrize(
    "form",
    [
        {"full_range": True},
        {"pix_fmt": "yuv420p10le"},
        {"pix_fmt": "yuv444p"},
        {"times_ms": [0, 10, 50, 60, 400, 410, 900, 905]},
    ],
    ids=["full range", "10 bit", "4:4:4", "variable frame rate"],
)
def test_crops_look_the_same_whatever_the_encoding(tmp_path: Path, form: dict[str, object]) -> None:
    frames = film(8, _nodding)
    plain = extract_faces(write_video(tmp_path / "plain.mkv", frames), SETTINGS)
    other = extract_faces(write_video(tmp_path / "other.mkv", frames, **form), SETTINGS)  # type: ignore[arg-type]  # forms differ in type
    (expected,), (found,) = plain.tracks, other.tracks
    assert _frame_numbers(found) == _frame_numbers(expected)
    assert np.abs(found.crops.astype(float) - expected.crops).mean() < 4


def test_one_frame_is_enough(tmp_path: Path) -> None:
    (track,) = _extract(tmp_path, 1, _nodding).tracks
    assert _frame_numbers(track) == [0]


def test_odd_sizes_are_taken(tmp_path: Path) -> None:
    frames = film(4, _nodding, width=321, height=243)
    path = write_video(tmp_path / "odd.mkv", frames, pix_fmt="yuv444p")
    assert len(extract_faces(path, SETTINGS).tracks) == 1


def test_a_face_is_followed_when_the_stream_changes_its_size(tmp_path: Path) -> None:
    def part(name: str, scale: int, start: int) -> bytes:
        frames = film(
            16,
            lambda _number: [
                Head(
                    portrait=astronaut(), center=(160 * scale, 110 * scale), eye_distance=36 * scale
                )
            ],
            width=320 * scale,
            height=240 * scale,
        )
        times = [40 * (start + number) for number in range(16)]
        return write_video(tmp_path / name, frames, times_ms=times).read_bytes()

    path = tmp_path / "joined.ts"
    path.write_bytes(part("small.ts", 1, 0) + part("large.ts", 2, 16))
    faces = extract_faces(path, SETTINGS)
    (track,) = faces.tracks
    assert len(track.frames) >= 28
    for frame in track.frames:
        assert frame.box.center[0] == pytest.approx(160, abs=12)


def test_the_smallest_faces_and_the_most_per_frame_are_settings(tmp_path: Path) -> None:
    def heads(_number: int) -> list[Head]:
        return [
            Head(portrait=astronaut(), center=(90, 110), eye_distance=24),
            Head(portrait=admiral(), center=(230, 110), eye_distance=42),
        ]

    path = write_video(tmp_path / "clip.mp4", film(4, heads))
    assert len(extract_faces(path, SETTINGS).tracks) == 2
    for settings in (replace(SETTINGS, smallest_face=75), replace(SETTINGS, max_faces=1)):
        (track,) = extract_faces(path, settings).tracks
        assert track.frames[0].box.center[0] > 160


def test_the_same_video_gives_the_same_faces(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", film(12, _nodding))
    (first,), (second,) = (extract_faces(path, SETTINGS).tracks for _ in range(2))
    assert first.frames == second.frames
    assert np.array_equal(first.crops, second.crops)


def test_progress_only_grows_and_ends_at_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask_shared.vision.progress._PAUSE_S", 0.0)
    seen: list[float] = []
    path = write_video(tmp_path / "clip.mp4", film(40, lambda _number: []))
    extract_faces(path, SETTINGS, seen.append)
    assert seen == sorted(set(seen))
    assert all(0 <= fraction <= 1 for fraction in seen)
    assert seen[-1] == 1
    assert len(seen) >= 4


def test_reading_a_file_through_counts_as_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask_shared.vision.progress._PAUSE_S", 0.0)
    seen: list[float] = []
    path = write_video(tmp_path / "clip.mkv", film(40, lambda _number: []))
    extract_faces(path, SETTINGS, seen.append)
    assert len([fraction for fraction in seen if 0 < fraction <= 0.1]) >= 30
    assert seen == sorted(set(seen))


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoVideoStream):
        extract_faces(write_sound(tmp_path / "sound.m4a"), SETTINGS)


def test_a_truncated_video_is_unreadable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [scenery(64, 64)] * 30)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(UnreadableVideo):
        extract_faces(path, SETTINGS)


def test_the_limits_of_the_settings_hold(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [scenery(64, 64)] * 10)
    with pytest.raises(VideoTooDemanding):
        extract_faces(path, replace(SETTINGS, max_frames=9))
    with pytest.raises(VideoTooDemanding):
        extract_faces(path, replace(SETTINGS, max_pixels=64 * 63))


@pytest.mark.parametrize(
    ("name", "value"),
    [("crop_size", 257), ("detection_side", 961), ("clip_length", 0), ("crop_margin", -0.1)],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        replace(SETTINGS, **{name: value})  # type: ignore[arg-type]  # on purpose
