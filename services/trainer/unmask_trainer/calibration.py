"""What is chosen on the validation people after training: temperature and thresholds."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unmask_shared.model.scoring import Thresholds, calibrated_probability

FALSE_FAKE_RATE = 0.05
FALSE_REAL_RATE = 0.10
# Fewer videos of a class say nothing about one data set: there the others decide.
_LEAST_VIDEOS = 10

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


def choose_thresholds(
    labels: ArrayLike, probabilities: ArrayLike, data_sets: Sequence[str] | None = None
) -> Thresholds:
    """The inconclusive band.

    Over its upper end at most 5 % of the real videos are found, under its lower end at most 10 %
    of the fakes; calling a real video fake is the worse mistake. This holds for all videos and for
    those of each data set with ten of the class: the videos of a user are like none of them, and a
    large, easy set must not decide alone. The band always holds 0.5.

    Args:
        labels: (N,) of videos; both classes must be present.
        probabilities: (N,) calibrated.
        data_sets: (N,) names of their data sets; by default, all are of one.

    Raises:
        ValueError: When a class is missing.
    """
    is_fake = np.asarray(labels, dtype=bool)
    values = np.asarray(probabilities, dtype=np.float64)
    if is_fake.all() or not is_fake.any():
        raise ValueError("thresholds need real and fake videos")
    names = np.array(data_sets if data_sets is not None else [""] * len(values))
    upper = max(
        float(np.quantile(reals, 1 - FALSE_FAKE_RATE, method="higher"))
        for reals in _in_all_and_each(values[~is_fake], names[~is_fake])
    )
    lower = min(
        float(np.quantile(fakes, FALSE_REAL_RATE, method="lower"))
        for fakes in _in_all_and_each(values[is_fake], names[is_fake])
    )
    return Thresholds(real_below=round(min(lower, 0.5), 4), fake_above=round(max(upper, 0.5), 4))


def _in_all_and_each(
    values: NDArray[np.float64], names: NDArray[np.str_]
) -> Iterator[NDArray[np.float64]]:
    yield values
    for name in np.unique(names):
        members = values[names == name]
        if len(members) >= _LEAST_VIDEOS:
            yield members
