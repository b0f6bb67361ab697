import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from unmask_shared.model.scoring import (
    Thresholds,
    calibrated_probability,
    decide,
    face_probability,
    usable_clips,
)
from unmask_shared.videos import Reason, Verdict

probabilities = st.floats(0, 1)
clips = st.lists(st.tuples(probabilities, st.integers(1, 64)), min_size=1, max_size=20)
BAND = Thresholds(real_below=0.3, fake_above=0.7)


def _face(pairs):
    return face_probability([p for p, _ in pairs], [w for _, w in pairs])


def test_temperature_pulls_towards_one_half_without_changing_sides():
    logits = [(0.0, 3.0), (3.0, 0.0), (1.0, 1.0)]

    sharp, soft = calibrated_probability(logits, 1.0), calibrated_probability(logits, 3.0)

    np.testing.assert_allclose(sharp, [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3)), 0.5])
    assert 0.5 < soft[0] < sharp[0]
    assert sharp[1] < soft[1] < 0.5
    assert soft[2] == 0.5


@given(st.lists(st.tuples(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30)), min_size=1))
def test_probabilities_are_probabilities_whatever_the_logits(logits):
    result = calibrated_probability(logits, 0.5)

    assert np.isfinite(result).all()
    assert ((result >= 0) & (result <= 1)).all()


@given(clips)
def test_a_face_lies_between_its_clips(pairs):
    values = [p for p, _ in pairs]

    assert min(values) <= _face(pairs) <= max(values)


@given(clips, st.randoms())
def test_the_order_of_the_clips_does_not_matter(pairs, random):
    shuffled = pairs.copy()
    random.shuffle(shuffled)

    assert _face(shuffled) == pytest.approx(_face(pairs), abs=1e-9)


@given(clips)
def test_real_and_fake_are_treated_alike(pairs):
    mirrored = [(1 - p, w) for p, w in pairs]

    assert _face(mirrored) == pytest.approx(1 - _face(pairs), abs=1e-6)


@given(clips, st.data())
def test_a_clip_that_looks_more_fake_never_makes_the_face_look_more_real(pairs, data):
    position = data.draw(st.integers(0, len(pairs) - 1))
    old, weight = pairs[position]
    raised = pairs.copy()
    raised[position] = (data.draw(st.floats(old, 1)), weight)

    assert _face(raised) >= _face(pairs) - 1e-9


def test_one_bad_clip_among_five_does_not_decide():
    assert face_probability([0.1, 0.1, 0.1, 0.1, 1.0], [16] * 5) == pytest.approx(0.1)


def test_a_short_clip_counts_less():
    assert face_probability([0.1, 0.9], [16, 4]) < 0.3


def test_a_single_clip_speaks_for_the_face():
    assert face_probability([0.42], [7]) == pytest.approx(0.42)


@pytest.mark.parametrize(("values", "weights"), [([], []), ([0.5], [0]), ([0.5], [1, 2])])
def test_no_clips_or_impossible_weights_are_refused(values, weights):
    with pytest.raises(ValueError, match="positive weights"):
        face_probability(values, weights)


def test_no_face_is_inconclusive_without_a_probability():
    decision = decide([], BAND)

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reason is Reason.NO_FACE_FOUND
    assert decision.fake_probability is None


@pytest.mark.parametrize(
    ("faces", "verdict", "reason"),
    [
        ([0.1], Verdict.REAL, None),
        ([0.1, 0.9], Verdict.FAKE, None),
        ([0.1, 0.5], Verdict.INCONCLUSIVE, Reason.SCORE_IN_BAND),
        ([0.3], Verdict.INCONCLUSIVE, Reason.SCORE_IN_BAND),
        ([0.7], Verdict.INCONCLUSIVE, Reason.SCORE_IN_BAND),
    ],
)
def test_the_most_suspicious_face_decides(faces, verdict, reason):
    decision = decide(faces, BAND)

    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert decision.fake_probability == max(faces)


@pytest.mark.parametrize("ends", [(0.7, 0.3), (-0.1, 0.5), (0.5, 1.1)])
def test_impossible_thresholds_are_refused(ends):
    with pytest.raises(ValidationError):
        Thresholds(real_below=ends[0], fake_above=ends[1])


def test_short_clips_are_left_out_unless_there_is_nothing_else():
    assert usable_clips([16, 3, 4, 1]) == (0, 2)
    assert usable_clips([3, 2]) == (0, 1)
    assert usable_clips([]) == ()
