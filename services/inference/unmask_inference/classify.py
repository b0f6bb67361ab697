"""From the face crops of a video to its result; no storage, no queue."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask_inference.heatmaps import DrawnHeatmap, draw_heatmaps
from unmask_shared.artifacts import (
    Coverage,
    FaceFrame,
    FaceMode,
    FacesManifest,
    TrackManifest,
    VideoInfo,
)
from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.card import ModelCard
from unmask_shared.model.clips import clips_to_classify
from unmask_shared.model.evidence import ClipEvidence
from unmask_shared.model.predict import Clip
from unmask_shared.model.quality import QualityLimits, problem_of_clip, problem_of_face
from unmask_shared.model.scoring import (
    FaceScore,
    calibrated_probability,
    decide,
    face_probability,
)
from unmask_shared.tracing import span
from unmask_shared.videos import FaceResult, Reason, Result, Segment, Verdict

_MISSING_MODEL: Final[dict[FaceMode, Reason]] = {
    "faces": Reason.NO_FACE_MODEL,
    "full_frame": Reason.NO_FULL_FRAME_MODEL,
}


class Classifier(Protocol):
    """What judges clips: a `ClipClassifier`, or what shares one with other jobs."""

    @property
    def card(self) -> ModelCard:
        """The card of the checkpoint in use."""
        ...

    def logits(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(N, 2) logits of real and fake."""
        ...

    def explain(self, clips: Sequence[Clip]) -> list[ClipEvidence]:
        """The logits of each clip, and where they come from."""
        ...


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


class Judgement(NamedTuple):
    """What became of a video; `pictures` are those that the result names, WebP by object key."""

    result: Result
    pictures: dict[str, bytes]


def classify_faces(
    video_id: str,
    manifest: FacesManifest,
    faces: Sequence[Face],
    classifier: Classifier,
    *,
    limits: QualityLimits,
    heatmaps: int,
    on_progress: Callable[[float], None],
) -> Judgement:
    """Score every face and decide on the video.

    Args:
        video_id: Begins the keys of the pictures.
        manifest: What was extracted.
        faces: Its tracks, most prominent first.
        classifier: Holds the network and its card.
        limits: What a face has to show so that it is judged.
        heatmaps: Most heatmaps of each face; 0 draws none.
        on_progress: Takes the fraction of the faces that is done, in [0, 1].

    Returns:
        The result; it is inconclusive without a face that can be judged.
    """
    results: list[FaceResult] = []
    pictures: dict[str, bytes] = {}
    for done, face in enumerate(faces, start=1):
        clips = _clips_of(face, manifest, classifier.card, limits)
        with span("forward passes", clips=len(clips)):
            seen = _look(face, clips, classifier, explain=heatmaps > 0)
        scored = _score(
            face, clips, seen, video=manifest.video, card=classifier.card, limits=limits
        )
        drawn: tuple[DrawnHeatmap, ...] = ()
        if heatmaps and scored.reason is None:
            with span("heatmaps"):
                drawn = draw_heatmaps(
                    video_id, face.track, face.crops, seen.explained, limit=heatmaps
                )
        pictures |= {one.heatmap.picture: one.webp for one in drawn}
        results.append(scored.model_copy(update={"heatmaps": tuple(one.heatmap for one in drawn)}))
        on_progress(done / len(faces))
    decision = decide(
        [FaceScore(fake_probability=one.fake_probability, reason=one.reason) for one in results],
        classifier.card.thresholds,
        enough_seen=_enough_decoded(manifest.coverage, limits),
    )
    result = Result(
        verdict=decision.verdict,
        fake_probability=decision.fake_probability,
        reason=decision.reason,
        faces=tuple(results),
        coverage=manifest.coverage,
    )
    return Judgement(result=result, pictures=pictures)


def _enough_decoded(coverage: Coverage, limits: QualityLimits) -> bool:
    return coverage.frames >= limits.least_share * (coverage.frames + coverage.missing_frames)


class _Clip(NamedTuple):
    """Positions of a clip in its track, and why it is not judged; None if it is."""

    frames: range
    problem: Reason | None


class _Seen(NamedTuple):
    """What the network says of the clips that are judged; `logits` are (N, 2)."""

    logits: NDArray[np.float32]
    explained: tuple[tuple[range, ClipEvidence], ...]


def _clips_of(
    face: Face, manifest: FacesManifest, card: ModelCard, limits: QualityLimits
) -> tuple[_Clip, ...]:
    clips = clips_to_classify(face.track.frames, card.clip_length, frame_step=manifest.frame_step)
    return tuple(_Clip(clip, _problem_of(clip, face, manifest, limits)) for clip in clips)


def _look(face: Face, clips: Sequence[_Clip], classifier: Classifier, *, explain: bool) -> _Seen:
    judged = [clip.frames for clip in clips if clip.problem is None]
    crops = [face.crops[clip.start : clip.stop] for clip in judged]
    if not explain:
        return _Seen(classifier.logits(crops), ())
    evidence = classifier.explain(crops)
    logits = np.array([one.logits for one in evidence], np.float32).reshape(-1, 2)
    return _Seen(logits, tuple(zip(judged, evidence, strict=True)))


def _score(
    face: Face,
    clips: Sequence[_Clip],
    seen: _Seen,
    *,
    video: VideoInfo,
    card: ModelCard,
    limits: QualityLimits,
) -> FaceResult:
    frames = face.track.frames
    probabilities = calibrated_probability(seen.logits, card.temperature)
    problem = problem_of_face(
        [clip.problem for clip in clips], [len(clip.frames) for clip in clips], limits
    )
    weights = [len(clip.frames) for clip in clips if clip.problem is None]
    found = iter(probabilities.tolist())
    return FaceResult(
        track_id=face.track.track_id,
        fake_probability=None if problem else face_probability(probabilities, weights),
        reason=problem,
        start_s=frames[0].time_s,
        end_s=_end_of(frames[-1], video),
        segments=tuple(
            Segment(
                start_s=frames[clip.frames.start].time_s,
                end_s=_end_of(frames[clip.frames.stop - 1], video),
                fake_probability=None if clip.problem else next(found),
                reason=clip.problem,
            )
            for clip in clips
        ),
        landmarks=face.track.landmarks,
    )


def _problem_of(
    clip: range, face: Face, manifest: FacesManifest, limits: QualityLimits
) -> Reason | None:
    # A whole picture is as large as the video, and has its own right to be blurred.
    if manifest.face_mode == "full_frame":
        return None
    return problem_of_clip(
        face.track.frames[clip.start : clip.stop],
        face.crops[clip.start : clip.stop],
        margin=manifest.crop_margin,
        limits=limits,
    )


def _end_of(frame: FaceFrame, video: VideoInfo) -> float:
    # A frame is seen until the next one comes.
    frame_s = 1 / video.fps if video.fps else video.duration_s
    return max(frame.time_s, min(frame.time_s + frame_s, video.duration_s))
