"""The figure of a data set: how its videos are distributed, group by group."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from unmask_trainer.statistics.histograms import Histogram, Place, histogram
from unmask_trainer.statistics.selection import FrameRange
from unmask_trainer.statistics.summary import (
    Statistics,
    Summary,
    by_group,
    summarise,
    values_of,
)
from unmask_trainer.statistics.survey import SurveyedVideo

FIGURE_FILE: Final = "histograms.png"
# Okabe and Ito's colours, which stay apart for colour-blind readers.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_INK: Final = "#333333"
_BOUND_STYLE: Final[dict[str, Any]] = {"color": _INK, "linestyle": "--", "linewidth": 1}
_LONGEST_NAME: Final = 32
_FEW_BINS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One histogram with its name and unit; see `histogram` for the rest."""

    quantity: str
    title: str
    unit: str
    finest: float
    round_numbers: Place = "start"


PANELS: Final = (
    Panel(
        quantity="fps",
        title="Frame rate",
        unit="frames per second",
        finest=0.5,
        round_numbers="middle",
    ),
    Panel(quantity="width", title="Width", unit="pixels", finest=1.0, round_numbers="middle"),
    Panel(quantity="height", title="Height", unit="pixels", finest=1.0, round_numbers="middle"),
    Panel(quantity="duration_s", title="Duration", unit="seconds", finest=0.1),
    Panel(quantity="frames", title="Length", unit="frames", finest=1.0, round_numbers="end"),
)
_COUNTED_TO_END: Final = {"duration_s", "frames"}


def drawn_groups(videos: Sequence[SurveyedVideo]) -> dict[str, list[SurveyedVideo]]:
    """The groups that get a colour: the largest ones, and all others as one."""
    groups = by_group(videos)
    if len(groups) <= len(_COLOURS):
        return groups
    ranked = sorted(groups, key=lambda name: (-len(groups[name]), name))
    largest = ranked[: len(_COLOURS) - 1]
    rest = [video for name in ranked[len(largest) :] for video in groups[name]]
    return {name: groups[name] for name in largest} | {
        f"{len(groups) - len(largest)} other groups": rest
    }


def panel_histogram(panel: Panel, groups: Mapping[str, Sequence[SurveyedVideo]]) -> Histogram:
    """The numbers behind a panel."""
    unfinished = {name: _unfinished(videos) for name, videos in groups.items()}
    stops = [stop for found in unfinished.values() for stop in found]
    return histogram(
        {name: values_of(panel.quantity, videos) for name, videos in groups.items()},
        finest=panel.finest,
        round_numbers=panel.round_numbers,
        beyond={name: len(found) for name, found in unfinished.items()}
        if panel.quantity in _COUNTED_TO_END
        else None,
        reach=max(stops, default=None) if panel.quantity == "frames" else None,
    )


def _unfinished(videos: Sequence[SurveyedVideo]) -> list[int]:
    """How far the videos were counted that have more frames."""
    found = [video.facts for video in videos if video.facts is not None]
    return [facts.frames for facts in found if not facts.complete]


