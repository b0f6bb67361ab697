"""Measures a checkpoint on labelled videos, through the code that serves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import Evaluation
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.scoring import Thresholds, calibrated_probability, face_probability
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.evaluation.decisions import confusion, roc_auc


@dataclass(frozen=True, kw_only=True)
class ScoredVideo:
    """A video with the logits of its clips.

    Attributes:
        faces: The video.
        logits: (N, 2) of real and fake.
        lengths: (N,) frames of each clip.
    """

    faces: FaceClips
    logits: NDArray[np.float32]
    lengths: tuple[int, ...]

    def probability(self, temperature: float) -> float:
        """The face's calibrated probability of being fake."""
        return face_probability(calibrated_probability(self.logits, temperature), self.lengths)


def score_videos(classifier: ClipClassifier, videos: Sequence[FaceClips]) -> list[ScoredVideo]:
    """Classify every clip of every video."""
    scored = []
    for faces in videos:
        crops = faces.load()
        clips = [np.array(crops[start:stop]) for start, stop in faces.clips]
        scored.append(
            ScoredVideo(
                faces=faces,
                logits=classifier.logits(clips),
                lengths=tuple(len(clip) for clip in clips),
            )
        )
    return scored


def clip_logits(videos: Sequence[ScoredVideo]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All clips' logits (N, 2) and the labels (N,) of their videos."""
    logits = np.concatenate([video.logits for video in videos])
    labels = np.repeat(_labels(videos), [len(video.logits) for video in videos])
    return logits, labels


def video_probabilities(
    videos: Sequence[ScoredVideo], temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (N,) and labels (N,) of the videos."""
    return np.array([video.probability(temperature) for video in videos]), _labels(videos)


def evaluate(
    videos: Sequence[ScoredVideo],
    *,
    split: str,
    temperature: float,
    thresholds: Thresholds,
    note: str = "",
) -> tuple[Evaluation, Evaluation]:
    """Evaluate at the level of clips and of videos.

    Args:
        videos: Scored videos, at least one.
        split: Name of the set.
        temperature: Of the calibration.
        thresholds: Ends of the inconclusive band.
        note: What a reader has to know about the set.
    """
    people = len({video.faces.video.group for video in videos})
    logits, clip_labels = clip_logits(videos)
    probabilities, labels = video_probabilities(videos, temperature)

    return (
        Evaluation(
            split=split,
            level="clip",
            people=people,
            note=note,
            **_figures(clip_labels, calibrated_probability(logits, temperature), thresholds),
        ),
        Evaluation(
            split=split,
            level="video",
            people=people,
            note=note,
            **_figures(labels, probabilities, thresholds),
        ),
    )


def _figures(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], thresholds: Thresholds
) -> dict[str, Any]:
    is_fake = labels.astype(bool)
    counts = confusion(labels, probabilities)
    area = roc_auc(labels, probabilities)
    decided = (probabilities < thresholds.real_below) | (probabilities > thresholds.fake_above)
    right = (probabilities > thresholds.fake_above) == is_fake
    return {
        "real": int(np.sum(~is_fake)),
        "fake": int(np.sum(is_fake)),
        "accuracy": round(counts.accuracy, 4),
        "auc": None if area is None else round(area, 4),
        **asdict(counts),
        "decided_share": round(float(decided.mean()), 4),
        "decided_accuracy": round(float(right[decided].mean()), 4) if decided.any() else None,
    }


def _labels(videos: Sequence[ScoredVideo]) -> NDArray[np.int64]:
    return np.array([video.faces.video.label for video in videos], dtype=np.int64)
