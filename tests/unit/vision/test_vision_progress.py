import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from unmask_shared.vision.prefetch import prefetch
from unmask_shared.vision.progress import Progress


def test_progress_is_told_a_few_times_a_second_and_never_taken_back() -> None:
    told: list[tuple[float, float]] = []
    progress = Progress(lambda fraction: told.append((time.monotonic(), fraction)))
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < 1.1:
        progress.show(elapsed / 2)
        progress.show(elapsed / 4)
        time.sleep(0.005)
    progress.show(1.0)
    progress.show(0.5)
    times, fractions = zip(*told, strict=True)
    assert list(fractions) == sorted(set(fractions))
    assert fractions[-1] == 1.0
    assert all(later - earlier <= 0.5 for earlier, later in pairwise(times))
    assert 3 <= len(told) <= 8


def test_items_are_made_one_ahead_and_come_in_order() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number

    taken = []
    for item in prefetch(items(), lambda: None):
        taken.append(item)
        time.sleep(0.05)
        assert len(made) <= len(taken) + 1
    assert taken == list(range(5))


def test_errors_come_where_the_item_is_waited_for() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("in the thread")

    taken = prefetch(items(), lambda: None)
    assert next(taken) == 1
    with pytest.raises(ZeroDivisionError, match="in the thread"):
        next(taken)


def test_waiting_is_heard_of_and_closing_ends_the_thread() -> None:
    def items() -> Iterator[int]:
        while True:
            time.sleep(0.35)
            yield 1

    waits: list[float] = []
    before = threading.active_count()
    taken = prefetch(items(), lambda: waits.append(time.monotonic()))
    assert next(taken) == 1
    assert len(waits) >= 2
    taken.close()
    assert threading.active_count() == before
