import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.errors import InvalidRequest
from unmask_trainer.datasets.labelled import read_labelled_videos
from unmask_trainer.datasets.splits import Shares, Split, split_groups, split_of

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
