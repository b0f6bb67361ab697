"""Whether the score knows where a video is from: real videos of one source against another's.

No two real videos should differ in how forged they look. Where those of one source (a data set, a
codec, a size) get higher probabilities than another's, the score goes by more than forgery, and
figures over both sources flatter it if one of them has more forgeries.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_trainer.evaluation.document import Estimate, Resampling, SourcePair, SourceProbe
from unmask_trainer.evaluation.samples import Sample
from unmask_trainer.evaluation.summary import estimate_auc

FEWEST_REALS: Final = 10
# All pairs of more would be a table that nobody reads.
_MOST_SOURCES: Final = 8
_NEITHER: Final = 0.5


def source_probes(
    sample: Sample, columns: Sequence[str], resampling: Resampling
) -> tuple[SourceProbe, ...]:
    """Compare the real videos of each two data sets, and of each two values of some columns.

    Args:
        sample: Predictions, one for each video; forgeries among them are passed over.
        columns: Of the metadata.
        resampling: How to draw the bootstrap over people.

    Returns:
        One for the data sets, then one for each column; none for what is the same in all videos.
    """
    reals = sample.where(sample.labels == 0)
    origins: list[tuple[str | None, list[str]]] = [
        (None, [facts.dataset for facts in reals.facts]),
        *((name, [facts.columns.get(name, "") for facts in reals.facts]) for name in columns),
    ]
    return tuple(
        _probe(reals, column, sources, resampling)
        for column, sources in origins
        if len(set(sources) - {""}) > 1
    )


def _probe(
    reals: Sample, column: str | None, sources: Sequence[str], resampling: Resampling
) -> SourceProbe:
    counts = Counter(source for source in sources if source)
    enough = [name for name, count in counts.most_common(_MOST_SOURCES) if count >= FEWEST_REALS]
    names = np.array(sources)
    return SourceProbe(
        column=column,
        pairs=tuple(
            _compare(reals, names == first, names == second, (first, second), resampling)
            for first, second in combinations(sorted(enough), 2)
        ),
        not_compared=tuple(sorted(set(counts) - set(enough))),
    )


def _compare(
    reals: Sample,
    in_first: NDArray[np.bool_],
    in_second: NDArray[np.bool_],
    names: tuple[str, str],
    resampling: Resampling,
) -> SourcePair:
    chosen = in_first | in_second
    both = reals.where(chosen)
    found = estimate_auc(
        Sample(
            labels=in_first[chosen].astype(np.int64),
            probabilities=both.probabilities,
            facts=both.facts,
        ),
        resampling,
    )
    first, second = (
        (name, int(member.sum())) for name, member in zip(names, (in_first, in_second), strict=True)
    )
    if found.value is not None and found.value < _NEITHER:
        found, first, second = _the_other_way(found), second, first
    return SourcePair(
        more_fake=first[0],
        more_fake_real=first[1],
        less_fake=second[0],
        less_fake_real=second[1],
        auc=found,
    )


def _the_other_way(auc: Estimate) -> Estimate:
    def mirrored(value: float | None) -> float | None:
        return None if value is None else 1 - value

    return Estimate(value=mirrored(auc.value), low=mirrored(auc.high), high=mirrored(auc.low))
