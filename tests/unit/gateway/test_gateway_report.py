"""The words and drawings of reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_gateway.model_catalogue import Thresholds
from unmask_gateway.report.timeline import HEIGHT, WIDTH, draw_timeline
from unmask_gateway.report.words import (
    clock,
    file_size,
    percent,
    verdict_in_words,
    why_not_judged,
)
from unmask_shared.videos import Reason, Result, Segment, Verdict

THRESHOLDS = Thresholds(real_below=0.2, fake_above=0.8)


@pytest.mark.parametrize("reason", Reason)
def test_there_are_words_for_every_reason(reason: Reason) -> None:
    result = Result(verdict=Verdict.INCONCLUSIVE, fake_probability=None, reason=reason, faces=())
    headline, sentence = verdict_in_words(result)
    assert headline
    assert sentence.endswith(".")


@pytest.mark.parametrize("verdict", [Verdict.FAKE, Verdict.REAL])
def test_decisions_have_words_too(verdict: Verdict) -> None:
    result = Result(verdict=verdict, fake_probability=0.5, reason=None, faces=())
    assert verdict_in_words(result)[0]


def test_a_face_that_was_not_judged_says_why() -> None:
    assert why_not_judged(Reason.FACES_TOO_SMALL) == "not judged: too small"
    assert why_not_judged(None) == "not judged"


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(0, "0 %"), (0.001, "under 1 %"), (0.5, "50 %"), (0.9999, "over 99 %"), (1, "100 %")],
)
def test_percentages_are_never_more_certain_than_they_are(fraction: float, words: str) -> None:
    assert percent(fraction).replace("\u00a0", " ") == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00.0"), (59.96, "1:00.0"), (61.25, "1:01.2"), (3600, "60:00.0")]
)
def test_times_are_minutes_and_seconds(seconds: float, words: str) -> None:
    assert clock(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 bytes"), (1023, "1023 bytes"), (1024, "1.0 KB"), (1843200, "1.8 MB")],
)
def test_sizes_have_fitting_units(count: int, words: str) -> None:
    assert file_size(count) == words


probabilities = st.one_of(st.none(), st.floats(0, 1))


@given(
    parts=st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 10), probabilities), max_size=8),
    duration_s=st.floats(0, 5000),
    thresholds=st.sampled_from([None, THRESHOLDS]),
)
def test_bars_can_be_seen_and_stay_in_the_drawing(
    parts: list[tuple[float, float, float | None]],
    duration_s: float,
    thresholds: Thresholds | None,
) -> None:
    segments = [
        Segment(start_s=start, end_s=start + length, fake_probability=probability)
        for start, length, probability in parts
    ]
    drawing = draw_timeline(segments, duration_s=duration_s, thresholds=thresholds)
    assert len(drawing.bars) == len(segments)
    for bar in drawing.bars:
        assert -0.01 <= bar.x <= bar.x + bar.width <= WIDTH + 0.01
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.01
        assert bar.width >= 1
        assert bar.height >= 1
    assert len(drawing.lines) == (0 if thresholds is None else 2)


def test_bars_are_called_as_the_model_calls_them() -> None:
    segments = [
        Segment(start_s=at, end_s=at + 1, fake_probability=probability)
        for at, probability in enumerate([0.1, 0.2, 0.8, 0.81, None])
    ]
    kinds = [bar.kind for bar in draw_timeline(segments, duration_s=5, thresholds=THRESHOLDS).bars]
    assert kinds == ["real", "unsure", "unsure", "fake", "not-judged"]
