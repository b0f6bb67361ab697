"""Forgeries that are made while training, of crops that lie in a cache."""

import numpy as np
import pytest
from labelled_crops import labelled_crops

from unmask_shared.errors import InvalidRequest
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.forgeries.methods import METHODS

SIDE, MARGIN = 64, 0.15


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return labelled_crops(tmp_path_factory.mktemp("faces"), people=3, frames=5, side=SIDE)


def forged_by(fresh, item, seed):
    crops = np.array(item.load())
    return crops, fresh.forge(crops, item.video.group, np.random.default_rng(seed))


@pytest.mark.parametrize("method", METHODS)
def test_a_fresh_forgery_changes_what_its_masks_say_and_nothing_else(faces, method):
    fresh = FreshForgeries(faces, margin=MARGIN, methods={method: 1.0})

    for seed in range(5):
        crops, forged = forged_by(fresh, faces[0], seed)
        assert forged.method.split(".")[0] == method
        assert forged.crops.shape == crops.shape
        assert forged.masks.shape == crops.shape[:3]
        assert not (forged.crops != crops)[forged.masks == 0].any()
        assert (forged.crops != crops)[forged.masks > 0.2].any()


def test_a_single_crop_can_be_forged_by_every_method_but_flicker(faces):
    fresh = FreshForgeries(faces, margin=MARGIN)
    crop = np.array(faces[0].load()[:1])
    seen = set()

    for seed in range(60):
        forged = fresh.forge(crop, faces[0].video.group, np.random.default_rng(seed))
        assert not np.array_equal(forged.crops, crop)
        seen.add(forged.method.split(".")[0])

    assert seen == set(METHODS) - {"flicker"}


def test_a_fresh_forgery_repeats_with_its_seed(faces):
    fresh = FreshForgeries(faces, margin=MARGIN)

    for seed in range(8):
        first, again = (forged_by(fresh, faces[0], seed)[1] for _ in range(2))
        assert first.method == again.method
        assert np.array_equal(first.crops, again.crops)
        assert np.array_equal(first.masks, again.masks)


def test_only_real_faces_of_other_people_are_lent(tmp_path):
    """The people have one grey each; whoever lends a face brings that grey."""
    items = labelled_crops(tmp_path, people=3, frames=4, side=SIDE)
    greys = {}
    for number, item in enumerate(items):
        greys[item.video.group, item.video.label] = 20 + 40 * number
        np.save(item.crops_path, np.full((4, SIDE, SIDE, 3), 20 + 40 * number, np.uint8))
    fresh = FreshForgeries(items, margin=MARGIN)
    person = items[0].video.group

    lent = {
        int(fresh.draw_donor(person, 2, np.random.default_rng(seed)).frames[0].mean())
        for seed in range(40)
    }

    assert lent == {grey for (who, label), grey in greys.items() if who != person and label == 0}


def test_someone_alone_gets_the_methods_that_need_nobody_else(tmp_path):
    faces = labelled_crops(tmp_path, people=1, frames=3, side=SIDE)
    fresh = FreshForgeries(faces, margin=MARGIN)
    swaps = FreshForgeries(faces, margin=MARGIN, methods={"face_swap": 1.0})

    seen = {forged_by(fresh, faces[0], seed)[1].method.split(".")[0] for seed in range(60)}

    assert seen == set(METHODS) - {"face_swap"}
    with pytest.raises(InvalidRequest, match="two people"):
        forged_by(swaps, faces[0], 0)


def test_a_method_without_a_weight_is_never_drawn(faces):
    fresh = FreshForgeries(faces, margin=MARGIN, methods={"network": 1.0, "box_paste": 1.0})

    seen = {forged_by(fresh, faces[0], seed)[1].method.split(".")[0] for seed in range(30)}

    assert seen == {"network", "box_paste"}


def test_unknown_methods_are_refused_at_once(faces):
    with pytest.raises(InvalidRequest, match="nope"):
        FreshForgeries(faces, margin=MARGIN, methods={"nope": 1.0})


def test_many_people_give_a_network_something_to_mix(tmp_path):
    faces = labelled_crops(tmp_path, people=33, frames=1, side=32, stills=True)
    fresh = FreshForgeries(faces, margin=MARGIN, methods={"network": 1.0})

    for seed in range(4):
        crops, forged = forged_by(fresh, faces[0], seed)
        assert not np.array_equal(crops, forged.crops)
