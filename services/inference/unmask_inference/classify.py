"""From the face crops of a video to its result; no storage, no queue."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import FaceFrame, FaceMode, FacesManifest, TrackManifest
from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.card import ModelCard
from unmask_shared.model.clips import clips_to_classify
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.scoring import (
    calibrated_probability,
    decide,
    face_probability,
)
from unmask_shared.videos import FaceResult, Reason, Result, Segment, Verdict

_MISSING_MODEL: Final[dict[FaceMode, Reason]] = {
    "faces": Reason.NO_FACE_MODEL,
    "full_frame": Reason.NO_FULL_FRAME_MODEL,
}


class Face(NamedTuple):
    """One track with its pixels; `crops` is (N, S, S, 3) uint8 RGB, one for each frame."""

    track: TrackManifest
    crops: NDArray[np.uint8]


def can_judge(manifest: FacesManifest, card: ModelCard) -> bool:
    """Whether the network learned from what was extracted: faces, or whole pictures."""
    return manifest.face_mode == card.face_mode


def check_faces(manifest: FacesManifest, card: ModelCard) -> None:
    """Refuse crops that were cut in another way than those that the network learned from.

    Raises:
        IncompatibleFaces: When size or margin differ from the card's.
    """
    if manifest.crop_size != card.input_size or manifest.crop_margin != card.crop_margin:
        raise IncompatibleFaces(
            f"The crops are {manifest.crop_size} px with margin {manifest.crop_margin}; "
            f"{card.name} {card.version} was trained on {card.input_size} px with margin "
            f"{card.crop_margin}."
        )


def unjudged(manifest: FacesManifest) -> Result:
    """The result of a video that the network was not trained for; nothing is classified."""
    return Result(
        verdict=Verdict.INCONCLUSIVE,
        fake_probability=None,
        reason=_MISSING_MODEL[manifest.face_mode],
        faces=(),
        coverage=manifest.coverage,
    )


def classify_faces(
    manifest: FacesManifest,
    faces: Sequence[Face],
    classifier: ClipClassifier,
    on_progress: Callable[[float], None],
) -> Result:
    """Score every face and decide on the video.

    Args:
        manifest: What was extracted.
        faces: Its tracks, most prominent first.
        classifier: Holds the network and its card.
        on_progress: Takes the fraction of the faces that is done, in [0, 1].

    Returns:
        The result; without a face it is inconclusive.
    """
    results = []
    for done, face in enumerate(faces, start=1):
        results.append(_score(face, manifest, classifier))
        on_progress(done / len(faces))
    decision = decide([face.fake_probability for face in results], classifier.card.thresholds)
    return Result(
        verdict=decision.verdict,
        fake_probability=decision.fake_probability,
        reason=decision.reason,
        faces=tuple(results),
        coverage=manifest.coverage,
    )


def _score(face: Face, manifest: FacesManifest, classifier: ClipClassifier) -> FaceResult:
    card, video, frames = classifier.card, manifest.video, face.track.frames
    # A frame is seen until the next one comes.
    frame_s = 1 / video.fps if video.fps else video.duration_s

    def end_of(frame: FaceFrame) -> float:
        return max(frame.time_s, min(frame.time_s + frame_s, video.duration_s))

    clips = clips_to_classify(frames, card.clip_length, frame_step=manifest.frame_step)
    logits = classifier.logits([face.crops[clip.start : clip.stop] for clip in clips])
    probabilities = calibrated_probability(logits, card.temperature)
    return FaceResult(
        track_id=face.track.track_id,
        fake_probability=face_probability(probabilities, [len(clip) for clip in clips]),
        start_s=frames[0].time_s,
        end_s=end_of(frames[-1]),
        segments=tuple(
            Segment(
                start_s=frames[clip.start].time_s,
                end_s=end_of(frames[clip.stop - 1]),
                fake_probability=float(probability),
            )
            for clip, probability in zip(clips, probabilities, strict=True)
        ),
        landmarks=face.track.landmarks,
    )
