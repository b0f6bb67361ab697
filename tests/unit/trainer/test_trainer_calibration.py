import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.model.scoring import calibrated_probability
from unmask_trainer.calibration import choose_thresholds, fit_temperature
from unmask_trainer.evaluation.decisions import confusion, roc_auc


def noisy_logits(overconfidence, n=4000):
    """Logits whose true temperature is known: labels are drawn from the calibrated odds."""
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, n)
    labels = rng.random(n) < 1 / (1 + np.exp(-odds))
    return np.stack([np.zeros(n), odds * overconfidence], axis=1), labels.astype(int)


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_too_much_or_too_little_confidence(overconfidence):
    logits, labels = noisy_logits(overconfidence)

    assert fit_temperature(logits, labels) == pytest.approx(overconfidence, rel=0.15)


def test_calibrated_probabilities_come_true_as_often_as_they_say():
    logits, labels = noisy_logits(3.0)

    probabilities = calibrated_probability(logits, fit_temperature(logits, labels))

    sure = (probabilities > 0.7) & (probabilities < 0.9)
    assert labels[sure].mean() == pytest.approx(probabilities[sure].mean(), abs=0.05)


def test_a_perfect_model_has_a_finite_temperature():
    assert fit_temperature([(9.0, -9.0), (-9.0, 9.0)], [0, 1]) == pytest.approx(0.25)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60))
def test_thresholds_keep_the_promised_error_rates(rows):
    labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if labels.all() or not labels.any():
        with pytest.raises(ValueError, match="real and fake"):
            choose_thresholds(labels, values)
        return

    band = choose_thresholds(labels, values)

    rounding = 1e-4
    assert band.real_below <= 0.5 <= band.fake_above
    assert np.mean(values[~labels] > band.fake_above + rounding) <= 0.05
    assert np.mean(values[labels] < band.real_below - rounding) <= 0.10


def test_well_separated_videos_leave_a_band_of_nothing():
    band = choose_thresholds([0, 0, 1, 1], [0.01, 0.02, 0.97, 0.99])

    assert (band.real_below, band.fake_above) == (0.5, 0.5)


def test_thresholds_hold_in_each_data_set_that_is_large_enough():
    easy, hard = np.linspace(0.01, 0.2, 500), np.linspace(0.3, 0.8, 20)
    labels = [0] * 520 + [1] * 520
    values = np.concatenate([easy, hard, 1 - easy, 1 - hard])
    names = (["easy"] * 500 + ["hard"] * 20) * 2

    together, apart = choose_thresholds(labels, values), choose_thresholds(labels, values, names)

    assert (together.real_below, together.fake_above) == (0.5, 0.5)
    assert np.mean(hard > apart.fake_above) <= 0.05 < np.mean(hard > together.fake_above)
    assert np.mean(1 - hard < apart.real_below) <= 0.10 < np.mean(1 - hard < together.real_below)


def test_a_data_set_of_few_videos_does_not_decide_the_thresholds():
    labels, values = [0, 1] * 100 + [0, 1], [0.1, 0.9] * 100 + [0.99, 0.01]
    names = ["many"] * 200 + ["few"] * 2

    assert choose_thresholds(labels, values, names) == choose_thresholds(labels, values)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_auc_counts_pairs(rows):
    fake = [score for is_fake, score in rows if is_fake]
    real = [score for is_fake, score in rows if not is_fake]

    area = roc_auc([row[0] for row in rows], [row[1] for row in rows])

    if not fake or not real:
        assert area is None
        return
    wins = sum((f > r) + 0.5 * (f == r) for f in fake for r in real)
    assert area == pytest.approx(wins / (len(fake) * len(real)))


def test_confusion_counts_each_kind_of_decision():
    counts = confusion([0, 0, 0, 1, 1], [0.1, 0.5, 0.9, 0.2, 0.8])

    assert (counts.true_real, counts.false_fake, counts.false_real, counts.true_fake) == (
        2,
        1,
        1,
        1,
    )
    assert counts.accuracy == pytest.approx(0.6)
