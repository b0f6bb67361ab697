"""The figures of one set of predictions, each with its interval."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.scoring import Thresholds
from unmask_trainer.evaluation.bootstrap import IdentityBootstrap
from unmask_trainer.evaluation.decisions import confusion
from unmask_trainer.evaluation.document import (
    Bin,
    Counts,
    Estimate,
    GroupGaps,
    Resampling,
    Summary,
    Verdicts,
)
from unmask_trainer.evaluation.intervals import (
    Interval,
    auc_variance,
    expanded_percentiles,
    newcombe,
    wilson,
)
from unmask_trainer.evaluation.metrics import ECE_BINS, METRICS, auc, bin_of, measure
from unmask_trainer.evaluation.samples import Sample

Figures = dict[str, NDArray[np.float64]]

_REAL_ONLY = {"false_positive_rate", "real_called_fake"}
_FAKE_ONLY = {"false_negative_rate", "fake_called_real"}
_BOTH = {"eer", "balanced_accuracy"}
_EVERYTHING = {"accuracy", "decided_share", "decided_accuracy"}
_BIASED = {"ece"}
_RATES = _REAL_ONLY | _FAKE_ONLY | _BOTH | _EVERYTHING
GAPS = ("false_positive_rate", "false_negative_rate")


def summarise(sample: Sample, thresholds: Thresholds, resampling: Resampling) -> Summary:
    """Compute every figure with its 95 % interval over identities.

    Args:
        sample: Any number of rows; figures that they do not define are None.
        thresholds: Ends of the inconclusive band.
        resampling: How to draw the bootstrap.
    """
    bootstrap = IdentityBootstrap(
        sample.identities, resamples=resampling.resamples, seed=resampling.seed
    )

    def figures(weights: NDArray[np.float64]) -> Figures:
        return measure(sample.labels, sample.probabilities, weights, thresholds)

    values = figures(np.ones((1, len(sample))))
    replicates = _replicate(bootstrap, figures, METRICS)
    sizes = _Sizes(sample)
    counts = confusion(sample.labels, sample.probabilities)
    return Summary(
        rows=len(sample),
        real=sizes.reals,
        fake=sizes.fakes,
        identities=bootstrap.clusters,
        metrics={
            name: _estimate(name, float(values[name][0]), replicates[name], sizes)
            for name in METRICS
        },
        confusion=Counts(
            true_real=counts.true_real,
            false_fake=counts.false_fake,
            false_real=counts.false_real,
            true_fake=counts.true_fake,
        ),
        verdicts={
            name: _verdicts(sample.probabilities[sample.labels == label], thresholds)
            for label, name in enumerate(("real", "fake"))
        },
    )


def estimate_auc(sample: Sample, resampling: Resampling) -> Estimate:
    """The AUC alone, of rows labelled 1 against rows labelled 0, whatever the labels stand for.

    Args:
        sample: Predictions.
        resampling: How to draw the bootstrap over identities.
    """
    bootstrap = IdentityBootstrap(
        sample.identities, resamples=resampling.resamples, seed=resampling.seed
    )

    def figures(weights: NDArray[np.float64]) -> Figures:
        return {"auc": auc(sample.labels, sample.probabilities, weights)}

    value = float(figures(np.ones((1, len(sample))))["auc"][0])
    replicates = _replicate(bootstrap, figures, ("auc",))
    return _estimate("auc", value, replicates["auc"], _Sizes(sample))


def group_gaps(
    sample: Sample, groups: Sequence[str], thresholds: Thresholds, resampling: Resampling
) -> tuple[GroupGaps, ...]:
    """Error rates of each group, less those of all other groups together.

    Both rates come from the same resample of identities, so that what people of both have in
    common does not widen the interval. A group against the rest, not the largest difference of
    any two: that one grows with the number of groups where there is no difference at all.

    Args:
        sample: Predictions.
        groups: (N,) the group of each row.
        thresholds: Ends of the inconclusive band.
        resampling: How to draw the bootstrap.

    Returns:
        One for each group, by name; none when there is a single group.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        return ()
    bootstrap = IdentityBootstrap(
        sample.identities, resamples=resampling.resamples, seed=resampling.seed
    )
    result = []
    for name in names:
        member = np.array([group == name for group in groups])

        def gaps(weights: NDArray[np.float64], member: NDArray[np.bool_] = member) -> Figures:
            inside = measure(sample.labels, sample.probabilities, weights * member, thresholds)
            outside = measure(sample.labels, sample.probabilities, weights * ~member, thresholds)
            return {gap: inside[gap] - outside[gap] for gap in GAPS}

        values = gaps(np.ones((1, len(sample))))
        replicates = _replicate(bootstrap, gaps, GAPS)
        sides = _Sizes(sample.where(member)), _Sizes(sample.where(~member))
        result.append(
            GroupGaps(
                group=name,
                gaps={
                    gap: _gap(
                        float(values[gap][0]),
                        replicates[gap],
                        min(side.of(gap)[1] for side in sides),
                    )
                    for gap in GAPS
                },
            )
        )
    return tuple(result)


