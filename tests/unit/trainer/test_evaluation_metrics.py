"""The figures of an evaluation against hand-computed values and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from unmask_shared.model.scoring import Thresholds
from unmask_trainer.evaluation.metrics import METRICS, bin_of, measure, roc_points

BAND = Thresholds(real_below=0.3, fake_above=0.7)


def figures(labels, probabilities, weights=None):
    labels, probabilities = np.array(labels, np.int64), np.array(probabilities, np.float64)
    rows = np.ones(len(labels)) if weights is None else np.array(weights, np.float64)
    found = measure(labels, probabilities, rows[None], BAND)
    assert tuple(found) == METRICS
    return {name: float(values[0]) for name, values in found.items()}


def test_figures_agree_with_those_computed_by_hand():
    found = figures([0, 0, 0, 1, 1], [0.1, 0.6, 0.8, 0.2, 0.9])

    assert found == {
        "auc": pytest.approx(4 / 6),
        "average_precision": pytest.approx(0.5 * 1 + 0.5 * 2 / 4),
        "eer": pytest.approx(0.5),
        "accuracy": pytest.approx(2 / 5),
        "balanced_accuracy": pytest.approx((1 / 3 + 1 / 2) / 2),
        "false_positive_rate": pytest.approx(2 / 3),
        "false_negative_rate": pytest.approx(1 / 2),
        "decided_share": pytest.approx(4 / 5),
        "decided_accuracy": pytest.approx(2 / 4),
        "real_called_fake": pytest.approx(1 / 3),
        "fake_called_real": pytest.approx(1 / 2),
        "ece": pytest.approx((0.1 + 0.6 + 0.8 + 0.8 + 0.1) / 5),
        "brier": pytest.approx((0.01 + 0.36 + 0.64 + 0.64 + 0.01) / 5),
    }


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 6), st.integers(1, 4)), min_size=2, max_size=40
    ).filter(lambda rows: 0 < sum(row[0] for row in rows) < len(rows))
)
def test_figures_are_those_of_scikit_learn_with_weights_and_ties(rows):
    labels = np.array([row[0] for row in rows], int)
    scores = np.array([row[1] / 6 for row in rows])
    weights = np.array([row[2] for row in rows], float)

    found = figures(labels, scores, weights)

    called = scores > 0.5
    assert found["auc"] == pytest.approx(
        reference.roc_auc_score(labels, scores, sample_weight=weights)
    )
    assert found["average_precision"] == pytest.approx(
        reference.average_precision_score(labels, scores, sample_weight=weights)
    )
    assert found["brier"] == pytest.approx(
        reference.brier_score_loss(labels, scores, sample_weight=weights)
    )
    assert found["accuracy"] == pytest.approx(
        reference.accuracy_score(labels, called, sample_weight=weights)
    )
    assert found["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(labels, called, sample_weight=weights)
    )
    expected = reference.roc_curve(labels, scores, drop_intermediate=False)
    for ours, theirs in zip(roc_points(labels, scores), expected, strict=False):
        assert ours == pytest.approx(theirs)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=30
    )
)
def test_a_weight_is_as_many_copies_of_the_row(rows):
    copies = [(label, score) for label, score, times in rows for _ in range(times)]

    weighted = figures([r[0] for r in rows], [r[1] / 6 for r in rows], [r[2] for r in rows])
    copied = figures([r[0] for r in copies], [r[1] / 6 for r in copies])

    assert weighted == pytest.approx(copied, nan_ok=True)


def test_the_equal_error_rate_lies_on_the_curve_where_both_errors_are_equal():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 5000)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.1), 0, 1)

    found = figures(labels, scores)["eer"]

    # Two normal distributions two deviations apart cross at one deviation: 15.87 %.
    assert found == pytest.approx(0.1587, abs=0.015)
    positives, hits, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    assert np.interp(found, positives, 1 - hits) == pytest.approx(found, abs=1e-3)


@pytest.mark.parametrize("label", [0, 1])
def test_what_a_missing_class_leaves_undefined_is_not_a_number(label):
    found = figures([label] * 3, [0.2, 0.6, 0.9])

    undefined = {name for name, value in found.items() if np.isnan(value)}
    own = {0: {"false_negative_rate", "fake_called_real"}}.get(
        label, {"false_positive_rate", "real_called_fake"}
    )
    assert undefined == {"auc", "average_precision", "eer", "balanced_accuracy"} | own


def test_nothing_is_defined_without_rows_or_without_weight():
    for found in (figures([], []), figures([0, 1], [0.1, 0.9], [0, 0])):
        assert all(np.isnan(value) for value in found.values())


def test_equal_scores_are_a_coin_flip():
    found = figures([0, 1, 0, 1], [0.5] * 4)

    assert (found["auc"], found["eer"]) == (0.5, 0.5)


def test_many_weightings_at_once_are_each_as_if_alone():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 30), rng.random(30).round(1)
    weights = rng.integers(0, 3, (5, 30)).astype(float)

    together = measure(labels, scores, weights, BAND)

    for i, row in enumerate(weights):
        alone = figures(labels, scores, row)
        assert {name: float(values[i]) for name, values in together.items()} == pytest.approx(
            alone, nan_ok=True
        )


def test_the_ends_of_the_scale_fall_into_the_first_and_the_last_bin():
    assert bin_of(np.array([0.0, 0.0999, 0.1, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]
