"""Work on pictures by several threads; OpenCV and ISA-L let go of Python meanwhile."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import Any, Final, TypeVar

from numpy.typing import NDArray

_Done = TypeVar("_Done")

_MAX_THREADS: Final = 4


def count_threads() -> int:
    """As many threads as are of use."""
    return min(_MAX_THREADS, len(os.sched_getaffinity(0)))


def work_in_parts(
    work: Callable[[Any], list[_Done]], items: Sequence[Any] | NDArray[Any]
) -> list[_Done]:
    """Divide pictures among threads, one part for each.

    Handing over single pictures would take as long as encoding them.

    Args:
        work: From some of the items to as many results; called by several threads.
        items: A sequence or an array, whose slices are given to `work`.

    Returns:
        All results, in order. What `work` raises is raised.
    """
    count = min(count_threads(), len(items)) or 1
    ends = [len(items) * number // count for number in range(count + 1)]
    slices = [items[start:stop] for start, stop in pairwise(ends)]
    with ThreadPoolExecutor(count, thread_name_prefix="pictures") as threads:
        return list(chain.from_iterable(threads.map(work, slices)))
