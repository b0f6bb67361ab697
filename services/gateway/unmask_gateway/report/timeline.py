"""A face's probability over the time of the video, as shapes of a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from unmask_gateway.model_catalogue import Thresholds
from unmask_gateway.report.words import clock, percent, why_not_judged
from unmask_shared.videos import Segment

WIDTH: Final = 1000
HEIGHT: Final = 120
# A clip of half a second in an hour would be too thin to be seen.
_THINNEST: Final = 4.0
_TICKS: Final = 5

Kind = Literal["fake", "unsure", "real", "judged", "not-judged"]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One segment; positions in units of the drawing, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    kind: Kind
    label: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A threshold of the model."""

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A time on the axis."""

    x: float
    anchor: Literal["start", "middle", "end"]
    label: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """All of the drawing."""

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT


def draw_timeline(
    segments: Sequence[Segment], *, duration_s: float, thresholds: Thresholds | None
) -> Timeline:
    """Draw the segments of a face; the higher a bar, the more it speaks for a forgery.

    Args:
        segments: In any order.
        duration_s: Of the video.
        thresholds: Of the model, if its card is known.
    """
    end_s = max([duration_s, 0.001, *(segment.end_s for segment in segments)])
    lines = []
    if thresholds:
        lines = [
            Line(
                y=_y(thresholds.fake_above), label=f"forged above {percent(thresholds.fake_above)}"
            ),
            Line(
                y=_y(thresholds.real_below), label=f"genuine below {percent(thresholds.real_below)}"
            ),
        ]
    ticks = tuple(
        Tick(
            x=WIDTH * number / (_TICKS - 1),
            anchor="start" if number == 0 else "end" if number == _TICKS - 1 else "middle",
            label=clock(end_s * number / (_TICKS - 1)),
        )
        for number in range(_TICKS)
    )
    return Timeline(
        bars=tuple(_bar(segment, end_s, thresholds) for segment in segments),
        lines=tuple(lines),
        ticks=ticks,
    )


def kind_of(probability: float, thresholds: Thresholds | None) -> Kind:
    """How the model would call a probability."""
    if thresholds is None:
        return "judged"
    if probability > thresholds.fake_above:
        return "fake"
    return "real" if probability < thresholds.real_below else "unsure"


def _bar(segment: Segment, end_s: float, thresholds: Thresholds | None) -> Bar:
    probability = segment.fake_probability
    width = max(_THINNEST, WIDTH * (segment.end_s - segment.start_s) / end_s)
    x = min(WIDTH * segment.start_s / end_s, WIDTH - width)
    when = f"{clock(segment.start_s)} to {clock(segment.end_s)}"
    if probability is None:
        label = f"{when}: {why_not_judged(segment.reason)}"
        return Bar(x=x, y=0, width=width, height=HEIGHT, kind="not-judged", label=label)
    y = min(_y(probability), HEIGHT - 2.0)  # also a probability of 0 was measured
    return Bar(
        x=x,
        y=y,
        width=width,
        height=HEIGHT - y,
        kind=kind_of(probability, thresholds),
        label=f"{when}: {percent(probability)}",
    )


def _y(probability: float) -> float:
    return round(HEIGHT * (1 - probability), 1)
