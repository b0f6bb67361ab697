"""The figures of an evaluation, as SVG for the report and as PNG for everything else."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unmask_trainer.evaluation.degradations import DEGRADATIONS
from unmask_trainer.evaluation.document import (
    Curves,
    DegradedPoint,
    Estimate,
    EvaluationDocument,
    Robustness,
    Slice,
)
from unmask_trainer.evaluation.wording import figure_text, interval_text

# Okabe and Ito's colours, which stay apart for colour-blind readers.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
_STYLES: Final = ("-", "--", "-.", ":")
_INK: Final = "#333333"
_SIZE: Final = (4.8, 3.7)
_LONGEST_NAME: Final = 28


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn figure.

    Attributes:
        section: The part of the report that it belongs to.
        title: Its heading.
        description: What it shows, for those who cannot see it.
        path: The SVG; the PNG lies beside it.
    """

    section: str
    title: str
    description: str
    path: Path


def draw_charts(document: EvaluationDocument, folder: Path) -> tuple[Chart, ...]:
    """Draw everything that the document holds curves for.

    Args:
        document: Of the evaluation.
        folder: Created when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_video = [part for part in document.slices if part.level == "video"]
    data_sets = {part.name: part for part in by_video if part.kind == "dataset"}
    charts: list[Chart] = []
    with _style():
        if any(curve.false_positive_rates for curve in document.curves):
            charts.append(_draw_roc(document.curves, data_sets, folder))
        for number, curve in enumerate(document.curves):
            charts.append(_draw_reliability(curve, folder / f"reliability-{number}.svg"))
            part = data_sets[curve.dataset]
            charts.append(_draw_confusion(part, folder / f"confusion-{number}.svg"))
        if document.robustness is not None:
            charts += _draw_robustness(document.robustness, folder)
    return tuple(charts)


@contextmanager
def _style() -> Iterator[None]:
    style = mpl.rc_context(
        {
            # Paths instead of text: it looks the same wherever it is opened.
            "svg.fonttype": "path",
            "svg.hashsalt": "unmask",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.parse_math": False,
        }
    )
    with style, warnings.catch_warnings():
        # Data sets may have names in scripts that the font lacks; the tables have them in full.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _canvas() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    # Without date and version the files stay the same from one run to the next.
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    figure.savefig(path.with_suffix(".png"), dpi=150, metadata={"Software": None})
    return path


def _draw_roc(curves: Sequence[Curves], data_sets: dict[str, Slice], folder: Path) -> Chart:
    figure, axes = _canvas()
    said = []
    for number, curve in enumerate(curves):
        if curve.false_positive_rates is None or curve.true_positive_rates is None:
            continue
        auc = data_sets[curve.dataset].summary.metrics["auc"]
        words = f"AUC {figure_text('auc', auc)} ({interval_text('auc', auc)})"
        axes.plot(
            curve.false_positive_rates,
            curve.true_positive_rates,
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_STYLES[number % len(_STYLES)],
            label=f"{words} on {_short(curve.dataset)}",
        )
        said.append(f"{curve.dataset}: {words}")
    axes.plot((0, 1), (0, 1), color="#999999", linewidth=1, label="guessing")
    axes.set(
        xlabel="Share of real videos over the threshold",
        ylabel="Share of forged videos over it",
        aspect="equal",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
    )
    figure.legend(loc="outside lower center", frameon=False, fontsize=8)
    return Chart(
        section="curves",
        title="ROC curve",
        description="ROC curves of the videos. " + ". ".join(said) + ".",
        path=_save(figure, folder / "roc.svg"),
    )


def _draw_reliability(curve: Curves, path: Path) -> Chart:
    figure, axes = _canvas()
    stated = [one.stated for one in curve.reliability]
    shares = [one.fake_share.value or 0.0 for one in curve.reliability]
    axes.plot((0, 1), (0, 1), color="#999999", linewidth=1)
    axes.errorbar(
        stated, shares, yerr=_bars([one.fake_share for one in curve.reliability]),
        fmt="o", color=_COLOURS[0], capsize=3,
    )  # fmt: skip
    for one, share in zip(curve.reliability, shares, strict=True):
        axes.annotate(
            f"{one.rows}",
            (one.stated, share),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set(
        xlabel="Stated probability of being fake",
        ylabel="Share that is fake",
        aspect="equal",
        xlim=(-0.02, 1.05),
        ylim=(-0.02, 1.05),
    )
    said = "; ".join(
        f"stated {one.stated:.2f}, fake {share:.2f} of {one.rows} videos"
        for one, share in zip(curve.reliability, shares, strict=True)
    )
    return Chart(
        section="curves",
        title=f"Reliability: {curve.dataset}",
        description=f"Stated probability against the share of forged videos in {curve.dataset}, "
        f"with 95 % intervals and numbers of videos; on the line it keeps its word. {said}.",
        path=_save(figure, path),
    )


def _draw_confusion(part: Slice, path: Path) -> Chart:
    counts = part.summary.confusion
    rows = ((counts.true_real, counts.false_fake), (counts.false_real, counts.true_fake))
    shares = [[count / max(1, sum(row)) for count in row] for row in rows]
    figure, axes = _canvas()
    axes.grid(visible=False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(rows):
        for x, count in enumerate(row):
            share = f"{100 * shares[y][x]:.0f} %" if sum(row) else "none"
            colour = "white" if shares[y][x] > 0.5 else _INK
            axes.text(x, y, f"{count}\n{share}", ha="center", va="center", color=colour)
    axes.set_xticks((0, 1), ("taken as real", "taken as fake"))
    axes.set_yticks((0, 1), ("real", "fake"))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return Chart(
        section="curves",
        title=f"Confusion matrix: {part.name}",
        description=f"Videos of {part.name} at a probability of 50 %. Of {sum(rows[0])} real ones "
        f"{rows[0][1]} are taken as fake; of {sum(rows[1])} forged ones {rows[1][0]} as real.",
        path=_save(figure, path),
    )


def _draw_robustness(found: Robustness, folder: Path) -> list[Chart]:
    charts = []
    for way in DEGRADATIONS:
        points = [point for point in found.points if point.degradation == way.name]
        if not points:
            continue
        shown = [found.untouched, *points]
        figure, axes = _canvas()
        _line(axes, [point.auc for point in shown], "AUC of videos", 0)
        _line(axes, [point.ece for point in shown], "calibration error of clips", 1)
        axes.axhline(0.5, color="#999999", linewidth=1)
        axes.set_xticks(range(len(shown)), ["as it is", *(point.label for point in points)])
        axes.set(xlabel=way.title, ylim=(-0.02, 1.02))
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        charts.append(
            Chart(
                section="robustness",
                title=way.title,
                description=f"{way.title}: " + "; ".join(map(_point_text, shown)) + ".",
                path=_save(figure, folder / f"robustness-{way.name}.svg"),
            )
        )
    return charts


def _line(axes: Axes, estimates: Sequence[Estimate], label: str, number: int) -> None:
    places = [i for i, one in enumerate(estimates) if one.value is not None]
    some = [estimates[i] for i in places]
    axes.errorbar(
        [place + 0.06 * number for place in places],
        [one.value or 0.0 for one in some],
        yerr=_bars(some),
        label=label,
        color=_COLOURS[number],
        linestyle=_STYLES[number],
        marker="os"[number],
        capsize=3,
    )


def _bars(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Lengths of error bars down and up; none where there is no interval."""
    values = [one.value or 0.0 for one in estimates]
    return [
        [
            0.0 if one.low is None else value - one.low
            for one, value in zip(estimates, values, strict=True)
        ],
        [
            0.0 if one.high is None else one.high - value
            for one, value in zip(estimates, values, strict=True)
        ],
    ]


def _point_text(point: DegradedPoint) -> str:
    where = "as it is" if point.degradation == "none" else point.label
    return f"{where}: AUC {figure_text('auc', point.auc)}, error {figure_text('ece', point.ece)}"


def _short(name: str) -> str:
    readable = name.encode("utf-8", "backslashreplace").decode()
    if len(readable) <= _LONGEST_NAME:
        return readable
    return f"{readable[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
