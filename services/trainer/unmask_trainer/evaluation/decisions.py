"""How well scores tell fakes from reals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of decisions, a probability over 0.5 being taken as fake."""

    true_real: int
    false_fake: int
    false_real: int
    true_fake: int

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        right = self.true_real + self.true_fake
        return right / (right + self.false_fake + self.false_real)


def confusion(labels: ArrayLike, probabilities: ArrayLike) -> Confusion:
    """Count decisions.

    Args:
        labels: (N,) 0 for real, 1 for fake.
        probabilities: (N,) of being fake.
    """
    is_fake = np.asarray(labels, dtype=bool)
    called_fake = np.asarray(probabilities, dtype=np.float64) > 0.5
    return Confusion(
        true_real=int(np.sum(~is_fake & ~called_fake)),
        false_fake=int(np.sum(~is_fake & called_fake)),
        false_real=int(np.sum(is_fake & ~called_fake)),
        true_fake=int(np.sum(is_fake & called_fake)),
    )


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve: how often a fake scores above a real, ties counting half.

    Args:
        labels: (N,) 0 for real, 1 for fake.
        scores: (N,), higher for fake.

    Returns:
        In [0, 1]; None when a class is missing.
    """
    is_fake = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    real: NDArray[np.float64] = np.sort(values[~is_fake])
    fake = values[is_fake]
    if not real.size or not fake.size:
        return None
    below = np.searchsorted(real, fake, side="left")
    not_above = np.searchsorted(real, fake, side="right")
    return float(np.mean((below + not_above) / 2) / real.size)
