"""Intervals over identities: wide where there is little, right as often as they say."""

import numpy as np
import pytest

from unmask_shared.model.scoring import Thresholds
from unmask_trainer.evaluation.bootstrap import IdentityBootstrap
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.intervals import auc_variance, newcombe, wilson
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.summary import group_gaps, reliability, summarise

BAND = Thresholds(real_below=0.3, fake_above=0.7)
QUICK = Resampling(resamples=300)


def sample(labels, probabilities, people, **columns):
    facts = tuple(
        Facts(
            dataset="some",
            identities=person if isinstance(person, tuple) else (str(person),),
            columns={name: values[i] for name, values in columns.items()},
        )
        for i, person in enumerate(people)
    )
    return Sample(
        labels=np.array(labels, np.int64), probabilities=np.array(probabilities, float), facts=facts
    )


def width(estimate):
    return estimate.high - estimate.low


def people_with_habits(rng, people=20, videos=6):
    """Videos of people, some of whom are far easier than others."""
    ease = rng.normal(0, 1.5, people)
    person = np.repeat(np.arange(people), videos)
    labels = np.tile([0, 1], people * videos // 2)
    odds = (2 * labels - 1) * (0.6 + ease[person]) + rng.normal(0, 0.5, people * videos)
    return sample(labels, 1 / (1 + np.exp(-odds)), person), person


def test_several_videos_of_a_person_do_not_make_an_interval_narrow():
    clustered, person = people_with_habits(np.random.default_rng(1))
    as_if_alone = sample(clustered.labels, clustered.probabilities, range(len(person)))

    by_person = summarise(clustered, BAND, Resampling())
    by_row = summarise(as_if_alone, BAND, Resampling())

    for name in ("auc", "accuracy", "brier"):
        assert by_person.metrics[name].value == by_row.metrics[name].value
        assert width(by_person.metrics[name]) > 1.5 * width(by_row.metrics[name])


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth = summarise(
        people_with_habits(np.random.default_rng(0), people=20_000)[0],
        BAND,
        Resampling(resamples=100),
    ).metrics
    held = {"accuracy": 0, "auc": 0, "brier": 0, "ece": 0}
    by_row = 0
    rounds = 150
    for seed in range(rounds):
        drawn, person = people_with_habits(np.random.default_rng(seed + 1))
        found = summarise(drawn, BAND, QUICK).metrics
        for name in held:
            held[name] += found[name].low <= truth[name].value <= found[name].high
        naive = summarise(
            sample(drawn.labels, drawn.probabilities, range(len(person))), BAND, QUICK
        )
        by_row += (
            naive.metrics["accuracy"].low
            <= truth["accuracy"].value
            <= naive.metrics["accuracy"].high
        )

    for name, count in held.items():
        assert (0.84 if name == "ece" else 0.90) <= count / rounds, name
    assert by_row / rounds < 0.85


def test_a_flawless_handful_reads_as_little_known():
    found = summarise(sample([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], range(4)), BAND, QUICK).metrics

    assert found["accuracy"].value == found["auc"].value == 1.0
    assert found["accuracy"].low < 0.55
    assert found["auc"].low < 0.5
    assert found["eer"].high > 0.5
    assert found["false_positive_rate"].high > 0.5
    assert found["average_precision"].low is None


def test_one_person_says_nothing_beyond_that_person():
    found = summarise(sample([0, 1] * 20, [0.1, 0.9] * 20, ["one"] * 40), BAND, QUICK).metrics

    assert width(found["accuracy"]) > 0.7
    assert found["brier"].low is None


def test_a_missing_class_gives_no_figure_instead_of_nought():
    found = summarise(sample([0] * 6, [0.1, 0.2, 0.6, 0.8, 0.3, 0.1], range(6)), BAND, QUICK)

    assert found.metrics["auc"].value is None
    assert found.metrics["false_negative_rate"].value is None
    assert found.metrics["false_positive_rate"].value == pytest.approx(2 / 6, abs=1e-6)
    assert found.verdicts["fake"].fake == 0
    assert (found.real, found.fake, found.identities) == (6, 0, 6)


def test_no_rows_are_no_figures():
    found = summarise(sample([], [], []), BAND, QUICK)

    assert all(estimate.value is None for estimate in found.metrics.values())


def test_the_same_seed_draws_the_same_interval():
    drawn, _ = people_with_habits(np.random.default_rng(3))

    assert summarise(drawn, BAND, QUICK) == summarise(drawn, BAND, QUICK)
    other = summarise(drawn, BAND, Resampling(resamples=300, seed=1))
    assert other.metrics["auc"] != summarise(drawn, BAND, QUICK).metrics["auc"]


def test_the_interval_holds_its_figure():
    for seed in range(20):
        drawn, _ = people_with_habits(np.random.default_rng(seed), people=4, videos=2)
        for estimate in summarise(drawn, BAND, QUICK).metrics.values():
            if estimate.low is not None:
                assert estimate.low <= estimate.value <= estimate.high


def test_a_forgery_weighs_what_both_of_its_identities_do():
    rows = [("a",), ("b",), ("a", "b"), ("a", "a")]
    (weights,) = IdentityBootstrap(rows, resamples=50, seed=2).weights()

    assert weights.shape == (50, 4)
    assert np.array_equal(weights[:, 0] + weights[:, 1], np.full(50, 2.0))
    assert np.array_equal(weights[:, 2], weights[:, 0] * weights[:, 1])
    assert np.array_equal(weights[:, 3], weights[:, 0])


def test_resamples_come_in_blocks_that_fit_into_memory():
    blocks = list(IdentityBootstrap([(str(i),) for i in range(5000)], resamples=1000).weights())

    assert len(blocks) > 1
    assert sum(len(block) for block in blocks) == 1000


def test_a_row_without_identity_is_refused():
    with pytest.raises(ValueError, match="row 1 has no identity"):
        IdentityBootstrap([("a",), ()])


def test_wilson_and_newcombe_give_the_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, and 0 of 20.
    found = wilson(81 / 263, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert round(wilson(0.0, 20).high, 4) == 0.1611
    # The ends are where the figure is just 1.96 deviations away.
    area = newcombe(0.8, 30, 20)
    for end in (area.low, area.high):
        assert abs(0.8 - end) == pytest.approx(1.96 * auc_variance(end, 30, 20) ** 0.5, rel=1e-3)
    assert newcombe(1.0, 5, 5).low < 0.75 < newcombe(1.0, 50, 50).low


def test_groups_that_differ_show_a_gap_and_those_that_do_not_show_none():
    rng = np.random.default_rng(0)
    n = 400
    groups = np.where(np.arange(n) % 4 < 2, "left", "right")
    labels = np.arange(n) % 2
    wrong = rng.random(n) < np.where((groups == "left") & (labels == 0), 0.5, 0.1)
    drawn = sample(labels, np.where(wrong, 0.9 - 0.8 * labels, 0.1 + 0.8 * labels), range(n))

    left, right = group_gaps(drawn, groups.tolist(), BAND, QUICK)

    assert (left.group, right.group) == ("left", "right")
    assert left.gaps["false_positive_rate"].low > 0.2
    assert left.gaps["false_positive_rate"].value == -right.gaps["false_positive_rate"].value
    assert left.gaps["false_negative_rate"].low < 0 < left.gaps["false_negative_rate"].high


def test_a_group_without_reals_has_no_false_positives_to_compare():
    drawn = sample([1, 1, 0, 1], [0.9, 0.2, 0.1, 0.9], range(4))

    first, _ = group_gaps(drawn, ["a", "a", "b", "b"], BAND, QUICK)

    assert first.gaps["false_positive_rate"].value is None
    assert group_gaps(drawn, ["a"] * 4, BAND, QUICK) == ()


def test_the_reliability_of_few_videos_is_uncertain():
    few = reliability(sample([1, 1], [0.95, 0.97], range(2)))
    many = reliability(sample([1] * 200, [0.95] * 200, range(200)))

    assert (few[0].low, few[0].high, few[0].rows) == (0.9, 1.0, 2)
    assert few[0].fake_share.low < 0.4 < 0.9 < many[0].fake_share.low


def test_rows_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="do not belong together"):
        Sample(labels=np.zeros(2, np.int64), probabilities=np.zeros(1), facts=())
    with pytest.raises(ValueError, match="not in"):
        sample([0], [1.5], ["a"])
