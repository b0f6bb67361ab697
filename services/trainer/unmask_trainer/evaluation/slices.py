"""The parts of a set of predictions that are looked at one by one."""

from collections.abc import Sequence

import numpy as np

from unmask_shared.model.scoring import Thresholds
from unmask_trainer.evaluation.document import (
    Breakdown,
    Curves,
    Level,
    Resampling,
    Slice,
    SliceKind,
)
from unmask_trainer.evaluation.metrics import roc_points
from unmask_trainer.evaluation.samples import Sample
from unmask_trainer.evaluation.summary import group_gaps, reliability, summarise

_MOST_POINTS = 400


def slices(
    sample: Sample, level: Level, thresholds: Thresholds, resampling: Resampling
) -> tuple[Slice, ...]:
    """Summaries of everything, of each data set, and of each method of forgery.

    A method's forgeries are measured against all real rows of its data set; otherwise how hard the
    reals are would be mistaken for how hard the method is.
    """

    def part(
        kind: SliceKind, name: str, chosen: Sequence[bool], dataset: str | None = None
    ) -> Slice:
        summary = summarise(sample.where(np.array(chosen, bool)), thresholds, resampling)
        return Slice(kind=kind, name=name, dataset=dataset, level=level, summary=summary)

    found = [part("all", "all", [True] * len(sample))]
    for dataset in datasets_of(sample):
        inside = [facts.dataset == dataset for facts in sample.facts]
        found.append(part("dataset", dataset, inside, dataset))
        methods = {
            facts.method
            for facts, label in zip(sample.facts, sample.labels, strict=True)
            if facts.dataset == dataset and facts.method and label == 1
        }
        for method in sorted(methods):
            chosen = [
                here and (label == 0 or facts.method == method)
                for here, label, facts in zip(inside, sample.labels, sample.facts, strict=True)
            ]
            found.append(part("method", method, chosen, dataset))
    return tuple(found)


def breakdown(
    sample: Sample, column: str, thresholds: Thresholds, resampling: Resampling
) -> Breakdown:
    """Summaries and gaps of error rates by the values of a column."""
    values = [facts.columns.get(column, "") for facts in sample.facts]
    known = np.array([bool(value) for value in values])
    stated = sample.where(known)
    groups = [value for value in values if value]
    return Breakdown(
        column=column,
        unknown=int(np.sum(~known)),
        groups=tuple(
            Slice(
                kind="column",
                name=name,
                level="video",
                summary=summarise(
                    stated.where(np.array([group == name for group in groups])),
                    thresholds,
                    resampling,
                ),
            )
            for name in sorted(set(groups))
        ),
        gaps=group_gaps(stated, groups, thresholds, resampling),
    )


def curves(sample: Sample) -> tuple[Curves, ...]:
    """ROC curve and reliability of each data set."""
    found = []
    for dataset in datasets_of(sample):
        part = sample.where(np.array([facts.dataset == dataset for facts in sample.facts]))
        both = len(set(part.labels.tolist())) > 1
        false_positives, true_positives = roc_points(part.labels, part.probabilities)
        places = np.unique(
            np.linspace(
                0, len(false_positives) - 1, min(_MOST_POINTS, len(false_positives))
            ).astype(int)
        )
        found.append(
            Curves(
                dataset=dataset,
                false_positive_rates=tuple(false_positives[places].tolist()) if both else None,
                true_positive_rates=tuple(true_positives[places].tolist()) if both else None,
                reliability=reliability(part),
            )
        )
    return tuple(found)


def datasets_of(sample: Sample) -> list[str]:
    """Names of the data sets, in order of their first row."""
    return list(dict.fromkeys(facts.dataset for facts in sample.facts))
