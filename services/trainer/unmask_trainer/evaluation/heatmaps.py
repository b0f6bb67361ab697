"""Where the network saw signs of a forgery, in some of the videos that it judged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import LABELS
from unmask_shared.model.overlay import overlay
from unmask_shared.model.predict import ClipClassifier
from unmask_trainer.evaluation.document import HeatmapExample
from unmask_trainer.evaluation.mistakes import verdict_of
from unmask_trainer.evaluation.pictures import as_jpeg
from unmask_trainer.evaluation.samples import Facts
from unmask_trainer.evaluation.scoring import ScoredVideo

HEATMAPS_FOLDER = "heatmaps"

_SIDE = 224


@dataclass(frozen=True, kw_only=True)
class ShownHeatmap:
    """An example, and as JPEG the crop with the coloured crop to its right."""

    example: HeatmapExample
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class _Judged:
    video: ScoredVideo
    facts: Facts
    probability: float

    @property
    def certainty(self) -> float:
        return abs(self.probability - 0.5)

    @property
    def kind(self) -> tuple[bool, bool]:
        """Whether it is real, and whether it was judged wrongly: forgeries found come first."""
        is_fake = self.video.faces.video.label == LABELS["fake"]
        return not is_fake, (self.probability > 0.5) != is_fake


def example_heatmaps(
    classifier: ClipClassifier,
    videos: Sequence[ScoredVideo],
    facts: Sequence[Facts],
    *,
    limit: int,
    of: Collection[str] = (),
) -> list[ShownHeatmap]:
    """Explain the videos that were judged most certainly, rightly and wrongly, of both classes.

    Args:
        classifier: Judged them.
        videos: As it scored them.
        facts: About each.
        limit: Most videos of each of the four kinds.
        of: Data sets whose people may be shown; all of them where this is empty.

    Returns:
        Forgeries found, forgeries missed, real videos found real, and real ones called fake, in
        each kind the farthest from 0.5 first.
    """
    temperature = classifier.card.temperature
    judged = [
        _Judged(video=video, facts=about, probability=video.probability(temperature))
        for video, about in zip(videos, facts, strict=True)
        if not of or about.dataset in of
    ]
    judged.sort(key=lambda j: (j.kind, -j.certainty, j.facts.dataset, j.video.faces.video.id))
    kinds = sorted({one.kind for one in judged})
    chosen = [one for kind in kinds for one in [j for j in judged if j.kind == kind][:limit]]
    return [_explain(classifier, one, number) for number, one in enumerate(chosen, start=1)]


def _explain(classifier: ClipClassifier, judged: _Judged, number: int) -> ShownHeatmap:
    video = judged.video
    position = int(np.argmax(video.logits[:, LABELS["fake"]] - video.logits[:, LABELS["real"]]))
    start, stop = video.faces.clips[position]
    crops = np.array(video.faces.load()[start:stop])
    (evidence,) = classifier.explain([crops])
    frame = int(np.argmax(evidence.contributions))
    return ShownHeatmap(
        example=HeatmapExample(
            dataset=judged.facts.dataset,
            id=video.faces.video.id,
            label="fake" if video.faces.video.label == LABELS["fake"] else "real",
            method=judged.facts.method,
            fake_probability=judged.probability,
            verdict=verdict_of(judged.probability, classifier.card.thresholds),
            clip=position,
            frame=frame,
            contribution=float(evidence.contributions[frame]),
            picture=f"{HEATMAPS_FOLDER}/{number:02}.jpg",
        ),
        jpeg=as_jpeg(_side_by_side(crops[frame], evidence.heatmap(frame, _SIDE))),
    )


def _side_by_side(crop: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    size = (_SIDE, _SIDE)
    larger = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.hstack([larger, overlay(larger, heat)])
