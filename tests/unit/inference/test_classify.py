"""From crops to a result, with the checkpoint that ships."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask_inference.classify import Face, can_judge, check_faces, classify_faces, unjudged
from unmask_shared.artifacts import (
    BoundingBox,
    Coverage,
    FaceFrame,
    FaceMode,
    FacesManifest,
    TrackManifest,
    VideoInfo,
    crops_key,
    landmarks_key,
    thumbnail_key,
)
from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.videos import Reason, Result, Verdict

MODEL_DIR = Path(__file__).parents[3] / "models" / "default"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
VIDEO = VideoInfo(duration_s=4.4, fps=25, width=64, height=64, frames=110, codec="h264")
COVERAGE = Coverage(
    policy="clips", clips=2, frames=50, missing_frames=0, sampled_s=2.0, longest_gap_s=2.4
)


@pytest.fixture(scope="module")
def classifier() -> ClipClassifier:
    return ClipClassifier(load_checkpoint(MODEL_DIR))


def make_track(track_id: int, numbers: list[int], *, landmarks: str | None = None) -> TrackManifest:
    frames = tuple(
        FaceFrame(
            frame=number,
            time_s=number / 25,
            clip=0,
            box=BoundingBox(x=0, y=0, width=10, height=10),
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


def classify(
    classifier: ClipClassifier,
    *tracks: TrackManifest,
    progress: list[float] | None = None,
    **changes: Any,
) -> Result:
    side = classifier.card.input_size
    faces = [
        Face(
            track=track,
            crops=np.random.default_rng(track.track_id).integers(
                0, 256, (len(track.frames), side, side, 3), dtype=np.uint8
            ),
        )
        for track in tracks
    ]
    manifest = make_manifest(classifier, *tracks, **changes)
    seen = progress if progress is not None else []
    return classify_faces(manifest, faces, classifier, seen.append)


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
    assert result.fake_probability == max(first.fake_probability, second.fake_probability)
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
