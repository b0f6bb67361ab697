"""Predictions beside what is known about them: the rows that every figure is computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


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
