"""How often which values occur in a data set: the numbers behind its figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Place = Literal["start", "middle", "end"]

_MOST_BINS: Final = 30
# Beyond this ratio of the largest to the median value, equal bins would put nearly all into one.
_LONG_TAIL: Final = 12.0
_NICE_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of one quantity by group, over the same bins.

    Attributes:
        edges: (B + 1,) ascending; a bin holds its lower edge, the last one both.
        counts: (B,) by group.
        beyond: By group, how many are known only to be larger than everything counted.
        logarithmic: Whether the edges are evenly spaced on a logarithmic scale.
        values: The values themselves by group, for medians.
    """

    edges: NDArray[np.float64]
    counts: dict[str, NDArray[np.int64]]
    beyond: dict[str, int]
    logarithmic: bool
    values: dict[str, NDArray[np.float64]]


def histogram(
    values: Mapping[str, Sequence[float]],
    *,
    finest: float,
    round_numbers: Place = "start",
    beyond: Mapping[str, int] | None = None,
    reach: float | None = None,
) -> Histogram:
    """Count values in about 30 bins at most, with round edges.

    Args:
        values: By group, none negative.
        finest: The least width of a bin: finer ones would show rounding.
        round_numbers: Where in their bins round numbers lie: with `middle`, 29.97 belongs to 30;
            with `end`, for whole numbers only, 300 belongs to what is up to 300.
        beyond: By group, values that were not measured to their end.
        reach: The bins go at least this far.

    Returns:
        Bins from the smallest to the largest value; logarithmic ones for a long tail.
    """
    arrays = {group: np.asarray(some, np.float64) for group, some in values.items()}
    ends = np.array([] if reach is None else [reach])
    together = np.concatenate([ends, *arrays.values()])
    logarithmic = _has_long_tail(together)
    edges = (
        _logarithmic_edges(together)
        if logarithmic
        else _round_edges(together, finest, round_numbers)
    )
    return Histogram(
        edges=edges,
        counts={group: _count(some, edges) for group, some in arrays.items()},
        beyond={group: (beyond or {}).get(group, 0) for group in arrays},
        logarithmic=logarithmic,
        values=arrays,
    )


def _count(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    # Rounding of the edges must not leave the outermost values out.
    inside = np.clip(values, edges[0], edges[-1])
    return np.histogram(inside, edges)[0].astype(np.int64)


def _has_long_tail(values: NDArray[np.float64]) -> bool:
    return bool(len(values) and values.min() > 0 and values.max() > _LONG_TAIL * np.median(values))


def _logarithmic_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    edges: NDArray[np.float64] = np.geomspace(values.min(), values.max(), _MOST_BINS + 1)
    return edges


def _round_edges(values: NDArray[np.float64], finest: float, place: Place) -> NDArray[np.float64]:
    if not len(values):
        return np.array([0.0, finest])
    low, high = float(values.min()), float(values.max())
    step = _round_step(max(finest, (high - low) / _MOST_BINS))
    offset = {"start": 0.0, "middle": -step / 2, "end": 0.5}[place]
    first, last = np.floor((low - offset) / step), np.floor((high - offset) / step)
    edges: NDArray[np.float64] = np.arange(first, last + 2) * step + offset
    return edges


def _round_step(least: float) -> float:
    """The smallest round number that is not below `least`."""
    magnitude = 10.0 ** np.floor(np.log10(least))
    return float(next(nice * magnitude for nice in _NICE_STEPS if nice * magnitude >= least))
