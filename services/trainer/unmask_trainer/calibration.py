"""What is chosen on the validation people after training: temperature and thresholds."""

import numpy as np
from numpy.typing import ArrayLike

from unmask_shared.model.scoring import Thresholds, calibrated_probability

FALSE_FAKE_RATE = 0.05
FALSE_REAL_RATE = 0.10

_TEMPERATURES = np.geomspace(0.25, 10, 200)
_LEAST_PROBABILITY = 1e-7


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature with the lowest cross-entropy (Guo et al., ICML 2017).

    Searched on a grid between 0.25 and 10: one parameter needs no optimiser, and a grid cannot
    diverge.

    Args:
        logits: (N, 2) of clips.
        labels: (N,) 0 for real, 1 for fake.
    """
    is_fake = np.asarray(labels, dtype=bool)

    def cross_entropy(temperature: float) -> float:
        fake = calibrated_probability(logits, temperature)
        right = np.where(is_fake, fake, 1 - fake)
        return float(-np.mean(np.log(np.maximum(right, _LEAST_PROBABILITY))))

    return float(min(_TEMPERATURES, key=cross_entropy))


def choose_thresholds(labels: ArrayLike, probabilities: ArrayLike) -> Thresholds:
    """The inconclusive band.

    Over its upper end at most 5 % of the real videos are found, under its lower end at most 10 %
    of the fakes; calling a real video fake is the worse mistake. The band always holds 0.5.

    Args:
        labels: (N,) of videos; both classes must be present.
        probabilities: (N,) calibrated.

    Raises:
        ValueError: When a class is missing.
    """
    is_fake = np.asarray(labels, dtype=bool)
    values = np.asarray(probabilities, dtype=np.float64)
    if is_fake.all() or not is_fake.any():
        raise ValueError("thresholds need real and fake videos")
    upper = np.quantile(values[~is_fake], 1 - FALSE_FAKE_RATE, method="higher")
    lower = np.quantile(values[is_fake], FALSE_REAL_RATE, method="lower")
    return Thresholds(
        real_below=round(float(min(lower, 0.5)), 4), fake_above=round(float(max(upper, 0.5)), 4)
    )
