"""The commands, on real clips that the trainer makes itself, through to a usable checkpoint."""

import csv
import json
import shutil
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
import torch

from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_trainer.__main__ import main
from unmask_trainer.demo_media import PORTRAITS, make_demo_media
from unmask_trainer.forgeries.methods import METHODS
from unmask_trainer.recording import Encoding, write_video

PEOPLE = 10


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    """A forged data set of two portraits under several names, mirrored and tinted."""
    root = tmp_path_factory.mktemp("forged")
    images, videos = root / "images", root / "videos"
    images.mkdir()
    videos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(PEOPLE):
        picture = PORTRAITS[number % 2].picture()[:320, 60:460]
        picture = cv2.convertScaleAbs(picture, alpha=float(rng.uniform(0.7, 1.1)))
        cv2.imwrite(str(images / f"portrait{number}.png"), picture[..., ::-1])
    cv2.imwrite(str(images / "empty.png"), np.full((200, 200, 3), 128, np.uint8))
    make_demo_media(root / "demo", seconds=0.5)
    shutil.copy(root / "demo" / "astronaut_real.mp4", videos / "astronaut.mp4")
    persons = root / "persons.csv"
    rows = [("file", "person"), *((f"portrait{i}.png", f"person{i}") for i in range(PEOPLE))]
    with persons.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    arguments = ["forge", "--images", str(images), "--videos", str(videos)]
    arguments += ["--persons", str(persons), "--out", str(root / "data"), "--workers", "1"]
    arguments += ["--takes", "1", "--take-frames", "8", "--portrait-frames", "6"]
    assert main(arguments) == 0
    return root / "data"


def table(folder):
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_take_becomes_a_control_and_a_forgery_of_the_same_form(forged):
    for row in table(forged):
        with av.open(str(forged / row["label"] / f"{row['id']}.mp4")) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            assert stream.codec_context.name == "h264"
            assert frames == (8 if row["id"].startswith("astronaut") else 6)
    real, fake = ({p.stem for p in (forged / label).iterdir()} for label in ("real", "fake"))
    assert {f"{name}~0" for name in real} == fake
    assert len(real) == PEOPLE + 1


def test_the_table_says_who_is_shown_and_what_was_done(forged):
    rows = {(row["id"], row["label"]): row for row in table(forged)}

    assert rows["portrait3~0", "fake"]["person"] == "person3"
    assert rows["portrait3~0", "fake"]["source"] == "portrait3"
    assert rows["portrait3~0", "fake"]["method"].split(".")[0] in METHODS
    assert rows["portrait3", "real"]["method"] == ""


def test_footage_without_a_face_is_left_out(forged):
    assert not [row for row in table(forged) if row["id"] == "empty"]
    assert not list(forged.glob("*/empty*.mp4"))


def test_training_makes_a_checkpoint_that_serves(forged, tmp_path, capsys):
    (forged / "real" / "broken.mp4").write_bytes(b"not a video")
    experiment = tmp_path / "experiment.toml"
    experiment.write_text(
        """
        crops = {size = 48, clip_length = 4, short_clips = "wrap"}
        stages = [{kind = "clips", epochs = 1, window = 2}]
        hardware = {accelerator = "cpu", loaders = 0}
        [card]
        name = "tested"
        version = "0.1.0"
        data = "Four photographs."
        licence = "None."
        limits = ["A test."]
        """
    )
    arguments = ["train", str(experiment), "--data", str(forged), "--out", str(tmp_path / "run")]

    assert main([*arguments, "--workers", "1"]) == 0

    assert "left out real/broken.mp4: not_a_video" in capsys.readouterr().err
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint")
    card = checkpoint.card
    assert (card.version, card.input_size, card.clip_length) == ("0.1.0", 48, 4)
    assert card.short_clips == "wrap"
    assert {(row.split, row.level) for row in card.evaluations} == {
        (split, level) for split in ("val", "test") for level in ("clip", "video")
    }
    assert card.training_data.people > 0
    assert all((tmp_path / "run" / "checkpoint" / name).exists() for name in card.figures)
    tracks = extract_faces(
        forged / "fake" / "portrait0~0.mp4",
        VisionSettings(crop_size=48, crop_margin=card.crop_margin, clip_length=4),
    ).tracks
    logits = ClipClassifier(checkpoint).logits([tracks[0].crops[:4]])
    assert np.isfinite(logits).all()

    arguments = ["export", "--checkpoint", str(tmp_path / "run" / "checkpoint")]
    arguments += ["--to", str(tmp_path / "models"), "--workers", "1"]
    arguments += ["--also-on", str(forged), "--also-named", "again", "--also-note", "Seen before."]
    arguments += ["--describe", "--version", "0.2.0", "--describe-data", "Two people."]

    assert main(arguments) == 0

    exported = load_checkpoint(tmp_path / "models").card
    assert exported.weights_sha256 == card.weights_sha256
    assert (exported.version, exported.training_data.description) == ("0.2.0", "Two people.")
    assert exported.training_data.people == card.training_data.people
    assert exported.evaluations[:4] == card.evaluations
    assert [row.split for row in exported.evaluations[4:]] == ["again", "again"]
    assert json.loads((tmp_path / "run" / "history.json").read_text())[0]["epoch"] == 1


def test_a_folder_without_videos_is_explained_to_the_user(tmp_path, capsys):
    status = main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")])

    assert status == 2
    assert "holds no videos" in capsys.readouterr().err


def test_nothing_to_forge_is_explained_to_the_user(tmp_path, capsys):
    assert main(["forge", "--out", str(tmp_path)]) == 2
    assert "nothing to forge" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["forge", "stats", "demo-media"])
def test_commands_that_need_no_network_do_not_wait_for_torch(command):
    script = (
        "import sys\n"
        "from unmask_trainer.__main__ import main\n"
        "try:\n"
        "    main([sys.argv[1], '--help'])\n"
        "finally:\n"
        "    assert 'torch' not in sys.modules, 'torch was imported'\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, command], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert f"unmask_trainer {command}" in done.stdout
    assert "options:" in done.stdout


@pytest.mark.parametrize("command", ["train", "evaluate", "publish"])
def test_every_other_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert f"unmask_trainer {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nope"], ["sta", "--help"]])
def test_unknown_commands_are_refused_with_those_that_there_are(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_demo_media_is_the_same_each_time_and_shows_one_face(tmp_path):
    first = make_demo_media(tmp_path / "first", seconds=0.3)
    again = make_demo_media(tmp_path / "again", seconds=0.3)

    assert [path.name for path in first] == [
        "astronaut_real.mp4",
        "astronaut_fake.mp4",
        "hopper_real.mp4",
        "hopper_fake.mp4",
    ]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert len(extract_faces(one, VisionSettings()).tracks) == 1


def test_a_video_is_written_whole_or_not_at_all(tmp_path):
    def broken():
        yield np.zeros((16, 16, 3), np.uint8)
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        write_video(tmp_path / "clip.mp4", broken(), fps=25)

    assert list(tmp_path.iterdir()) == []


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "clip.mp4", [], fps=25)


def test_a_higher_rate_factor_makes_a_smaller_file(tmp_path):
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8))
    sizes = []
    for crf in (17, 35):
        write_video(tmp_path / f"{crf}.mp4", frames, fps=25, encoding=Encoding(crf=crf))
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)

    assert sizes[1] < sizes[0]
