"""Whether the score knows where real videos are from, over people and not over rows."""

import numpy as np
import pytest

from unmask_trainer.evaluation.decisions import roc_auc
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.sources import FEWEST_REALS, source_probes
from unmask_trainer.evaluation.wording import source_findings

QUICK = Resampling(resamples=200)


def rows(source, odds, *, label=0, people=None, dataset=None):
    """(label, probability, facts) of one video for each odds; a person each if not said."""
    who = people if people is not None else range(len(odds))
    return [
        (
            label,
            1 / (1 + np.exp(-value)),
            Facts(
                dataset=dataset or source,
                identities=(str(person),),
                columns={"codec": source} if source else {},
            ),
        )
        for value, person in zip(odds, who, strict=True)
    ]


def sample(*parts):
    labels, probabilities, facts = zip(*(row for part in parts for row in part), strict=True)
    return Sample(
        labels=np.array(labels, np.int64), probabilities=np.array(probabilities), facts=facts
    )


def pair_of(drawn, columns=(), number=0):
    probe = source_probes(drawn, columns, QUICK)[number]
    (pair,) = probe.pairs
    return pair


def test_sources_that_are_scored_alike_are_not_told_apart():
    rng = np.random.default_rng(0)
    drawn = sample(rows("phone", rng.normal(0, 1, 60)), rows("studio", rng.normal(0, 1, 40)))

    (probe,) = source_probes(drawn, (), QUICK)

    (pair,) = probe.pairs
    assert pair.auc.low < 0.5 < pair.auc.high
    assert 0.5 <= pair.auc.value < 0.62
    assert source_findings(probe)[0].startswith("It is not shown that the score knows the source")


@pytest.mark.parametrize("higher", ["phone", "studio"])
def test_the_source_that_looks_more_fake_is_named_whichever_it_is(higher):
    rng = np.random.default_rng(1)
    shift = {"phone": 0.0, "studio": 0.0} | {higher: 1.5}
    odds = {name: rng.normal(shift[name], 1, 30 + 5 * (name == "phone")) for name in shift}
    drawn = sample(*(rows(name, values) for name, values in odds.items()))

    (probe,) = source_probes(drawn, (), QUICK)

    (pair,) = probe.pairs
    (lower,) = set(shift) - {higher}
    assert (pair.more_fake, pair.less_fake) == (higher, lower)
    assert (pair.more_fake_real, pair.less_fake_real) == (len(odds[higher]), len(odds[lower]))
    is_higher = [0] * len(odds[lower]) + [1] * len(odds[higher])
    value = roc_auc(is_higher, [*odds[lower], *odds[higher]])
    assert pair.auc.value == pytest.approx(value, abs=1e-6)
    assert 0.5 < pair.auc.low < pair.auc.value < pair.auc.high
    (finding,) = source_findings(probe)
    assert finding.startswith(f"Real videos of {higher} look more fake than those of {lower}")


def test_forgeries_have_no_say():
    rng = np.random.default_rng(2)
    reals = [rows("a", rng.normal(0, 1, 20)), rows("b", rng.normal(0, 1, 20))]
    forged = rows("b", rng.normal(4, 1, 50), label=1)

    assert source_probes(sample(*reals, forged), (), QUICK) == source_probes(
        sample(*reals), (), QUICK
    )


def test_people_are_drawn_with_all_their_videos():
    rng = np.random.default_rng(3)
    people, videos = 8, 12
    person = np.repeat(np.arange(people), videos)

    def habits(shift):
        return rng.normal(shift, 1.5, people)[person] + rng.normal(0, 0.3, people * videos)

    odds = {"a": habits(0.0), "b": habits(0.8)}
    grouped = pair_of(sample(*(rows(name, v, people=person) for name, v in odds.items()))).auc
    alone = pair_of(sample(*(rows(name, v) for name, v in odds.items()))).auc

    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 1.8 * (alone.high - alone.low)


def test_a_column_is_probed_within_one_data_set_and_empty_values_are_no_source():
    rng = np.random.default_rng(4)
    drawn = sample(
        rows("h264", rng.normal(0, 1, 30), dataset="one"),
        rows("vp9", rng.normal(2, 1, 30), dataset="one"),
        rows("", rng.normal(9, 1, 30), dataset="one"),
    )

    (probe,) = source_probes(drawn, ("codec", "light"), QUICK)

    assert probe.column == "codec"
    assert probe.not_compared == ()
    assert [(pair.more_fake, pair.less_fake) for pair in probe.pairs] == [("vp9", "h264")]


def test_data_sets_come_before_columns():
    drawn = sample(rows("a", np.zeros(10)), rows("b", np.zeros(10)))

    assert [probe.column for probe in source_probes(drawn, ("codec",), QUICK)] == [None, "codec"]
    assert pair_of(drawn).auc.value == 0.5


def test_a_source_with_few_real_videos_is_named_and_not_compared():
    enough = rows("a", np.linspace(-1, 1, FEWEST_REALS))
    few = rows("b", np.linspace(-1, 1, FEWEST_REALS - 1))

    (probe,) = source_probes(sample(enough, few), (), QUICK)

    assert (probe.pairs, probe.not_compared) == ((), ("b",))
    assert source_findings(probe) == [
        "There are not two sources with enough real videos to compare."
    ]


def test_of_many_sources_the_largest_are_compared():
    drawn = sample(*(rows(f"s{n:02}", np.linspace(-1, 1, 10 + n)) for n in range(12)))

    (probe,) = source_probes(drawn, (), QUICK)

    assert probe.not_compared == ("s00", "s01", "s02", "s03")
    assert len(probe.pairs) == 8 * 7 / 2


def test_one_source_is_nothing_to_compare():
    assert source_probes(sample(rows("a", np.zeros(30))), ("codec",), QUICK) == ()
