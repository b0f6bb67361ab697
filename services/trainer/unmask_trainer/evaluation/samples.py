"""Predictions beside what is known about them: the rows that every figure is computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.scoring import calibrated_probability
from unmask_trainer.evaluation.scoring import ScoredVideo


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known about a video besides its label.

    Attributes:
        dataset: The data set that it is from.
        identities: Who is in it: the person, or for a forgery its target and its source. Videos
            that share one are not independent of each other.
        method: How it was forged; empty when it was not, or when that is unknown.
        columns: Its row of the metadata.
    """

    dataset: str
    identities: tuple[str, ...]
    method: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Predictions, all fields of one length N.

    Attributes:
        labels: (N,) 0 for real, 1 for fake.
        probabilities: (N,) calibrated, of being fake.
        facts: What is known about each.

    Raises:
        ValueError: When the lengths differ, or a probability is outside of [0, 1].
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    facts: tuple[Facts, ...]

    def __post_init__(self) -> None:
        if not len(self.labels) == len(self.probabilities) == len(self.facts):
            raise ValueError(
                f"{len(self.labels)} labels, {len(self.probabilities)} probabilities and facts "
                f"about {len(self.facts)} do not belong together"
            )
        if not np.all((self.probabilities >= 0) & (self.probabilities <= 1)):
            raise ValueError("a probability is not in [0, 1]")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def identities(self) -> tuple[tuple[str, ...], ...]:
        """Who is in each row; the same name in two data sets means two people."""
        return tuple(
            tuple(f"{facts.dataset}/{name}" for name in facts.identities) for facts in self.facts
        )

    def where(self, chosen: NDArray[np.bool_]) -> "Sample":
        """The rows for which `chosen` (N,) is true."""
        return Sample(
            labels=self.labels[chosen],
            probabilities=self.probabilities[chosen],
            facts=tuple(self.facts[i] for i in np.flatnonzero(chosen)),
        )


def video_sample(
    videos: Sequence[ScoredVideo], facts: Sequence[Facts], temperature: float
) -> Sample:
    """One row for each video, with the probability that serving would give."""
    return Sample(
        labels=np.array([video.faces.video.label for video in videos], np.int64),
        probabilities=np.array([video.probability(temperature) for video in videos], np.float64),
        facts=tuple(facts),
    )


def clip_sample(
    videos: Sequence[ScoredVideo], facts: Sequence[Facts], temperature: float
) -> Sample:
    """One row for each clip, with the label of its video."""
    counts = [len(video.logits) for video in videos]
    return Sample(
        labels=np.repeat(np.array([v.faces.video.label for v in videos], np.int64), counts),
        probabilities=np.concatenate(
            [np.empty(0), *(calibrated_probability(v.logits, temperature) for v in videos)]
        ),
        facts=tuple(
            about for about, count in zip(facts, counts, strict=True) for _ in range(count)
        ),
    )
