"""From the figures of an evaluation to the rows of a checkpoint's card."""

from unmask_shared.model.card import Evaluation, Interval
from unmask_trainer.evaluation.document import Estimate, Level, Summary

_DIGITS = 4


def card_row(summary: Summary, *, split: str, level: Level, note: str = "") -> Evaluation:
    """What a card keeps of a set of predictions, with its 95 % intervals.

    Args:
        summary: Of at least one prediction.
        split: Name of the set.
        level: What was predicted.
        note: What a reader has to know about the set.
    """
    accuracy, auc, decided, right = (
        summary.metrics[name] for name in ("accuracy", "auc", "decided_share", "decided_accuracy")
    )
    return Evaluation(
        split=split,
        level=level,
        people=summary.identities,
        real=summary.real,
        fake=summary.fake,
        accuracy=_defined(accuracy),
        accuracy_interval=_interval(accuracy),
        auc=_rounded(auc.value),
        auc_interval=_interval(auc),
        **summary.confusion.model_dump(),
        decided_share=_defined(decided),
        decided_share_interval=_interval(decided),
        decided_accuracy=_rounded(right.value),
        decided_accuracy_interval=_interval(right),
        note=note,
    )


def _defined(estimate: Estimate) -> float:
    if estimate.value is None:
        raise ValueError("a card cannot speak of a set without predictions")
    return round(estimate.value, _DIGITS)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _interval(estimate: Estimate) -> Interval | None:
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(low=round(estimate.low, _DIGITS), high=round(estimate.high, _DIGITS))
