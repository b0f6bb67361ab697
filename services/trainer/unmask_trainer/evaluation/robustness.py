"""How much worse the checkpoint gets when the same videos are degraded."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from unmask_shared.model.predict import ClipClassifier
from unmask_trainer.evaluation.degradations import DEGRADATIONS, Crops, Degradation
from unmask_trainer.evaluation.document import DegradedPoint, Resampling, Robustness
from unmask_trainer.evaluation.samples import Facts
from unmask_trainer.evaluation.scoring import ScoredVideo, clip_sample, video_sample
from unmask_trainer.evaluation.summary import summarise

CLIPS_OF_A_VIDEO = 2


def sweep(
    classifier: ClipClassifier,
    videos: Sequence[ScoredVideo],
    facts: Sequence[Facts],
    *,
    limit: int,
    resampling: Resampling,
    degradations: Sequence[Degradation] = DEGRADATIONS,
    on_point: Callable[[str], None],
) -> Robustness:
    """Classify a part of the videos again, degraded in every way at every strength.

    The cost is bounded: `limit` videos, drawn by class so that both stay, and at most
    `CLIPS_OF_A_VIDEO` clips of each. The degradations work on the crops that the network reads.

    Args:
        classifier: The checkpoint.
        videos: As scored before.
        facts: About each video.
        limit: Most videos.
        resampling: Also draws the videos.
        degradations: What to do.
        on_point: Called with the name of each point that is done.
    """
    started = time.monotonic()
    places = choose(videos, limit, resampling.seed)
    chosen, about = [videos[i] for i in places], [facts[i] for i in places]
    clips = [clips_of(video) for video in chosen]

    def point(name: str, strength: float, change: Callable[[Crops], Crops]) -> DegradedPoint:
        scored = [
            ScoredVideo(
                faces=video.faces,
                logits=classifier.logits([change(clip) for clip in some]),
                lengths=tuple(len(clip) for clip in some),
            )
            for video, some in zip(chosen, clips, strict=True)
        ]
        card = classifier.card
        of_videos = summarise(
            video_sample(scored, about, card.temperature), card.thresholds, resampling
        )
        of_clips = summarise(
            clip_sample(scored, about, card.temperature), card.thresholds, resampling
        )
        on_point(name)
        return DegradedPoint(
            degradation=name,
            strength=strength,
            label=f"{strength:g}",
            auc=of_videos.metrics["auc"],
            ece=of_clips.metrics["ece"],
            brier=of_clips.metrics["brier"],
        )

    untouched = point("none", 0, lambda clip: clip)
    points = tuple(
        point(way.name, strength, lambda clip, w=way, s=strength: w.apply(clip, s))  # type: ignore[misc]
        for way in degradations
        for strength in way.strengths
    )
    return Robustness(
        videos=len(chosen),
        of_videos=len(videos),
        clips=sum(len(some) for some in clips),
        most_clips_of_a_video=CLIPS_OF_A_VIDEO,
        untouched=untouched,
        points=points,
        seconds=time.monotonic() - started,
    )


def choose(videos: Sequence[ScoredVideo], limit: int, seed: int) -> list[int]:
    """Positions of at most `limit` videos, as many of either class as there are, ascending."""
    rng = np.random.default_rng(seed)
    by_class = [
        rng.permutation([i for i, v in enumerate(videos) if v.faces.video.label == label])
        for label in (0, 1)
    ]
    smaller = min(limit // 2, *(len(places) for places in by_class))
    rest = limit - smaller
    longer = int(len(by_class[1]) > len(by_class[0]))
    counts = {longer: rest, 1 - longer: smaller}
    return sorted(int(i) for label in (0, 1) for i in by_class[label][: counts[label]])


def clips_of(video: ScoredVideo) -> list[Crops]:
    """Clips of a video, evenly spread over it."""
    spans = video.faces.clips
    places = np.unique(
        np.linspace(0, len(spans) - 1, min(CLIPS_OF_A_VIDEO, len(spans))).astype(int)
    )
    crops = video.faces.load()
    return [np.array(crops[spans[i][0] : spans[i][1]]) for i in places]
