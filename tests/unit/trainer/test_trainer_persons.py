"""Who is who: grouping by faces, the sheet to check it by eye, and the command."""

import csv

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import Head, admiral, astronaut, film, scenery, show, write_video

from unmask_shared.errors import InvalidRequest
from unmask_trainer.__main__ import main
from unmask_trainer.datasets.known_persons import read_known_persons
from unmask_trainer.persons.clustering import group_identities
from unmask_trainer.persons.sheet import write_sheets

ROW = 96 + 16
"""Height of a face with its file's name below."""


def points(*places):
    """Identities at these places of a line through face space."""
    identities = np.zeros((len(places), 128))
    identities[:, 7] = places
    return identities


def write_picture(path, pixels):
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two people, in pictures and in a video, and a picture of nobody."""
    folder = tmp_path_factory.mktemp("people")

    def head(portrait, number):
        return Head(portrait=portrait(), center=(120 + 8 * number, 115), eye_distance=34 + number)

    (folder / "more").mkdir()
    write_picture(folder / "hopper1.jpg", show(scenery(260, 260), head(admiral, 1)))
    write_picture(folder / "collins1.png", show(scenery(260, 260, seed=1), head(astronaut, 0)))
    write_picture(
        folder / "more" / "collins2.webp",
        show(scenery(260, 260, seed=2, brightness=70), head(astronaut, 3)),
    )
    write_video(
        folder / "collins3.mp4", film(20, lambda number: [head(astronaut, number // 5)], seed=3)
    )
    write_picture(folder / "nobody.png", scenery(260, 260))
    return folder


def test_the_files_of_a_person_are_found_whatever_they_are(folder, tmp_path, capsys):
    out = tmp_path / "new" / "persons.csv"

    assert main(["persons", str(folder), "--out", str(out), "--workers", "1"]) == 0

    with out.open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert {name: row["person"] for name, row in rows.items()} == {
        "collins1.png": "p1",
        "collins3.mp4": "p1",
        "more/collins2.webp": "p1",
        "hopper1.jpg": "p2",
    }
    assert all(0 < float(row["confidence"]) <= 1 for row in rows.values())
    told = capsys.readouterr()
    assert "2 persons in 4 of 5 files" in told.out
    assert "left out nobody.png: no face was found" in told.err
    assert read_known_persons(out) == {name: row["person"] for name, row in rows.items()}
    sheet = cv2.imread(str(out.with_suffix(".png")))
    assert sheet.shape == (2 * ROW, 12 * 96, 3)
    assert sheet[:96, : 3 * 96].std() > 20  # three faces of one, one of the other
    assert sheet[:ROW, 3 * 96 :].max() == 0
    assert sheet[ROW : ROW + 96, :96].std() > 20
    assert sheet[ROW:, 96:].max() == 0
    below = [sheet[96:ROW, column * 96 : (column + 1) * 96] for column in range(3)]
    assert all(strip.max() > 150 for strip in below), "each face has the name of its file"
    assert not np.array_equal(below[0], below[1])


def test_a_folder_without_faces_is_refused(tmp_path, capsys):
    write_picture(tmp_path / "nobody.png", scenery(200, 200))
    out = tmp_path / "persons.csv"
    assert main(["persons", str(tmp_path), "--out", str(out), "--workers", "1"]) == 2
    assert "none of the 1 files" in capsys.readouterr().err
    assert not out.exists()


def test_persons_are_named_by_how_often_they_are_shown():
    grouped = group_identities(points(5, 0, 0.1, 9, 5.1, 0.2), limit=0.5)
    assert grouped.person == ("p2", "p1", "p1", "p3", "p2", "p1")


def test_confidence_is_low_near_the_limit_and_high_far_from_it():
    sure = group_identities(points(0, 0.05, 9), limit=0.5)
    assert sure.confidence == pytest.approx((0.9, 0.9, 1.0))
    barely = group_identities(points(0, 0.45, 1.2), limit=0.5)
    assert barely.person == ("p1", "p1", "p2")
    assert barely.confidence == pytest.approx((0.1, 0.1, 0.5))


def test_a_chain_of_similar_faces_does_not_become_one_person():
    """Each is close to the next, and the ends are strangers."""
    grouped = group_identities(points(*np.arange(12) * 0.3), limit=0.5)
    assert len(set(grouped.person)) > 3


def test_a_single_file_is_a_person():
    assert group_identities(points(3), limit=0.5).person == ("p1",)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(9)))
def test_the_order_of_files_decides_nothing_but_names(order):
    places = [0, 0.1, 0.3, 2, 2.2, 4, 6, 6.1, 9]
    expected = group_identities(points(*places), limit=0.5)
    shuffled = group_identities(points(*(places[at] for at in order)), limit=0.5)
    pairs = {
        (order[a], order[b])
        for a in range(9)
        for b in range(9)
        if shuffled.person[a] == shuffled.person[b]
    }
    assert pairs == {
        (a, b) for a in range(9) for b in range(9) if expected.person[a] == expected.person[b]
    }


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InvalidRequest, match="above 0"):
        group_identities(points(0, 1), limit=0)
    with pytest.raises(InvalidRequest, match="20001 files are too many"):
        group_identities(np.zeros((20_001, 1)), limit=0.5)


def test_many_persons_fill_several_sheets_those_of_several_files_first(tmp_path):
    names = [f"p{number // 2}" for number in range(90)] + [f"q{number}" for number in range(30)]
    grey = [np.full((50, 50, 3), 40, np.uint8)] * 90 + [np.full((50, 50, 3), 200, np.uint8)] * 30

    files = [f"{number}" for number in range(120)]
    first, second = write_sheets(tmp_path / "who.png", names, files, grey)

    assert (first.name, second.name) == ("who.png", "who-2.png")
    top, rest = cv2.imread(str(first)), cv2.imread(str(second))
    assert top.shape[0] == 40 * ROW
    assert rest.shape[0] == 8 * ROW
    assert np.median(top[:, : 2 * 96]) == 40
    assert np.median(rest[5 * ROW : 7 * ROW]) == 200
