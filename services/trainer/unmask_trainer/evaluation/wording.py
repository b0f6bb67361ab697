"""Says in plain words what figures mean, no stronger than their intervals allow."""

from dataclasses import dataclass
from typing import Final, Literal

from unmask_trainer.evaluation.document import (
    Breakdown,
    Estimate,
    Slice,
    SourceProbe,
    Summary,
)

NOT_DEFINED: Final = "not defined"
FEW_IDENTITIES: Final = 30
_GUESSING: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class MetricText:
    """How a figure is called, read and shown."""

    title: str
    meaning: str
    better: Literal["higher", "lower", "neither"]
    percent: bool = True


METRIC_TEXTS: Final = {
    "auc": MetricText(
        title="AUC",
        meaning="How often a forged video gets a higher score than a real one. Guessing gives "
        "0.5, perfect separation 1.",
        better="higher",
        percent=False,
    ),
    "average_precision": MetricText(
        title="Average precision",
        meaning="Precision over all thresholds. Guessing gives the share of forged videos.",
        better="higher",
        percent=False,
    ),
    "eer": MetricText(
        title="Equal error rate",
        meaning="The error at the threshold where as large a share of the real as of the forged "
        "videos is taken for the other. Guessing gives 50 %.",
        better="lower",
    ),
    "accuracy": MetricText(
        title="Accuracy",
        meaning="Share of right answers where a probability over 50 % is taken as fake, with "
        "nothing left inconclusive.",
        better="higher",
    ),
    "balanced_accuracy": MetricText(
        title="Balanced accuracy",
        meaning="The mean of the accuracies on real and on forged videos. Guessing gives 50 %.",
        better="higher",
    ),
    "false_positive_rate": MetricText(
        title="False positives",
        meaning="Share of the real videos with a probability over 50 %.",
        better="lower",
    ),
    "false_negative_rate": MetricText(
        title="False negatives",
        meaning="Share of the forged videos with a probability of at most 50 %.",
        better="lower",
    ),
    "decided_share": MetricText(
        title="Decided",
        meaning="Share that got a verdict other than inconclusive, by the checkpoint's thresholds.",
        better="neither",
    ),
    "decided_accuracy": MetricText(
        title="Accuracy where decided",
        meaning="Share of right verdicts among those.",
        better="higher",
    ),
    "real_called_fake": MetricText(
        title="Real called fake",
        meaning="Share of the real videos with the verdict fake: the gravest mistake.",
        better="lower",
    ),
    "fake_called_real": MetricText(
        title="Fake called real",
        meaning="Share of the forged videos with the verdict real.",
        better="lower",
    ),
    "ece": MetricText(
        title="Calibration error",
        meaning="Expected calibration error: how far stated probabilities are from how often "
        "videos with such probabilities are forged, in ten bins. Few videos make it look larger "
        "than it is.",
        better="lower",
    ),
    "brier": MetricText(
        title="Brier score",
        meaning="Mean squared distance of the probability from the truth. Always saying 50 % "
        "gives 0.25.",
        better="lower",
        percent=False,
    ),
}


def figure_text(name: str, estimate: Estimate) -> str:
    """The figure alone, e.g. `74 %` or `0.80`."""
    if estimate.value is None:
        return NOT_DEFINED
    return _number(estimate.value, percent=METRIC_TEXTS[name].percent)


def interval_text(name: str, estimate: Estimate) -> str:
    """The interval alone, e.g. `64 to 81 %`; empty for a figure that is not defined."""
    if estimate.value is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return "too little data for an interval"
    return _range(estimate.low, estimate.high, percent=METRIC_TEXTS[name].percent)


def gap_text(estimate: Estimate) -> str:
    """A difference of rates in percentage points, with its interval."""
    if estimate.value is None:
        return NOT_DEFINED
    found = f"{100 * estimate.value:+.0f}"
    if estimate.low is None or estimate.high is None:
        return f"{found} (too little data for an interval)"
    return f"{found} ({100 * estimate.low:+.0f} to {100 * estimate.high:+.0f})"


