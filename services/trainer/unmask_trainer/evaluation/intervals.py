"""95 % intervals: percentiles of a bootstrap, kept honest where there is little data.

The percentile bootstrap is too narrow for few identities, and collapses to a point when every
answer was right. The first is mended by wider percentiles (Hesterberg, "What Teachers Should Know
About the Bootstrap", The American Statistician 69, 2015: the expanded percentile interval), the
second by intervals that have a width at the ends: Wilson's for rates, and Newcombe's for the area
under the ROC curve (Statistics in Medicine 25, 2006, method 5), both for the number of independent
observations that the bootstrap's variance amounts to (Korn and Graubard, Survey Methodology 24,
1998).
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats has the same, and takes seconds to import

LEVEL = 0.95

_Z = float(special.ndtri((1 + LEVEL) / 2))
_FEWEST_DEFINED = 0.5
_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Ends of a 95 % interval."""

    low: float
    high: float

    def hull(self, other: "Interval") -> "Interval":
        """The smallest interval that holds both."""
        return Interval(low=min(self.low, other.low), high=max(self.high, other.high))


def expanded_percentiles(
    value: float, replicates: NDArray[np.float64], clusters: int, *, biased: bool = False
) -> Interval | None:
    """Percentiles of the replicates, as far out as the number of clusters asks for.

    Args:
        value: The figure of the sample itself; the interval always holds it.
        replicates: (B,) the figure of each resample, NaN where it is not defined.
        clusters: How many independent units were resampled.
        biased: Whether resamples exceed the figure as the figure exceeds the truth: the calibration
            error, a mean of absolute values, does. The percentiles are then mirrored about the
            figure (Davison and Hinkley, "Bootstrap Methods", 1997: the basic interval).

    Returns:
        None when there are fewer than two clusters, when all replicates are the same, which says
        nothing about the figure's uncertainty, or when most are not defined.
    """
    defined = replicates[np.isfinite(replicates)]
    if clusters < 2 or defined.size < _FEWEST_DEFINED * replicates.size or not np.ptp(defined):
        return None
    reach = special.stdtrit(clusters - 1, (1 + LEVEL) / 2) * sqrt(clusters / (clusters - 1))
    tail = float(special.ndtr(-reach))
    low, high = (float(end) for end in np.quantile(defined, [tail, 1 - tail]))
    if biased:
        low, high = max(0.0, 2 * value - high), 2 * value - low
    return Interval(low=min(low, value), high=max(high, value))


def wilson(rate: float, observations: float) -> Interval:
    """Wilson's score interval (JASA 22, 1927) for a rate among independent observations."""
    spread = _Z**2 / observations
    middle = (rate + spread / 2) / (1 + spread)
    half = _Z * sqrt(rate * (1 - rate) / observations + spread / (4 * observations)) / (1 + spread)
    return Interval(low=min(rate, max(0.0, middle - half)), high=max(rate, min(1.0, middle + half)))


def newcombe(auc: float, reals: float, fakes: float) -> Interval:
    """Newcombe's interval for the area under the ROC curve.

    Args:
        auc: In [0, 1].
        reals: Independent observations of that class, positive.
        fakes: Likewise.
    """

    def end(stop: float) -> float:
        inside, outside = auc, stop
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            if abs(auc - middle) <= _Z * sqrt(auc_variance(middle, reals, fakes)):
                inside = middle
            else:
                outside = middle
        return outside

    return Interval(low=end(0.0), high=end(1.0))


def auc_variance(auc: float, reals: float, fakes: float) -> float:
    """Variance of the area under the ROC curve (Hanley and McNeil, Radiology 143, 1982).

    With Newcombe's averaging of the two sample sizes.
    """
    pairs = (reals + fakes) / 2 - 1
    shape = 1 + pairs * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return max(0.0, auc * (1 - auc) * shape / (reals * fakes))
