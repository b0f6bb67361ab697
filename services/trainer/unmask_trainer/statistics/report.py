"""The statistics of a data set as text for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from unmask_trainer.statistics.selection import Dropped
from unmask_trainer.statistics.summary import Statistics, Summary

_HEADINGS: Final = (
    *("", "files", "corrupt", "too short", "too long", "kept"),
    *("frames", "fps", "seconds", "most frequent size"),
)


def report(statistics: Statistics) -> str:
    """A row for each group with the median and range of what was counted, then what is wrong."""
    groups = statistics.groups
    rows = [_cells(name, summary) for name, summary in groups.items()]
    if len(groups) > 1:
        rows.append(_cells("all", statistics.total))
    lines = [*_aligned([_HEADINGS, *rows]), "", *_findings(statistics)]
    return _printable("\n".join(lines).rstrip() + "\n")


def _cells(name: str, summary: Summary) -> tuple[str, ...]:
    sizes = [f"{size} ({count})" for size, count in summary.resolutions.items()]
    return (
        name,
        str(summary.files),
        *(str(summary.dropped[reason]) for reason in Dropped),
        str(summary.kept),
        _range(summary, "frames", ".0f"),
        _range(summary, "fps", ".4g"),
        _range(summary, "duration_s", ".1f"),
        sizes[0] if sizes else "",
    )


def _range(summary: Summary, quantity: str, form: str) -> str:
    found = summary.distributions.get(quantity)
    if found is None:
        return ""
    if found.minimum == found.maximum:
        return f"{found.median:{form}}"
    return f"{found.median:{form}} ({found.minimum:{form}} to {found.maximum:{form}})"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        yield "  ".join(cells).rstrip()


def _findings(statistics: Statistics) -> Iterator[str]:
    total = statistics.total
    findings = {
        "have more frames than were counted; the ranges leave them out": total.longer_than_counted,
        "have another number of frames than their headers claim": total.misleading_headers,
        "have frames that cannot be decoded": total.partly_undecodable,
    }
    yield from (f"{count} {finding}." for finding, count in findings.items() if count)
    for names in statistics.duplicates:
        yield f"The same bytes: {', '.join(names)}"
    for video in statistics.videos:
        if video.problem is not None:
            yield f"Corrupt: {video.file.name}: {video.problem.code}: {video.problem.detail}"


def _printable(text: str) -> str:
    """Without the parts of file names that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()