def separation(auc: Estimate) -> str:
    """What an AUC is worth, judged by the weaker end of its interval."""
    if auc.value is None:
        return "Real and forged cannot be compared: one of the two is missing."
    if auc.low is None or auc.high is None:
        return "Too little data to say whether it tells real from forged."
    if auc.high < _GUESSING:
        return "Worse than guessing: forged videos get lower scores than real ones."
    if auc.low <= _GUESSING:
        return "Not shown to be any better than guessing."
    grades = ((0.6, "Barely better than guessing."), (0.7, "Weak."), (0.8, "Modest."))
    for bound, words in grades:
        if auc.low < bound:
            return words
    return "Fair." if auc.low < 0.9 else "Good." if auc.low < 0.97 else "Very good."


def headline(part: Slice) -> list[str]:
    """What a reader has to know about the videos of one data set."""
    summary = part.summary
    auc = summary.metrics["auc"]
    sentences = [separation(auc)]
    if auc.value is not None:
        sentences.append(
            f"Shown one real and one forged video, it gives the forged one the higher score in "
            f"{_percent(auc)} of the cases; guessing would in 50 %."
        )
    for metric, truth, verdict, counts in (
        ("real_called_fake", "real", "fake", summary.verdicts["real"]),
        ("fake_called_real", "forged", "real", summary.verdicts["fake"]),
    ):
        videos = counts.real + counts.inconclusive + counts.fake
        if not videos:
            sentences.append(f"There are no {truth} videos, so nothing is known about those.")
            continue
        called = counts.fake if verdict == "fake" else counts.real
        share = _percent(summary.metrics[metric])
        sentences.append(f"{called} of the {videos} {truth} videos are called {verdict}: {share}.")
    decided = summary.metrics["decided_share"]
    sentences.append(f"There is a verdict on {_percent(decided)}; the others stay inconclusive.")
    if warning := small_sample(summary):
        sentences.append(warning)
    return sentences


def small_sample(summary: Summary) -> str:
    """A warning when few people stand behind the figures; empty otherwise."""
    if summary.identities >= FEW_IDENTITIES:
        return ""
    people = (
        "one person or source"
        if summary.identities == 1
        else f"{summary.identities} people or sources"
    )
    return (
        f"Only {people}: expect other people to give other figures, and trust the intervals more."
    )


def gap_findings(found: Breakdown) -> list[str]:
    """Which groups are treated differently, as far as the data shows."""
    names = {
        "false_positive_rate": "real videos are taken for fake",
        "false_negative_rate": "forged videos are missed",
    }
    sentences = []
    for group in found.gaps:
        for name, words in names.items():
            gap = group.gaps[name]
            if gap.value is None or gap.low is None or gap.high is None:
                continue
            if gap.low > 0 or gap.high < 0:
                often = "more" if gap.value > 0 else "less"
                sentences.append(
                    f"Of {group.group}, {words} {often} often than of the others, by "
                    f"{abs(100 * gap.value):.0f} percentage points."
                )
    if not found.gaps:
        return ["There are not two groups to compare."]
    if all(gap.low is None for group in found.gaps for gap in group.gaps.values()):
        return ["Too little data to compare the groups."]
    return sentences or [
        "No difference between the groups is shown beyond chance. That is no proof that there is "
        "none: see how wide the intervals are."
    ]


def source_findings(found: SourceProbe) -> list[str]:
    """Between which sources the score tells real videos apart, as far as the data shows."""
    if not found.pairs:
        return ["There are not two sources with enough real videos to compare."]
    known = [pair for pair in found.pairs if pair.auc.low is not None]
    if not known:
        return ["Too little data to compare the sources."]
    sentences = [
        f"Real videos of {pair.more_fake} look more fake than those of {pair.less_fake}: they get "
        f"the higher score in {_percent(pair.auc)} of the pairs, where 50 % is best."
        for pair in known
        if pair.auc.low is not None and pair.auc.low > _GUESSING
    ]
    return sentences or [
        "It is not shown that the score knows the source. That is no proof that it does not: see "
        "how wide the intervals are."
    ]


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return NOT_DEFINED
    found = _number(estimate.value, percent=True)
    if estimate.low is None or estimate.high is None:
        return f"{found} (too little data for an interval)"
    return f"{found} (95 % interval {_range(estimate.low, estimate.high, percent=True)})"


def _number(value: float, *, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else f"{value:.2f}"


def _range(low: float, high: float, *, percent: bool) -> str:
    if percent:
        return f"{100 * low:.0f} to {100 * high:.0f} %"
    return f"{low:.2f} to {high:.2f}"
