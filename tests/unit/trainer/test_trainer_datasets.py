import csv

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.errors import InvalidRequest
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.augmentations import Augmentation, augment, draw_augmentation
from unmask_trainer.datasets.clips import ClipDataset, UnitBatches, collate
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.labelled import LabelledVideo, read_labelled_videos
from unmask_trainer.datasets.splits import Shares, Split, split_groups, split_of

SIDE = 16
names = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=60)


# --- Labelled folders --------------------------------------------------------------------------


def make_folder(root, files, rows=None):
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")
    if rows is not None:
        with (root / "metadata.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "label", "person", "source", "method"), *rows])
    return root


def test_a_forgery_stays_with_its_source_when_nobody_says_who_is_shown(tmp_path):
    folder = make_folder(tmp_path, ["real/b.mp4", "real/a.mp4", "fake/a.mp4", "fake/.a.part.mp4"])

    videos = read_labelled_videos(folder)

    assert [video.id for video in videos] == ["real/a.mp4", "fake/a.mp4", "real/b.mp4"]
    assert [video.group for video in videos] == ["a", "a", "b"]
    assert [video.label for video in videos] == [0, 1, 0]


def test_the_table_says_who_is_shown_and_how_it_was_forged(tmp_path):
    rows = [
        ("a", "real", "p1", "x", ""),
        ("a", "fake", "p1", "x", "swap"),
        ("b", "real", "p1", "", ""),
    ]
    folder = make_folder(tmp_path, ["real/a.mp4", "real/b.mov", "fake/a.mp4"], rows)

    videos = read_labelled_videos(folder)

    assert {video.group for video in videos} == {"p1"}
    assert [video.method for video in videos] == ["", "swap", ""]


def test_a_folder_without_one_class_is_refused(tmp_path):
    folder = make_folder(tmp_path, ["real/a.mp4"])

    with pytest.raises(InvalidRequest, match="fake"):
        read_labelled_videos(folder)


# --- Splits ------------------------------------------------------------------------------------


@given(names)
def test_a_group_stays_in_its_part_when_others_join(groups):
    shares = Shares(val=0.2, test=0.2)

    assert all(split_of(group, shares) is split_of(group, shares) for group in groups)
    assert {split_of("anyone", shares) for _ in range(3)} == {split_of("anyone", shares)}


@given(names)
def test_every_group_is_in_one_part_and_no_part_is_empty_when_there_are_enough(groups):
    placed = split_groups(groups, Shares(val=0.2, test=0.2))

    assert set(placed) == groups
    if len(groups) >= 3:
        assert set(placed.values()) == set(Split)


def test_parts_have_about_the_sizes_asked_for():
    placed = split_groups((f"person {i}" for i in range(5000)), Shares(val=0.1, test=0.2))

    shares = {part: sum(value is part for value in placed.values()) / 5000 for part in Split}
    assert shares[Split.VAL] == pytest.approx(0.1, abs=0.02)
    assert shares[Split.TEST] == pytest.approx(0.2, abs=0.02)


def test_another_seed_divides_otherwise():
    groups = [f"person {i}" for i in range(50)]

    assert split_groups(groups, Shares()) != split_groups(groups, Shares(), seed=1)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.5, 0.5)])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(ValueError, match="leave nothing"):
        Shares(val=shares[0], test=shares[1])


# --- Clips -------------------------------------------------------------------------------------


@pytest.fixture
def faces(tmp_path):
    """Two people, each with a real and a fake video of two clips; every frame has its own grey."""
    found = []
    for person in ("p", "q"):
        for label, name in enumerate(("real", "fake")):
            crops = np.empty((20, SIDE, SIDE, 3), np.uint8)
            crops[:] = (np.arange(20) * 5)[:, None, None, None]
            path = tmp_path / f"{person}{label}.npy"
            np.save(path, crops)
            video = LabelledVideo(path=tmp_path / name / f"{person}.mp4", label=label, group=person)
            found.append(FaceClips(video=video, crops_path=path, clips=((0, 12), (12, 20))))
    return found


def plain(faces, **changes):
    return ClipDataset(faces, CropTransform(), **{"window": 8, "augmented": False, **changes})


