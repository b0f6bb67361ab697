"""From crops to a result, with the checkpoint that ships."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask_inference.classify import Face, check_faces, classify_faces
from unmask_shared.artifacts import BoundingBox, FaceFrame, FacesManifest, VideoInfo
from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.videos import Reason, Verdict

MODEL_DIR = Path(__file__).parents[3] / "models" / "default"
VIDEO = VideoInfo(duration_s=4.4, fps=25, width=64, height=64, frames=110, codec="h264")


@pytest.fixture(scope="module")
def classifier() -> ClipClassifier:
    return ClipClassifier(load_checkpoint(MODEL_DIR))


def make_face(track_id: int, numbers: list[int], side: int) -> Face:
    frames = [
        FaceFrame(
            frame=number,
            time_s=number / 25,
            clip=0,
            box=BoundingBox(x=0, y=0, width=10, height=10),
            landmarks=((0, 0),) * 5,
            detected=True,
        )
        for number in numbers
    ]
    random = np.random.default_rng(track_id)
    crops: NDArray[np.uint8] = random.integers(
        0, 256, (len(numbers), side, side, 3), dtype=np.uint8
    )
    return Face(track_id=track_id, frames=frames, crops=crops)


def test_a_video_without_faces_is_inconclusive(classifier: ClipClassifier) -> None:
    result = classify_faces([], VIDEO, classifier, lambda _: None)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason is Reason.NO_FACE_FOUND
    assert result.fake_probability is None
    assert result.faces == ()


def test_each_face_gets_its_times_and_a_segment_per_clip(classifier: ClipClassifier) -> None:
    side = classifier.card.input_size
    faces = [make_face(0, list(range(40)), side), make_face(1, list(range(100, 110)), side)]
    progress: list[float] = []
    result = classify_faces(faces, VIDEO, classifier, progress.append)
    first, second = result.faces
    times = [time for s in first.segments for time in (s.start_s, s.end_s)]
    assert times == pytest.approx([0.0, 16 / 25, 16 / 25, 32 / 25, 32 / 25, 40 / 25])
    assert (second.start_s, second.end_s) == pytest.approx((4.0, 110 / 25))
    assert result.fake_probability == max(first.fake_probability, second.fake_probability)
    assert progress == [0.5, 1.0]


def test_short_remainders_are_left_out(classifier: ClipClassifier) -> None:
    face = make_face(0, list(range(18)), classifier.card.input_size)
    (result,) = classify_faces([face], VIDEO, classifier, lambda _: None).faces
    assert len(result.segments) == 1


def test_crops_cut_differently_from_the_training_are_refused(classifier: ClipClassifier) -> None:
    card = classifier.card
    manifest = FacesManifest(
        video=VIDEO,
        detector="libfacedetection",
        crop_size=card.input_size,
        crop_margin=card.crop_margin,
        clip_length=16,
        sampled_frames=25,
        tracks=(),
    )
    check_faces(manifest, card)
    for change in ({"crop_size": card.input_size + 1}, {"crop_margin": card.crop_margin + 0.1}):
        with pytest.raises(IncompatibleFaces):
            check_faces(manifest.model_copy(update=change), card)