def draw_figure(statistics: Statistics, path: Path) -> None:
    """Draw the distributions of frame rate, width, height, duration and number of frames.

    Args:
        statistics: Of any number of videos.
        path: The PNG; its folder is created when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    groups = drawn_groups(statistics.videos)
    figure = Figure(figsize=(10, 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    *cells, last = figure.subplots(2, 3).flat
    for panel, axes in zip(PANELS, cells, strict=True):
        numbers = panel_histogram(panel, groups)
        _draw_bars(axes, numbers)
        _set_scale(axes, panel, numbers)
        _describe(axes, panel, numbers)
    summaries = {name: summarise(some, statistics.wanted) for name, some in groups.items()}
    _draw_key(last, summaries, bounded=_mark_range(cells[-1], statistics.wanted))
    with warnings.catch_warnings():
        # Folders may have names in scripts that the font lacks; the tables have them in full.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(path, metadata={"Software": None})


def _draw_bars(axes: Axes, numbers: Histogram) -> None:
    lefts, widths = numbers.edges[:-1], np.diff(numbers.edges)
    left, width = _place_beyond(numbers)
    base, base_beyond = np.zeros(len(widths)), 0
    for (name, counts), colour in zip(numbers.counts.items(), _COLOURS, strict=False):
        style: dict[str, Any] = {
            "align": "edge",
            "color": colour,
            "edgecolor": "white",
            "linewidth": 0.4,
        }
        axes.bar(lefts, counts, widths, bottom=base, **style)
        base += counts
        if beyond := numbers.beyond[name]:
            axes.bar(left, beyond, width, bottom=base_beyond, hatch="////", **style)
            base_beyond += beyond
    if base_beyond:
        axes.text(left + width / 2, base_beyond, "longer", ha="center", va="bottom", fontsize=7)


def _place_beyond(numbers: Histogram) -> tuple[float, float]:
    """Left end and width of the bar for what is longer than was counted: a bin off the others."""
    low, high = numbers.edges[-2:].tolist()
    if numbers.logarithmic:
        return high * high / low, high * (high / low) * (high / low - 1)
    return high + (high - low), high - low


def _set_scale(axes: Axes, panel: Panel, numbers: Histogram) -> None:
    if numbers.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=panel.finest >= 1))
        if len(numbers.edges) <= _FEW_BINS:
            # A few bars need air around them: they would fill the panel.
            air = _FEW_BINS * float(numbers.edges[1] - numbers.edges[0])
            axes.set_xlim(numbers.edges[0] - air, numbers.edges[-1] + air)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _describe(axes: Axes, panel: Panel, numbers: Histogram) -> None:
    axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold", color=_INK)
    axes.set_title(_median_and_range(numbers), loc="right", fontsize=8, color=_INK)
    axes.set_xlabel(panel.unit, fontsize=8.5)
    axes.set_ylabel("videos", fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)


def _median_and_range(numbers: Histogram) -> str:
    values = np.concatenate([*numbers.values.values(), np.empty(0)])
    if not len(values):
        return ""
    low, middle, high = (f"{round(value, 2):g}" for value in np.percentile(values, (0, 50, 100)))
    return low if low == high else f"median {middle}, {low} to {high}"


def _mark_range(axes: Axes, wanted: FrameRange) -> bool:
    """Draw those bounds of the range that lie inside of the panel; whether there are any."""
    # Between the last number that is dropped and the first that is kept, and the other way.
    bounds = [wanted.shortest - 0.5] if wanted.shortest > 1 else []
    bounds += [] if wanted.longest is None else [wanted.longest + 0.5]
    low, high = axes.get_xlim()
    inside = [bound for bound in bounds if low < bound < high]
    for bound in inside:
        axes.axvline(bound, **_BOUND_STYLE)
    return bool(inside)


def _draw_key(axes: Axes, groups: Mapping[str, Summary], *, bounded: bool) -> None:
    axes.axis("off")
    handles: list[Artist] = [
        Patch(color=colour) for _, colour in zip(groups, _COLOURS, strict=False)
    ]
    labels = [f"{_short(name)}\n{_counts(summary)}" for name, summary in groups.items()]
    if bounded:
        handles.append(Line2D([], [], **_BOUND_STYLE))
        labels.append("lengths that are kept")
    # Names may begin with an underscore, which hides a label, or hold dollar signs, which begin a
    # formula: so the texts are set afterwards.
    placeholders = ["-"] * len(handles)
    key = axes.legend(
        handles, placeholders, loc="center left", frameon=False, fontsize=9, labelspacing=0.7
    )
    for text, label in zip(key.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)


def _counts(summary: Summary) -> str:
    parts = [f"{summary.readable} videos"]
    if summary.files > summary.readable:
        parts.append(f"{summary.files - summary.readable} corrupt")
    if summary.kept < summary.readable:
        parts.append(f"{summary.kept} kept")
    return ", ".join(parts)


def _short(name: str) -> str:
    readable = name.encode("utf-8", "backslashreplace").decode()
    if len(readable) <= _LONGEST_NAME:
        return readable
    return f"{readable[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
