"""`forge`, from footage to a data set that `prepare` divides."""

import csv
import json
import shutil

import av
import cv2
import numpy as np
import pytest

from unmask_trainer.__main__ import main
from unmask_trainer.datasets.circles import circles_of
from unmask_trainer.datasets.footage import plan_portrait_takes
from unmask_trainer.datasets.forged import build_dataset
from unmask_trainer.datasets.layouts.recognition import read_dataset
from unmask_trainer.datasets.records import Part
from unmask_trainer.datasets.takes import ForgeSettings
from unmask_trainer.demo_media import PORTRAITS
from unmask_trainer.forgeries.methods import METHODS

PEOPLE, PER_TAKE = 8, 3


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two portraits under the names of several people, tinted."""
    folder = tmp_path_factory.mktemp("portraits")
    rng = np.random.default_rng(0)
    for number in range(PEOPLE):
        picture = PORTRAITS[number % 2].picture()[:320, 60:460]
        picture = cv2.convertScaleAbs(picture, alpha=float(rng.uniform(0.7, 1.1)))
        cv2.imwrite(str(folder / f"person{number}.png"), picture[..., ::-1])
    cv2.imwrite(str(folder / "wall.png"), np.full((200, 200, 3), 128, np.uint8))
    return folder


def forge(images, out, *more):
    arguments = ["forge", "--images", str(images), "--out", str(out), "--workers", "1"]
    return main([*arguments, "--portrait-frames", "4", *more])


@pytest.fixture(scope="module")
def forged(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("forged") / "set"
    options = ["--per-take", str(PER_TAKE), "--codecs", "h264", "mpeg4", "vp9"]
    assert forge(images, out, *options, "--methods", "face_swap=4", "mouth_reenactment") == 0
    return out


def table(folder):
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def probe(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream.codec_context.name, np.stack(frames)


def test_each_take_has_a_control_and_as_many_forgeries_as_asked_for(forged):
    rows = table(forged)

    assert sum(row["label"] == "real" for row in rows) == PEOPLE
    assert sum(row["label"] == "fake" for row in rows) == PEOPLE * PER_TAKE
    files = {f"{path.parent.name}/{path.stem}" for path in forged.glob("*/*.mp4")}
    assert files == {f"{row['label']}/{row['id']}" for row in rows}
    assert not [name for name in files if "wall" in name]


def test_controls_and_forgeries_are_encoded_alike(forged):
    codecs = set()
    for row in table(forged):
        codec, frames = probe(forged / row["label"] / f"{row['id']}.mp4")
        control, real = probe(forged / "real" / f"{row['clip']}.mp4")
        codecs.add(codec)
        assert codec == control
        assert frames.shape == real.shape
        # Corners have nothing to do with the face: the same footage, as well compressed.
        assert np.abs(frames[:, :12, :12].astype(int) - real[:, :12, :12]).mean() < 6
    assert len(codecs) > 1


def test_the_table_names_target_and_donor_and_what_was_done(forged):
    swaps = 0
    for row in table(forged):
        target, *donors = row["identities"].split(";")
        assert target == row["person"] == row["source"] == row["clip"]
        if row["label"] == "real":
            assert (row["method"], donors) == ("", [])
        else:
            assert row["method"].split(".")[0] in {"face_swap", "mouth_reenactment"}
            assert bool(donors) == row["method"].startswith("face_swap")
            assert target not in donors
        swaps += bool(donors)
    assert swaps > PEOPLE


def test_the_layout_is_recognised_with_all_identities(forged):
    layout, reading = read_dataset(forged)

    assert layout == "folders"
    by_id = {row["id"]: row["identities"] for row in table(forged)}
    for record in reading.records:
        assert ";".join(record.identities) == by_id[record.id.split("/")[1]]


def test_an_identity_split_keeps_donors_out_of_training_and_loses_nothing(forged, tmp_path):
    out = tmp_path / "prepared"
    assert main(["prepare", str(forged), "--out", str(out), "--workers", "1"]) == 0

    people = {part: set() for part in Part}
    rows = [row for row in table(out) if row["status"] == "ok"]
    for row in rows:
        people[Part(row["split"])].update(row["identities"].split(";"))
    assert len(rows) == PEOPLE * (1 + PER_TAKE)
    assert people[Part.TRAIN]
    assert people[Part.TEST]
    assert not people[Part.TRAIN] & (people[Part.TEST] | people[Part.VAL])
    fakes = {row["id"]: row["source"].split(";")[0] for row in rows if row["label"] == "fake"}
    assert all(name.startswith(f"fake/{clip}~") for name, clip in fakes.items())


def test_a_run_that_was_killed_goes_on_and_ends_in_the_same(images, forged, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(forged, out)
    before = {path.name: probe(path)[1] for path in sorted(out.glob("fake/*.mp4"))}
    # As a kill leaves it: the table is written last, a document after its video.
    (out / "metadata.csv").unlink()
    lost = sorted(before)[::3]
    for name in lost:
        (out / "fake" / name).unlink()
        (out / ".forging" / name).with_suffix(".json").unlink()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*/*.mp4")}
    options = ["--per-take", str(PER_TAKE), "--codecs", "h264", "mpeg4", "vp9"]

    assert forge(images, out, *options, "--methods", "face_swap=4", "mouth_reenactment") == 0

    after = {path.name: probe(path)[1] for path in sorted(out.glob("fake/*.mp4"))}
    assert after.keys() == before.keys()
    for name, frames in before.items():
        np.testing.assert_array_equal(after[name], frames)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert table(out) == table(forged)


def test_other_options_do_not_mix_into_a_folder(images, forged, capsys):
    assert forge(images, forged, "--seed", "7") == 2

    assert "begun with other footage or options" in capsys.readouterr().err
    settings = json.loads((forged / ".forging" / "settings.json").read_text())
    assert settings["seed"] == 0


def test_every_method_works_on_footage(images, tmp_path):
    takes = plan_portrait_takes(images, {}, frames=3)[:3]
    progress = []

    for method in METHODS:
        settings = ForgeSettings(methods={method: 1.0})
        made = build_dataset(
            takes, tmp_path / method, settings, workers=1, on_progress=progress.append
        )
        assert made == 3
        assert {row["method"].split(".")[0] for row in table(tmp_path / method)} == {"", method}
    assert sum(one.steps for one in progress) == len(METHODS) * 3 * 2


def test_swaps_can_be_warped_by_68_landmarks(images, tmp_path):
    takes = plan_portrait_takes(images, {}, frames=2)[:2]

    for landmarks in (5, 68):
        settings = ForgeSettings(methods={"face_swap": 1.0}, landmarks=landmarks)
        made = build_dataset(
            takes, tmp_path / str(landmarks), settings, workers=1, on_progress=lambda _: None
        )
        assert made == 2

    plain, dense = (probe(tmp_path / name / "fake" / "person0~0.mp4")[1] for name in ("5", "68"))
    assert np.abs(plain.astype(int) - dense).max() > 20
    assert np.abs(plain.astype(int) - dense).mean() < 8


def test_swaps_alone_need_two_people(images, tmp_path, capsys):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(images / "person0.png", alone)

    assert forge(alone, tmp_path / "out", "--methods", "face_swap") == 2

    assert "two people" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "message"),
    [({}, "holds no pictures"), ({"wall.png": None}, "none of the 1 takes shows a face")],
)
def test_footage_without_faces_is_explained(images, tmp_path, capsys, files, message):
    folder = tmp_path / "footage"
    folder.mkdir()
    for name in files:
        shutil.copy(images / name, folder)

    assert forge(folder, tmp_path / "out") == 2

    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["--methods", "nope"], ["--methods", "network=much"], ["--crf", "30", "20"]],
)
def test_options_that_mean_nothing_are_explained(images, tmp_path, capsys, options):
    assert forge(images, tmp_path / "out", *options) == 2

    assert options[1].split("=")[0] in capsys.readouterr().err


def test_help_names_the_methods_and_the_licence(capsys):
    with pytest.raises(SystemExit):
        main(["forge", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert all(name in text for name in METHODS)
    assert "EXCLUDES COMMERCIAL USE" in text


@pytest.mark.parametrize("count", range(1, 23))
def test_circles_are_small_and_leave_nobody_alone(count):
    people = [f"person {number}" for number in range(count)]

    circles = circles_of(people, seed=3)

    assert set(circles) == set(people)
    assert all(person in circle for person, circle in circles.items())
    sizes = {len(circle) for circle in circles.values()}
    assert max(sizes) <= 4
    assert min(sizes) >= 2 or count == 1
    assert circles == circles_of(reversed(people), seed=3)
