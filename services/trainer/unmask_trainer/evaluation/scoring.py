"""Measures a checkpoint on labelled videos, through the code that serves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import Evaluation
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.scoring import Thresholds, calibrated_probability, face_probability
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.evaluation.card_rows import card_row
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.summary import summarise


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


def video_sample(
    videos: Sequence[ScoredVideo], facts: Sequence[Facts], temperature: float
) -> Sample:
    """One row for each video, with the probability that serving would give."""
    probabilities, labels = video_probabilities(videos, temperature)
    return Sample(labels=labels, probabilities=probabilities, facts=tuple(facts))


def clip_sample(
    videos: Sequence[ScoredVideo], facts: Sequence[Facts], temperature: float
) -> Sample:
    """One row for each clip, with the label of its video."""
    counts = [len(video.logits) for video in videos]
    return Sample(
        labels=np.repeat(_labels(videos), counts),
        probabilities=np.concatenate(
            [np.empty(0), *(calibrated_probability(v.logits, temperature) for v in videos)]
        ),
        facts=tuple(
            about for about, count in zip(facts, counts, strict=True) for _ in range(count)
        ),
    )


def evaluate(
    videos: Sequence[ScoredVideo],
    *,
    split: str,
    temperature: float,
    thresholds: Thresholds,
    note: str = "",
    resampling: Resampling | None = None,
) -> tuple[Evaluation, Evaluation]:
    """Evaluate at the level of clips and of videos.

    Args:
        videos: Scored videos, at least one.
        split: Name of the set.
        temperature: Of the calibration.
        thresholds: Ends of the inconclusive band.
        note: What a reader has to know about the set.
        resampling: The bootstrap over people behind the intervals; by default a thousand resamples.
    """
    facts = [
        Facts(
            dataset=item.dataset or split,
            identities=item.identities or (item.person or item.group,),
        )
        for item in (video.faces.video for video in videos)
    ]
    drawn = resampling or Resampling()
    by_clip = summarise(clip_sample(videos, facts, temperature), thresholds, drawn)
    by_video = summarise(video_sample(videos, facts, temperature), thresholds, drawn)
    return (
        card_row(by_clip, split=split, level="clip", note=note),
        card_row(by_video, split=split, level="video", note=note),
    )


def _labels(videos: Sequence[ScoredVideo]) -> NDArray[np.int64]:
    return np.array([video.faces.video.label for video in videos], dtype=np.int64)
