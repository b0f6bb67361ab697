"""Figures of merit, for many weightings of the same predictions at once.

A bootstrap resample is nothing but a weighting of the rows: computing a figure for B weightings in
one go is what makes a thousand resamples of every figure affordable. Weights of one give the plain
figure. Wherever scikit-learn has the figure, this is the same number (also with its
`sample_weight`).
"""

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.scoring import Thresholds

Floats = NDArray[np.float64]
ECE_BINS = 10
"""Bins of equal width for the expected calibration error and the reliability diagram."""


def measure(
    labels: NDArray[np.int64], probabilities: Floats, weights: Floats, thresholds: Thresholds
) -> dict[str, Floats]:
    """All figures for each weighting.

    Args:
        labels: (N,) 0 for real, 1 for fake.
        probabilities: (N,) of being fake; over 0.5 is taken as fake where no band is spoken of.
        weights: (B, N), not negative.
        thresholds: Ends of the inconclusive band.

    Returns:
        For each name in `METRICS` (B,), NaN where the figure is not defined: when a class is
        missing, or when nothing is left to divide by.
    """
    fake = labels == 1
    called_fake = probabilities > 0.5
    sure_fake = probabilities > thresholds.fake_above
    sure_real = probabilities < thresholds.real_below
    right = called_fake == fake
    sure = sure_fake | sure_real
    ranked = _Ranking(fake, probabilities, weights)
    false_positives = _share(weights, called_fake, ~fake)
    false_negatives = _share(weights, ~called_fake, fake)
    everything = np.ones(len(labels), bool)
    return {
        "auc": ranked.auc(),
        "average_precision": ranked.average_precision(),
        "eer": ranked.equal_error_rate(),
        "accuracy": _share(weights, right, everything),
        "balanced_accuracy": 1 - (false_positives + false_negatives) / 2,
        "false_positive_rate": false_positives,
        "false_negative_rate": false_negatives,
        "decided_share": _share(weights, sure, everything),
        "decided_accuracy": _share(weights, sure_fake == fake, sure),
        "real_called_fake": _share(weights, sure_fake, ~fake),
        "fake_called_real": _share(weights, sure_real, fake),
        "ece": expected_calibration_error(labels, probabilities, weights),
        "brier": _mean(weights, (probabilities - labels) ** 2),
    }


METRICS = (
    "auc",
    "average_precision",
    "eer",
    "accuracy",
    "balanced_accuracy",
    "false_positive_rate",
    "false_negative_rate",
    "decided_share",
    "decided_accuracy",
    "real_called_fake",
    "fake_called_real",
    "ece",
    "brier",
)
"""Names of the figures that `measure` returns."""


def bin_of(probabilities: Floats) -> NDArray[np.int64]:
    """Which of the `ECE_BINS` bins each probability falls into."""
    return np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)


def expected_calibration_error(
    labels: NDArray[np.int64], probabilities: Floats, weights: Floats
) -> Floats:
    """Mean distance of stated probability and share of fakes over bins (Naeini et al., AAAI 2015).

    Args:
        labels: (N,).
        probabilities: (N,).
        weights: (B, N).

    Returns:
        (B,) in [0, 1]. On few rows it is too high even for a perfectly calibrated model.
    """
    members = np.eye(ECE_BINS)[bin_of(probabilities)]
    excess = (weights * (probabilities - labels)) @ members
    return _divide(np.abs(excess).sum(axis=1), weights.sum(axis=1))


def auc(labels: NDArray[np.int64], scores: Floats, weights: Floats) -> Floats:
    """The area under the ROC curve alone, for each weighting.

    Args:
        labels: (N,) 0 or 1.
        scores: (N,), of any scale; higher for 1.
        weights: (B, N), not negative.

    Returns:
        (B,) in [0, 1], NaN where a class is missing.
    """
    return _Ranking(labels == 1, scores, weights).auc()


def roc_points(labels: NDArray[np.int64], scores: Floats) -> tuple[Floats, Floats]:
    """Rates of false and of true positives, from the strictest threshold to the most lenient.

    Returns:
        Two (U + 1,) from 0 to 1 for U different scores; NaN for a class that is missing.
    """
    ranked = _Ranking(labels == 1, scores, np.ones((1, len(labels))))
    false_positives, true_positives = ranked.rates()
    return false_positives[0], true_positives[0]


class _Ranking:
    """Weights of fakes and reals at each different score, from the highest score down."""

    def __init__(self, fake: NDArray[np.bool_], scores: Floats, weights: Floats) -> None:
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
        heavy = weights[:, order]
        self._fake = _sums(heavy * fake[order], starts)
        self._real = _sums(heavy * ~fake[order], starts)
        self._defined = (self._fake.sum(axis=1) > 0) & (self._real.sum(axis=1) > 0)

    def rates(self) -> tuple[Floats, Floats]:
        """False and true positives' rates (B, U + 1), beginning with 0."""
        return _cumulative_share(self._real), _cumulative_share(self._fake)

    def auc(self) -> Floats:
        false_positives, true_positives = self.rates()
        steps = np.diff(false_positives, axis=1)
        area: Floats = np.sum(steps * (true_positives[:, 1:] + true_positives[:, :-1]) / 2, axis=1)
        return np.where(self._defined, area, np.nan)

    def average_precision(self) -> Floats:
        fakes, all_called = self._fake.cumsum(axis=1), (self._fake + self._real).cumsum(axis=1)
        precision = np.divide(fakes, all_called, out=np.zeros_like(fakes), where=all_called > 0)
        steps = np.diff(_cumulative_share(self._fake), axis=1)
        area: Floats = np.sum(steps * precision, axis=1)
        return np.where(self._defined, area, np.nan)

    def equal_error_rate(self) -> Floats:
        """Where the straight pieces of the ROC curve meet the line of equal error rates."""
        false_positives, true_positives = self.rates()
        misses = 1 - true_positives
        surplus = false_positives - misses
        after = np.argmax(surplus >= 0, axis=1)
        rows, before = np.arange(len(surplus)), np.maximum(after - 1, 0)
        rise = surplus[rows, after] - surplus[rows, before]
        way = np.divide(-surplus[rows, before], rise, out=np.zeros_like(rise), where=rise > 0)
        start = false_positives[rows, before]
        meeting: Floats = start + way * (false_positives[rows, after] - start)
        return np.where(self._defined, meeting, np.nan)


def _sums(values: Floats, starts: NDArray[np.int64]) -> Floats:
    if not len(starts):
        return np.zeros((len(values), 0))
    sums: Floats = np.add.reduceat(values, starts, axis=1)
    return sums


def _cumulative_share(values: Floats) -> Floats:
    sums = np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)
    return _divide(sums, sums[:, -1:])


def _share(weights: Floats, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Floats:
    return _divide(weights @ (hits & among).astype(float), weights @ among.astype(float))


def _mean(weights: Floats, values: Floats) -> Floats:
    return _divide(weights @ values, weights.sum(axis=1))


def _divide(dividend: Floats, divisor: Floats) -> Floats:
    shape = np.broadcast_shapes(dividend.shape, divisor.shape)
    quotient: Floats = np.divide(dividend, divisor, out=np.full(shape, np.nan), where=divisor > 0)
    return quotient