def test_training_reads_what_serving_reads(faces):
    crops = faces[0].load()[2:10]

    item, label = plain(faces)[0]

    assert label == 0
    assert torch.equal(item, CropTransform()(np.array(crops)))


@pytest.mark.parametrize(
    ("policy", "filled"),
    [
        ("mask", range(8)),
        ("repeat_last", [*range(8), 7, 7, 7, 7]),
        ("wrap", [*range(8), 0, 1, 2, 3]),
    ],
)
def test_short_clips_are_filled_as_in_serving(faces, policy, filled):
    crops = np.array(faces[0].load()[12:20])

    item, _ = plain(faces, window=12, short_clips=policy)[1]

    assert torch.equal(item, CropTransform()(crops[list(filled)]))


def test_a_window_is_a_run_of_consecutive_frames_within_one_clip(faces):
    seen = set()
    for epoch in range(20):
        clips = ClipDataset(faces, _Greys(), window=8, augmented=True)
        clips.set_epoch(epoch)
        starts = [int(clips[i][0][0]) for i in range(len(clips))]
        assert all(np.all(np.diff(clips[i][0].numpy()) > 0) for i in range(len(clips)))
        seen.update(starts)
    assert len(seen) > 3


class _Greys(CropTransform):
    """Gives each frame's mean grey, which augmentation scales but keeps in order."""

    def __call__(self, crops):
        return torch.from_numpy(crops.astype(np.float32).mean(axis=(1, 2, 3)))


def test_a_real_clip_and_its_forgery_show_the_same_frames_in_the_same_way(faces):
    clips = ClipDataset(faces, CropTransform(), window=4, augmented=True)
    clips.set_epoch(3)

    for real, fake in clips.units():
        assert (clips[real][1], clips[fake][1]) == (0, 1)
        assert torch.equal(clips[real][0], clips[fake][0])


def test_epochs_differ_and_repeat_with_the_seed(faces):
    def first_item(seed, epoch):
        clips = ClipDataset(faces, CropTransform(), window=4, augmented=True, seed=seed)
        clips.set_epoch(epoch)
        return clips[0][0]

    assert torch.equal(first_item(1, 1), first_item(1, 1))
    assert not torch.equal(first_item(1, 1), first_item(1, 2))
    assert not torch.equal(first_item(1, 1), first_item(2, 1))


def test_crops_are_scaled_when_asked(faces):
    assert plain(faces, side=8)[0][0].shape[-2:] == (8, 8)


def test_batches_hold_every_clip_once_and_keep_units_together(faces):
    clips = plain(faces)
    batches = UnitBatches(clips, batch_size=2, seed=0, shuffled=True)
    units = {frozenset(unit) for unit in clips.units()}

    orders = []
    for epoch in range(6):
        batches.set_epoch(epoch)
        order = list(batches)
        assert len(order) == len(batches)
        assert {frozenset(batch) for batch in order} == units
        orders.append(str(order))
    assert len(set(orders)) > 1


def test_collating_pads_to_the_longest_clip(faces):
    frames, lengths, labels = collate([(torch.ones(3, 3, 4, 4), 1), (torch.ones(5, 3, 4, 4), 0)])

    assert frames.shape == (2, 5, 3, 4, 4)
    assert lengths.tolist() == [3, 5]
    assert labels.tolist() == [1, 0]


# --- Augmentation ------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_augmentation_is_the_same_for_every_frame_of_a_clip(seed):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    drawn = draw_augmentation(rng, SIDE)

    result = augment(np.stack([frame] * 3), drawn, rng)

    assert result.shape == (3, SIDE, SIDE, 3)
    assert result.dtype == np.uint8
    if not drawn.noise:
        assert np.array_equal(result[0], result[2])


NOTHING = Augmentation(
    mirrored=False,
    zoom=1.0,
    shift=(0.0, 0.0),
    gain=(1.0, 1.0, 1.0),
    gamma=1.0,
    blur=0.0,
    shrink=0,
    noise=0.0,
    jpeg=0,
)


def test_an_augmentation_of_nothing_changes_nothing():
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)

    assert np.array_equal(augment(crops, NOTHING, rng), crops)


def test_mirroring_exchanges_left_and_right():
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    mirrored = Augmentation(**{**vars(NOTHING), "mirrored": True})

    assert np.array_equal(augment(crops, mirrored, rng), crops[:, :, ::-1])