def reliability(sample: Sample) -> tuple[Bin, ...]:
    """Stated probability against the share of fakes, for each bin that has rows."""
    places = bin_of(sample.probabilities)
    bins = []
    for number in range(ECE_BINS):
        chosen = sample.where(places == number)
        if not len(chosen):
            continue
        share = float(chosen.labels.mean())
        interval = wilson(share, _clusters(chosen))
        bins.append(
            Bin(
                low=number / ECE_BINS,
                high=(number + 1) / ECE_BINS,
                rows=len(chosen),
                stated=float(chosen.probabilities.mean()),
                fake_share=Estimate(value=share, low=interval.low, high=interval.high),
            )
        )
    return tuple(bins)


class _Sizes:
    """How many rows and how many identities speak about each class."""

    def __init__(self, sample: Sample) -> None:
        fake = sample.labels == 1
        self.rows = len(sample)
        self.fakes = int(fake.sum())
        self.reals = self.rows - self.fakes
        self.real_clusters = _clusters(sample.where(~fake))
        self.fake_clusters = _clusters(sample.where(fake))
        self.clusters = _clusters(sample)

    def of(self, metric: str) -> tuple[int, int]:
        """Rows and clusters behind a rate."""
        if metric in _REAL_ONLY:
            return self.reals, self.real_clusters
        if metric in _FAKE_ONLY:
            return self.fakes, self.fake_clusters
        if metric in _BOTH:
            return self.rows, min(self.real_clusters, self.fake_clusters)
        return self.rows, self.clusters


def _clusters(sample: Sample) -> int:
    """Independent people: forgeries of one target are not independent, whatever their sources."""
    return len({row[0] for row in sample.identities})


def _replicate(
    bootstrap: IdentityBootstrap,
    figures: Callable[[NDArray[np.float64]], Figures],
    names: Sequence[str],
) -> Figures:
    parts = [figures(weights) for weights in bootstrap.weights()]
    return {name: np.concatenate([np.empty(0), *(part[name] for part in parts)]) for name in names}


def _estimate(name: str, value: float, replicates: NDArray[np.float64], sizes: _Sizes) -> Estimate:
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    rows, clusters = sizes.of(name)
    found = expanded_percentiles(value, replicates, clusters, biased=name in _BIASED)
    variance = float(np.nanvar(replicates)) if found else 0.0
    exact: Interval | None = None
    if name in _RATES:
        # As many independent observations as would vary as much; a rate of 0 or 1 does not vary.
        effective = value * (1 - value) / variance if variance else 0.0
        exact = wilson(value, min(rows, effective) if effective > 0 else clusters)
    elif name == "auc":
        ratio = auc_variance(value, sizes.real_clusters, sizes.fake_clusters) / (variance or 1.0)
        scale = ratio if variance and ratio > 0 else 1.0
        exact = newcombe(
            value,
            min(sizes.reals, scale * sizes.real_clusters),
            min(sizes.fakes, scale * sizes.fake_clusters),
        )
    interval = found.hull(exact) if found and exact else found or exact
    return Estimate(
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
    )


def _gap(value: float, replicates: NDArray[np.float64], clusters: int) -> Estimate:
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    interval = expanded_percentiles(value, replicates, clusters)
    return Estimate(
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
    )


def _verdicts(probabilities: NDArray[np.float64], thresholds: Thresholds) -> Verdicts:
    fake = int(np.sum(probabilities > thresholds.fake_above))
    real = int(np.sum(probabilities < thresholds.real_below))
    return Verdicts(real=real, inconclusive=len(probabilities) - fake - real, fake=fake)
