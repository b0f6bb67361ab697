import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from unmask_shared.model.scoring import (
    FaceScore,
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


@pytest.mark.parametrize("bad", [0.0, 1.0])
@pytest.mark.parametrize("others", [2, 3, 4, 9])
def test_one_bad_clip_does_not_decide(others, bad):
    assert face_probability([0.1] * others + [bad], [16] * (others + 1)) == pytest.approx(0.1)


@given(st.lists(probabilities, min_size=2, max_size=12), st.integers(1, 16), probabilities)
def test_whatever_a_clip_no_longer_than_the_others_says_the_face_stays_among_them(
    others, length, bad
):
    face = face_probability([*others, bad], [16] * len(others) + [length])

    assert min(others) - 1e-5 <= face <= max(others) + 1e-5


def test_a_clip_that_makes_up_most_of_a_face_is_not_outvoted():
    assert face_probability([0.9, 0.1, 0.1], [16, 4, 4]) > 0.8


def test_two_clips_that_disagree_leave_it_open():
    assert face_probability([0.1, 0.9], [16, 16]) == pytest.approx(0.5)


def test_a_short_clip_counts_less():
    assert face_probability([0.1, 0.9], [16, 4]) < 0.3


def test_a_single_clip_speaks_for_the_face():
    assert face_probability([0.42], [7]) == pytest.approx(0.42)


@pytest.mark.parametrize(("values", "weights"), [([], []), ([0.5], [0]), ([0.5], [1, 2])])
def test_no_clips_or_impossible_weights_are_refused(values, weights):
    with pytest.raises(ValueError, match="positive weights"):
        face_probability(values, weights)


def judged(*probabilities):
    return [FaceScore(fake_probability=one, reason=None) for one in probabilities]


def not_judged(reason):
    return FaceScore(fake_probability=None, reason=reason)


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
    decision = decide(judged(*faces), BAND)

    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert decision.fake_probability == max(faces)


def test_faces_that_were_not_judged_have_no_say():
    small = not_judged(Reason.FACES_TOO_SMALL)

    assert decide([small, *judged(0.1)], BAND) == decide(judged(0.1), BAND)


def test_if_no_face_was_judged_the_most_prominent_one_says_why():
    faces = [not_judged(Reason.FACES_TOO_BLURRED), not_judged(Reason.FACES_TOO_SMALL)]

    decision = decide(faces, BAND)

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert (decision.reason, decision.fake_probability) == (Reason.FACES_TOO_BLURRED, None)


@pytest.mark.parametrize("faces", [[], [0.1], [0.9]])
def test_without_enough_of_the_video_there_is_no_verdict(faces):
    decision = decide(judged(*faces), BAND, enough_seen=False)

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reason is Reason.TOO_LITTLE_USABLE
    assert decision.fake_probability == (max(faces) if faces else None)


@pytest.mark.parametrize("ends", [(0.7, 0.3), (-0.1, 0.5), (0.5, 1.1)])
def test_impossible_thresholds_are_refused(ends):
    with pytest.raises(ValidationError):
        Thresholds(real_below=ends[0], fake_above=ends[1])


def test_short_clips_are_left_out_unless_there_is_nothing_else():
    assert usable_clips([16, 3, 4, 1]) == (0, 2)
    assert usable_clips([3, 2]) == (0, 1)
    assert usable_clips([]) == ()
