"""Which clips an epoch shows."""

from collections import Counter
from dataclasses import replace

import pytest
from labelled_crops import labelled_crops

from unmask_trainer.training.plan import (
    PlanSettings,
    batches,
    class_weights,
    plan_epoch,
    plan_validation,
)
from unmask_trainer.training.units import units_of

SETTINGS = PlanSettings(balance="pairs", fresh=0.0, repeats={}, seed=3)


@pytest.fixture
def faces(tmp_path):
    return labelled_crops(tmp_path, people=6, frames=8, clips=((0, 4), (4, 8)))


def several_fakes(faces, copies):
    """Each real video with several forgeries of it."""
    more = []
    for item in faces:
        shared = item.video.footage
        if item.video.label == 0:
            more.append(replace(item, video=replace(item.video, clip_of=shared)))
            continue
        for number in range(copies):
            path = item.video.path.with_name(f"{number}-{item.video.path.name}")
            video = replace(item.video, path=path, clip_of=shared)
            more.append(replace(item, video=video))
    return more


def shown(groups):
    return Counter(draw.label for group in groups for draw in group)


def test_a_real_clip_and_its_forgery_are_one_unit(faces):
    units = units_of(faces, "set")

    assert len(units) == 12
    for unit in units:
        (fake,) = unit.fakes
        assert unit.real.faces.video.path.stem == fake.faces.video.path.stem
        assert (unit.real.start, unit.real.stop) == (fake.start, fake.stop)
        assert unit.dataset == "set"


def test_a_clip_that_only_a_forgery_has_is_a_unit_of_its_own(faces):
    longer = [
        replace(item, clips=(*item.clips, (4, 8))) if item.video.label else item for item in faces
    ]

    units = units_of(longer, "set")

    assert Counter(unit.real is None for unit in units) == {False: 12, True: 6}


def test_the_same_footage_twice_as_real_is_two_units(faces):
    twin = [replace(item, video=replace(item.video, clip_of="same")) for item in faces]

    units = units_of(twin, "set")

    assert sum(unit.real is not None for unit in units) == 12
    assert sum(len(unit.fakes) for unit in units) == 12


def test_pairs_show_each_real_clip_once_with_one_of_its_forgeries(faces):
    units = units_of(several_fakes(faces, 5), "set")

    groups = plan_epoch(units, SETTINGS, 1)

    assert len(groups) == 12
    for real, fake in groups:
        assert (real.label, fake.label) == (0, 1)
        assert real.unit == fake.unit
        assert real.seed == fake.seed


def test_other_epochs_choose_other_forgeries_in_another_order(faces):
    units = units_of(several_fakes(faces, 5), "set")

    first, again, second = (plan_epoch(units, SETTINGS, epoch) for epoch in (1, 1, 2))

    assert first == again
    assert [group[0].unit for group in first] != [group[0].unit for group in second]
    chosen = [
        {group[0].unit: group[1].stored.faces.video.path for group in plan}
        for plan in (first, second)
    ]
    assert chosen[0] != chosen[1]


def test_without_balance_every_stored_clip_is_shown(faces):
    units = units_of(several_fakes(faces, 5), "set")

    for balance in ("none", "weights"):
        groups = plan_epoch(units, replace(SETTINGS, balance=balance), 1)
        assert shown(groups) == {0: 12, 1: 60}


def test_a_share_of_the_forgeries_is_made_anew(faces):
    units = units_of(faces, "set") * 40

    groups = plan_epoch(units, replace(SETTINGS, fresh=0.25), 1)

    fakes = [draw for group in groups for draw in group if draw.label]
    assert 0.2 < sum(draw.stored is None for draw in fakes) / len(fakes) < 0.3


def test_real_clips_without_forgeries_get_new_ones_or_stay_alone(faces):
    units = units_of([item for item in faces if item.video.label == 0], "set")

    assert shown(plan_epoch(units, SETTINGS, 1)) == {0: 12}
    assert shown(plan_epoch(units, replace(SETTINGS, fresh=0.01), 1)) == {0: 12, 1: 12}


def test_forgeries_without_their_real_clip_are_never_made_anew(faces):
    units = units_of([item for item in faces if item.video.label == 1], "set")

    groups = plan_epoch(units, replace(SETTINGS, fresh=1.0), 1)

    assert shown(groups) == {1: 12}
    assert all(draw.stored is not None for group in groups for draw in group)


@pytest.mark.parametrize(("repeats", "least", "most"), [(0, 0, 0), (3, 36, 36), (0.5, 1, 11)])
def test_a_data_set_is_shown_as_often_as_asked(faces, repeats, least, most):
    units = units_of(faces, "set") + units_of(faces, "other")

    groups = plan_epoch(units, replace(SETTINGS, repeats={"set": repeats}), 1)

    counts = Counter(units[group[0].unit].dataset for group in groups)
    assert least <= counts["set"] <= most
    assert counts["other"] == 12


def test_repetitions_of_a_clip_are_shown_differently(faces):
    units = units_of(faces, "set")

    groups = plan_epoch(units, replace(SETTINGS, repeats={"set": 3}), 1)

    assert len({group[0].seed for group in groups}) == 36


def test_validation_shows_everything_once_in_order_and_forges_where_nothing_is_stored(faces):
    units = units_of(several_fakes(faces, 2), "set")
    real_only = units_of([item for item in faces if item.video.label == 0], "set")

    plan = plan_validation(units, replace(SETTINGS, fresh=1.0))

    assert shown(plan) == {0: 12, 1: 24}
    assert [group[0].unit for group in plan] == list(range(12))
    assert shown(plan_validation(real_only, SETTINGS)) == {0: 12}
    assert shown(plan_validation(real_only, replace(SETTINGS, fresh=0.1))) == {0: 12, 1: 12}


def test_batches_cover_the_plan(faces):
    groups = plan_epoch(units_of(faces, "set"), SETTINGS, 1)
    order = [draw for group in groups for draw in group]

    cut = list(batches(groups, size=10))

    assert [len(batch) for batch in cut] == [10, 10, 4]
    assert [draw for batch in cut for draw in batch] == order


def test_processes_share_the_plan_and_take_as_many_steps(faces):
    groups = plan_epoch(units_of(faces, "set"), SETTINGS, 1)

    cut = [list(batches(groups, size=4, rank=rank, world=2)) for rank in range(2)]

    assert [len(one) for one in cut] == [3, 3]
    seen = [(draw.unit, draw.label) for one in cut for batch in one for draw in batch]
    assert len(set(seen)) == len(seen) == 24


def test_weights_make_up_for_unequal_classes(faces):
    units = units_of(several_fakes(faces, 3), "set")

    real, fake = class_weights(units, "weights")

    assert real == pytest.approx(3 * fake)
    assert 12 * real + 36 * fake == pytest.approx(48)
    assert class_weights(units, "pairs") == class_weights(units, "none") == (1.0, 1.0)
