"""Lets candidates take turns, and prints what came of it as a Markdown table."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[], object]


def median_ms(candidates: Mapping[str, Run], rounds: int) -> dict[str, float]:
    """Let all candidates take turns; the median time of each, in milliseconds."""
    for run in candidates.values():  # load models and warm caches
        run()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            started = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table; all columns but the first are figures."""
    print(f"\n| {' | '.join(header)} |")
    print(f"|---|{'--:|' * (len(header) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
