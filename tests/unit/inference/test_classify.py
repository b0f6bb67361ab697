"""From crops to a result, with the checkpoint that ships."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask_inference.classify import (
    Face,
    Judgement,
    can_judge,
    check_faces,
    classify_faces,
    unjudged,
)
from unmask_inference.settings import InferenceSettings
from unmask_shared.artifacts import (
    BoundingBox,
    Coverage,
    FaceFrame,
    FaceMode,
    FacesManifest,
    TrackManifest,
    VideoInfo,
    crops_key,
    heatmap_key,
    landmarks_key,
    thumbnail_key,
)
from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.quality import QualityLimits
from unmask_shared.videos import Reason, Result, Verdict

MODEL_DIR = Path(__file__).parents[3] / "models" / "default"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
VIDEO = VideoInfo(duration_s=4.4, fps=25, width=64, height=64, frames=110, codec="h264")
COVERAGE = Coverage(
    policy="clips", clips=2, frames=50, missing_frames=0, sampled_s=2.0, longest_gap_s=2.4
)

LIMITS = QualityLimits(smallest_face=48, least_sharpness=0.015, fewest_frames=8, least_share=0.25)


@pytest.fixture(scope="module")
def classifier() -> ClipClassifier:
    return ClipClassifier(load_checkpoint(MODEL_DIR))


def make_track(
    track_id: int, numbers: list[int], *, landmarks: str | None = None, side: float = 100
) -> TrackManifest:
    frames = tuple(
        FaceFrame(
            frame=number,
            time_s=number / 25,
            clip=0,
            box=BoundingBox(x=0, y=0, width=side, height=side),
            landmarks=((0, 0),) * 5,
            detected=True,
        )
        for number in numbers
    )
    return TrackManifest(
        track_id=track_id,
        crops=crops_key(ID, track_id),
        thumbnail=thumbnail_key(ID, track_id),
        landmarks=landmarks,
        frames=frames,
    )


def make_manifest(
    classifier: ClipClassifier, *tracks: TrackManifest, **changes: Any
) -> FacesManifest:
    return FacesManifest(
        video=VIDEO,
        detector="libfacedetection",
        crop_size=classifier.card.input_size,
        crop_margin=classifier.card.crop_margin,
        clip_length=16,
        coverage=COVERAGE,
        tracks=tracks,
    ).model_copy(update=changes)


def make_face(classifier: ClipClassifier, track: TrackManifest) -> Face:
    side = classifier.card.input_size
    noise = np.random.default_rng(track.track_id).integers(
        0, 256, (len(track.frames), side, side, 3), dtype=np.uint8
    )
    return Face(track=track, crops=noise)


def classify(
    classifier: ClipClassifier,
    *tracks: TrackManifest,
    progress: list[float] | None = None,
    blurred: range = range(0),
    **changes: Any,
) -> Result:
    """Judge tracks of noise; of each, the crops at the positions of `blurred` show nothing."""
    faces = [make_face(classifier, track) for track in tracks]
    for face in faces:
        face.crops[blurred.start : blurred.stop] = 90
    manifest = make_manifest(classifier, *tracks, **changes)
    seen = progress if progress is not None else []
    return classify_faces(
        ID, manifest, faces, classifier, limits=LIMITS, heatmaps=0, on_progress=seen.append
    ).result


def test_a_video_without_faces_is_inconclusive(classifier: ClipClassifier) -> None:
    result = classify(classifier)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason is Reason.NO_FACE_FOUND
    assert result.fake_probability is None
    assert result.faces == ()


def test_each_face_gets_its_times_and_a_segment_per_clip(classifier: ClipClassifier) -> None:
    progress: list[float] = []
    tracks = make_track(0, list(range(40))), make_track(1, list(range(100, 110)))
    result = classify(classifier, *tracks, progress=progress)
    first, second = result.faces
    times = [time for s in first.segments for time in (s.start_s, s.end_s)]
    assert times == pytest.approx([0.0, 16 / 25, 16 / 25, 32 / 25, 32 / 25, 40 / 25])
    assert (second.start_s, second.end_s) == pytest.approx((4.0, 110 / 25))
    assert first.fake_probability is not None
    assert second.fake_probability is not None
    assert result.fake_probability == max(first.fake_probability, second.fake_probability)
    assert {part.reason for face in result.faces for part in (face, *face.segments)} == {None}
    assert progress == [0.5, 1.0]


def test_short_remainders_are_left_out(classifier: ClipClassifier) -> None:
    (result,) = classify(classifier, make_track(0, list(range(18)))).faces
    assert len(result.segments) == 1


def test_frames_at_the_distance_of_the_sampling_are_judged_together(
    classifier: ClipClassifier,
) -> None:
    track = make_track(0, list(range(0, 100, 10)))
    (face,) = classify(classifier, track, frame_step=10).faces
    assert len(face.segments) == 1
    (apart,) = classify(classifier, track).faces
    assert len(apart.segments) == 10


def test_clips_that_show_too_little_are_told_but_not_counted(classifier: ClipClassifier) -> None:
    (whole,) = classify(classifier, make_track(0, list(range(48)))).faces
    (face,) = classify(classifier, make_track(0, list(range(48))), blurred=range(16, 32)).faces
    assert [s.reason for s in face.segments] == [None, Reason.FACES_TOO_BLURRED, None]
    first, blurred, last = (s.fake_probability for s in face.segments)
    assert blurred is None
    kept = [whole.segments[0].fake_probability, whole.segments[2].fake_probability]
    assert [first, last] == pytest.approx(kept, abs=1e-4)
    assert first is not None
    assert last is not None
    assert face.fake_probability is not None
    assert min(first, last) <= face.fake_probability <= max(first, last)


def test_a_video_of_small_faces_is_inconclusive(classifier: ClipClassifier) -> None:
    result = classify(classifier, make_track(0, list(range(32)), side=40))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, Reason.FACES_TOO_SMALL)
    assert result.fake_probability is None
    (face,) = result.faces
    assert (face.fake_probability, face.reason) == (None, Reason.FACES_TOO_SMALL)
    assert {s.reason for s in face.segments} == {Reason.FACES_TOO_SMALL}


def test_a_video_of_blurred_faces_is_inconclusive(classifier: ClipClassifier) -> None:
    result = classify(classifier, make_track(0, list(range(32))), blurred=range(32))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, Reason.FACES_TOO_BLURRED)
    assert result.faces[0].reason is Reason.FACES_TOO_BLURRED


@pytest.mark.parametrize(("frames", "blurred"), [(7, range(0)), (96, range(16, 96))])
def test_a_face_of_which_too_little_is_usable_is_not_judged(
    classifier: ClipClassifier, frames: int, blurred: range
) -> None:
    result = classify(classifier, make_track(0, list(range(frames))), blurred=blurred)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, Reason.TOO_LITTLE_USABLE)
    assert result.fake_probability is None
    assert result.faces[0].segments[0].fake_probability is not None


def test_a_small_face_in_the_background_does_not_decide(classifier: ClipClassifier) -> None:
    prominent = make_track(0, list(range(16)))
    alone = classify(classifier, prominent)
    beside = classify(classifier, prominent, make_track(1, list(range(16)), side=40))
    assert beside.faces[0] == alone.faces[0]
    assert beside.faces[1].reason is Reason.FACES_TOO_SMALL
    assert (beside.verdict, beside.fake_probability) == (alone.verdict, alone.fake_probability)


@pytest.mark.parametrize("faces", [0, 1])
def test_a_video_that_could_hardly_be_decoded_gets_no_verdict(
    classifier: ClipClassifier, faces: int
) -> None:
    coverage = COVERAGE.model_copy(update={"frames": 16, "missing_frames": 64})
    tracks = [make_track(number, list(range(16))) for number in range(faces)]
    result = classify(classifier, *tracks, coverage=coverage)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, Reason.TOO_LITTLE_USABLE)
    assert len([face for face in result.faces if face.fake_probability is not None]) == faces


def test_whole_pictures_may_be_small_and_blurred(classifier: ClipClassifier) -> None:
    track = make_track(0, list(range(16)), side=40)
    result = classify(classifier, track, blurred=range(16), face_mode="full_frame")
    assert result.fake_probability is not None
    assert result.reason not in {Reason.FACES_TOO_SMALL, Reason.FACES_TOO_BLURRED}


def test_a_result_tells_the_coverage_and_where_landmarks_were_drawn(
    classifier: ClipClassifier,
) -> None:
    drawn = make_track(0, list(range(8)), landmarks=landmarks_key(ID, 0))
    result = classify(classifier, drawn, make_track(1, list(range(8))))
    assert result.coverage == COVERAGE
    assert [face.landmarks for face in result.faces] == [landmarks_key(ID, 0), None]


@pytest.mark.parametrize(
    ("extracted", "trained", "reason"),
    [
        ("full_frame", "faces", Reason.NO_FULL_FRAME_MODEL),
        ("faces", "full_frame", Reason.NO_FACE_MODEL),
    ],
)
def test_pictures_of_another_kind_than_in_the_training_are_not_judged(
    classifier: ClipClassifier, extracted: FaceMode, trained: FaceMode, reason: Reason
) -> None:
    card = classifier.card.model_copy(update={"face_mode": trained})
    manifest = make_manifest(classifier, make_track(0, [0, 1]), face_mode=extracted)
    assert not can_judge(manifest, card)
    assert can_judge(manifest, card.model_copy(update={"face_mode": extracted}))
    assert unjudged(manifest) == Result(
        verdict=Verdict.INCONCLUSIVE,
        fake_probability=None,
        reason=reason,
        faces=(),
        coverage=COVERAGE,
    )


def test_crops_cut_differently_from_the_training_are_refused(classifier: ClipClassifier) -> None:
    card = classifier.card
    manifest = make_manifest(classifier)
    check_faces(manifest, card)
    for change in ({"crop_size": card.input_size + 1}, {"crop_margin": card.crop_margin + 0.1}):
        with pytest.raises(IncompatibleFaces):
            check_faces(manifest.model_copy(update=change), card)


def test_heatmaps_are_drawn_of_the_most_suspicious_segments_of_judged_faces(
    classifier: ClipClassifier,
) -> None:
    large, small = make_track(0, list(range(48))), make_track(1, list(range(48)), side=40)
    faces = [make_face(classifier, track) for track in (large, small)]
    manifest = make_manifest(classifier, large, small)

    def judge(heatmaps: int) -> Judgement:
        return classify_faces(
            ID,
            manifest,
            faces,
            classifier,
            limits=LIMITS,
            heatmaps=heatmaps,
            on_progress=lambda _fraction: None,
        )

    plain, drawn = judge(0), judge(2)
    assert (plain.pictures, [face.heatmaps for face in plain.result.faces]) == ({}, [(), ()])
    first, second = drawn.result.faces
    assert second.heatmaps == ()
    assert list(drawn.pictures) == [heatmap_key(ID, 0, 0), heatmap_key(ID, 0, 1)]
    assert [one.picture for one in first.heatmaps] == list(drawn.pictures)
    assert all(webp[:4] + webp[8:12] == b"RIFFWEBP" for webp in drawn.pictures.values())

    suspicious = sorted(first.segments, key=lambda s: s.fake_probability or 0, reverse=True)
    for heatmap, segment in zip(first.heatmaps, suspicious, strict=False):
        assert segment.start_s <= heatmap.time_s < segment.end_s
        assert heatmap.time_s == heatmap.frame / 25
        assert heatmap.box == large.frames[heatmap.frame].box

    scores = [[s.fake_probability for s in one.result.faces[0].segments] for one in (plain, drawn)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-4)
    assert drawn.result.verdict is plain.result.verdict


def test_the_environment_sets_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert InferenceSettings().heatmaps_per_face > 0
    assert InferenceSettings().quality_limits() == QualityLimits()
    for name, value in (
        ("FACE_SIDE", "60"),
        ("SHARPNESS", "0"),
        ("JUDGED_FRAMES", "4"),
        ("USABLE_SHARE", "0.5"),
    ):
        monkeypatch.setenv(f"UNMASK_MIN_{name}", value)
    assert InferenceSettings().quality_limits() == QualityLimits(
        smallest_face=60, least_sharpness=0, fewest_frames=4, least_share=0.5
    )
