"""What of a clip the network is shown."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from labelled_crops import labelled_crops

from unmask_shared.model.transforms import CropTransform
from unmask_trainer.augmentations import augment, draw_augmentation, warp
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.training.plan import PlanSettings, plan_epoch
from unmask_trainer.training.samples import Samples, SampleSettings, collate
from unmask_trainer.training.settings import AugmentationSettings
from unmask_trainer.training.units import units_of

SIDE, MARGIN = 64, 0.15
STRONG = AugmentationSettings(blur=0.5, scale=0.5, noise=0.5, jpeg=0.5, codec=0.5)
QUIET = AugmentationSettings(mirror=0, move=0, colour=0, blur=0, scale=0, noise=0, jpeg=0, codec=0)


def settings(**changes):
    return SampleSettings(
        **{
            "window": 4,
            "margin": MARGIN,
            "short_clips": "mask",
            "side": None,
            "augmentation": None,
            **changes,
        }
    )


def make(faces, **changes):
    return Samples(
        units_of(faces, "set"), FreshForgeries(faces, margin=MARGIN), settings(**changes)
    )


def draws(samples, *, fresh=0.0, epoch=1, seed=0):
    plan = PlanSettings(balance="pairs", fresh=fresh, repeats={}, seed=seed)
    return plan_epoch(samples.units, plan, epoch)


@pytest.fixture
def faces(tmp_path):
    return labelled_crops(tmp_path, people=3, frames=8, side=SIDE)


def test_training_reads_what_serving_reads(faces):
    samples = make(faces)
    (real, _), *_ = draws(samples)
    stored = samples.units[real.unit].real.faces.load()

    batch = collate([samples[real]])

    shown = CropTransform().normalise(batch.crops[0])
    assert torch.equal(shown, CropTransform()(np.array(stored[2:6])))


@pytest.mark.parametrize(
    ("policy", "filled"),
    [
        ("mask", range(8)),
        ("repeat_last", [*range(8), 7, 7, 7, 7]),
        ("wrap", [*range(8), 0, 1, 2, 3]),
    ],
)
def test_short_clips_are_filled_as_in_serving(faces, policy, filled):
    samples = make(faces, window=12, short_clips=policy)
    (real, _), *_ = draws(samples)
    stored = np.array(samples.units[real.unit].real.faces.load())

    assert np.array_equal(samples[real].crops, stored[list(filled)])


def test_a_pair_shows_the_same_frames_in_the_same_way(faces):
    # Forgeries that change nothing stay equal to their originals through every augmentation.
    for real, fake in zip(faces[::2], faces[1::2], strict=True):
        np.save(fake.crops_path, real.load())
    samples = make(faces, augmentation=STRONG)

    for epoch in range(8):
        for real, fake in draws(samples, epoch=epoch):
            assert (samples[real].label, samples[fake].label) == (0, 1)
            assert np.array_equal(samples[real].crops, samples[fake].crops)


def test_windows_move_with_the_seed_and_stay_within_the_clip(tmp_path):
    faces = labelled_crops(tmp_path, people=1, frames=12, side=SIDE, clips=((0, 8), (8, 12)))
    samples = make(faces, augmentation=QUIET)
    stored = np.array(samples.units[0].real.faces.load())

    starts = set()
    for epoch in range(12):
        for real, _ in draws(samples, epoch=epoch):
            shown = samples[real].crops
            (start,) = [
                i for i in range(len(stored) - 3) if np.array_equal(shown, stored[i : i + 4])
            ]
            assert start <= 4 or start == 8
            starts.add(start)
    assert len(starts) > 3


def test_every_other_frame_is_shown_of_clips_that_are_long_enough(tmp_path):
    faces = labelled_crops(tmp_path, people=1, frames=12, side=SIDE, clips=((0, 8), (8, 12)))
    samples = make(faces, augmentation=QUIET.model_copy(update={"skip": 0.5}))
    stored = np.array(samples.units[0].real.faces.load())

    seen = set()
    for epoch in range(16):
        for real, fake in draws(samples, epoch=epoch):
            shown = samples[real].crops
            places = [int(np.abs(stored - crop).sum(axis=(1, 2, 3)).argmin()) for crop in shown]
            assert len(samples[fake].crops) == len(shown) == 4
            assert places[-1] < (8 if places[0] < 8 else 12)
            seen.add((places[0] < 8, *np.diff(places).tolist()))

    assert seen == {(True, 1, 1, 1), (True, 2, 2, 2), (False, 1, 1, 1)}


def test_where_a_stored_clip_was_forged_is_not_known(faces):
    samples = make(faces)
    (real, fake), *_ = draws(samples)

    assert not samples[real].mask.any()
    assert np.isnan(samples[fake].mask).all()
    assert samples[real].mask.shape == (SIDE // 16, SIDE // 16)


def test_a_fresh_forgery_changes_its_mask_and_nothing_else(faces):
    samples = make(faces)

    for real, fake in draws(samples, fresh=1.0):
        shown, forged = samples[real], samples[fake]
        assert forged.label == 1
        assert forged.mask.max() > 0.1
        changed = np.abs(shown.crops.astype(int) - forged.crops).max(axis=(0, 3))
        cells = changed.reshape(SIDE // 16, 16, SIDE // 16, 16).max(axis=(1, 3))
        assert cells.max() > 0
        assert not cells[forged.mask == 0].any()


def test_fresh_forgeries_repeat_with_the_seed_and_differ_between_epochs(faces):
    samples = make(faces)

    def first(epoch, seed=0):
        fakes = [group[1] for group in draws(samples, fresh=1.0, epoch=epoch, seed=seed)]
        (fake,) = [draw for draw in fakes if draw.unit == 0]
        return samples[fake].crops

    assert np.array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))
    assert not np.array_equal(first(1), first(1, seed=1))


def test_a_photograph_is_set_into_motion_alike_for_the_pair(tmp_path):
    faces = labelled_crops(tmp_path, people=2, side=SIDE, stills=True)
    samples = make(faces, window=6)

    for real, fake in draws(samples):
        shown, forged = samples[real].crops, samples[fake].crops
        assert len(shown) == len(forged) == 6
        assert np.abs(np.diff(shown.astype(int), axis=0)).max(axis=(1, 2, 3)).min() > 0
        # Their only difference, a brighter middle, moves with the picture.
        difference = np.abs(forged.astype(int) - shown).mean(axis=(0, 3))
        assert difference[28:36, 28:36].min() > 10 * max(1e-9, difference[:8, :8].max())


def test_a_single_frame_stays_a_photograph(tmp_path):
    faces = labelled_crops(tmp_path, people=1, side=SIDE, stills=True)
    samples = make(faces, window=1)
    (real, _), *_ = draws(samples)

    assert np.array_equal(samples[real].crops, samples.units[0].real.faces.load())


def test_crops_are_scaled_when_asked(faces):
    samples = make(faces, side=32)
    (real, _), *_ = draws(samples)

    assert samples[real].crops.shape[1:3] == (32, 32)
    assert samples[real].mask.shape == (2, 2)


def test_collating_pads_to_the_longest_clip(tmp_path):
    faces = labelled_crops(tmp_path, people=1, frames=8, side=SIDE, clips=((0, 3), (3, 8)))
    samples = make(faces, window=8)
    shown = [samples[real] for real, _ in draws(samples)]
    shown.sort(key=lambda sample: len(sample.crops))

    batch = collate(shown)

    assert batch.crops.shape == (2, 5, SIDE, SIDE, 3)
    assert batch.lengths.tolist() == [3, 5]
    assert not batch.crops[0, 3:].any()
    assert batch.labels.tolist() == [0, 0]


# --- Augmentation ------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_augmentation_is_the_same_for_every_frame_of_a_clip(seed):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (32, 32, 3), np.uint8)
    without_codec = STRONG.model_copy(update={"codec": 0.0, "noise": 0.0})
    drawn = draw_augmentation(rng, 32, without_codec)

    result = augment(np.stack([frame] * 3), drawn, rng)

    assert result.shape == (3, 32, 32, 3)
    assert result.dtype == np.uint8
    assert np.array_equal(result[0], result[1])
    assert np.array_equal(result[0], result[2])


@given(st.integers(0, 2**32))
def test_every_change_can_be_turned_off(seed):
    rng = np.random.default_rng(seed)
    clip = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)

    assert np.array_equal(augment(clip, draw_augmentation(rng, 32, QUIET), rng), clip)


def test_each_change_changes_something():
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 2)
    clip = np.stack([frame] * 4)

    for name in ("mirror", "move", "colour", "blur", "scale", "noise", "jpeg", "codec"):
        value = 0.1 if name == "move" else 1.0
        drawn = draw_augmentation(rng, 64, QUIET.model_copy(update={name: value}))
        assert np.abs(augment(clip, drawn, rng).astype(int) - clip).mean() > 0.2, name


def test_severity_reaches_further_at_the_worst_and_changes_nothing_at_the_mildest():
    def drawn(severity):
        chosen = STRONG.model_copy(update={"severity": severity})
        return [draw_augmentation(np.random.default_rng(seed), 64, chosen) for seed in range(400)]

    as_ever, severe = drawn(0.0), drawn(1.0)

    assert max(one.blur for one in as_ever) <= 1.6 < 3 < max(one.blur for one in severe) <= 3.2
    assert max(one.noise for one in as_ever) <= 8 < 22 < max(one.noise for one in severe) <= 24
    assert max(one.codec for one in as_ever) <= 37 < 43 <= max(one.codec for one in severe) <= 44
    qualities = [[one.jpeg for one in draws if one.jpeg] for draws in (as_ever, severe)]
    assert min(qualities[0]) >= 30 > 13 > min(qualities[1]) >= 10
    # How often each happens is not its matter.
    assert [one.noise > 0 for one in as_ever] == [one.noise > 0 for one in severe]


def test_a_mask_moves_with_the_picture_under_augmentation():
    rng = np.random.default_rng(0)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.circle(picture, (20, 30), 8, (255, 255, 255), -1)
    mask = (picture[..., 0] / 255).astype(np.float32)

    for _ in range(20):
        change = draw_augmentation(rng, SIDE, QUIET.model_copy(update={"mirror": 0.5, "move": 0.1}))
        seen = augment(picture[None], change, rng)[0].mean(axis=2) > 100
        moved = warp(mask, change) > 0.5
        assert (seen != moved).mean() < 0.02
