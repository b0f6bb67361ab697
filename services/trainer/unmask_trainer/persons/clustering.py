"""From points in face space to persons: agglomerative clustering with average linkage."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist

from unmask_trainer.errors import InvalidInput

# All pairs are held in memory: 1.6 GB of them.
_MOST_FILES: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class Persons:
    """Who is who.

    Attributes:
        person: Name of the person in each file: `p1` is shown in the most files.
        confidence: For each file, how far from the limit the distances are that decided, in limits,
            from 0 (it could as well be otherwise) to 1: the smaller one of how much closer the
            nearest file of the same person is, and how much farther the nearest of another.
    """

    person: tuple[str, ...]
    confidence: tuple[float, ...]


def group_identities(identities: NDArray[np.float64], *, limit: float) -> Persons:
    """Gather the files of each person.

    Two groups are joined while the mean distance between their members is below the limit.

    Args:
        identities: `(N, 128)`, one of each file.
        limit: Euclidean distance; lower ones tear persons apart, higher ones mix them.

    Raises:
        InvalidInput: There are too many files, or the limit is not above 0.
    """
    if limit <= 0:
        raise InvalidInput(f"a limit of {limit:g} joins nobody: it has to be above 0")
    if len(identities) > _MOST_FILES:
        raise InvalidInput(
            f"{len(identities)} files are too many to be compared with each other: at most "
            f"{_MOST_FILES} at once"
        )
    if len(identities) == 1:
        return Persons(person=("p1",), confidence=(1.0,))
    labels = fcluster(linkage(pdist(identities), "average"), limit, "distance")
    return Persons(
        person=_names(labels.tolist()), confidence=_confidence(identities, labels, limit)
    )


def _names(labels: Sequence[int]) -> tuple[str, ...]:
    """Numbers from the person with the most files on; among equals, by the first file."""
    counts = Counter(labels)
    ranked = sorted(counts, key=lambda label: (-counts[label], labels.index(label)))
    number = {label: f"p{place}" for place, label in enumerate(ranked, 1)}
    return tuple(number[label] for label in labels)


def _confidence(
    identities: NDArray[np.float64], labels: NDArray[np.int32], limit: float
) -> tuple[float, ...]:
    found = []
    for place, label in enumerate(labels):
        distances = cdist(identities[place : place + 1], identities)[0]
        distances[place] = np.inf
        own = distances[labels == label].min()
        other = distances[labels != label].min(initial=np.inf)
        closer = (limit - own) / limit if np.isfinite(own) else np.inf
        found.append(float(np.clip(min(closer, (other - limit) / limit), 0, 1)))
    return tuple(found)
