"""The videos that were most wrong, with a look at what the network saw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask_shared.model.card import LABELS, ModelCard
from unmask_shared.model.scoring import Thresholds, calibrated_probability
from unmask_trainer.evaluation.document import Mistake, VerdictName
from unmask_trainer.evaluation.pictures import as_jpeg
from unmask_trainer.evaluation.samples import Facts
from unmask_trainer.evaluation.scoring import ScoredVideo


@dataclass(frozen=True, kw_only=True)
class WorstVideo:
    """A mistake and the middle frame, as JPEG, of the clip that was most wrong."""

    mistake: Mistake
    jpeg: bytes


def worst_videos(
    videos: Sequence[ScoredVideo], facts: Sequence[Facts], card: ModelCard, *, limit: int
) -> list[WorstVideo]:
    """Videos on the wrong side of 0.5, the farthest first; at most `limit`."""
    found = []
    for video, about in zip(videos, facts, strict=True):
        label = video.faces.video.label
        probability = video.probability(card.temperature)
        distance = probability if label == LABELS["real"] else 1 - probability
        if (probability > 0.5) != (label == LABELS["fake"]):
            found.append((distance, about.dataset, video, about, probability))
    found.sort(key=lambda item: (-item[0], item[1], item[2].faces.video.id))
    return [
        WorstVideo(
            mistake=Mistake(
                dataset=about.dataset,
                id=video.faces.video.id,
                label="fake" if video.faces.video.label == LABELS["fake"] else "real",
                method=about.method,
                fake_probability=probability,
                verdict=verdict_of(probability, card.thresholds),
            ),
            jpeg=_picture(video, card.temperature),
        )
        for _, _, video, about, probability in found[:limit]
    ]


def verdict_of(probability: float, thresholds: Thresholds) -> VerdictName:
    """What a checkpoint's thresholds make of a probability."""
    if probability > thresholds.fake_above:
        return "fake"
    return "real" if probability < thresholds.real_below else "inconclusive"


def _picture(video: ScoredVideo, temperature: float) -> bytes:
    wrong = calibrated_probability(video.logits, temperature)
    if video.faces.video.label == LABELS["fake"]:
        wrong = 1 - wrong
    start, stop = video.faces.clips[int(np.argmax(wrong))]
    return as_jpeg(video.faces.load()[(start + stop) // 2])
