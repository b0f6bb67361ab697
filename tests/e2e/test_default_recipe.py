"""The recipe of the default checkpoint, run on a small folder of raw material."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from raw_material import UNSURE, raw_material

from unmask_shared.model.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
EXPERIMENT = ROOT / "experiments" / "default.toml"
SIZE, MARGIN = 64, 0.05
# What a machine without a network, a GPU and hours of time needs to see that everything runs.
SMALLER = {
    r"^size = \d+": f"size = {SIZE}",
    r"^side = \d+": "side = 48",
    r"^epochs = \d+": "epochs = 1",
    r"^batch_size = \d+": "batch_size = 8",
    r"^window = \d+": "window = 4",
    r"^repeats = .*": "",
    r'^kind = "imagenet"': 'kind = "scratch"',
}
HARDWARE = '[hardware]\naccelerator = "cpu"\nloaders = 0\n'
OPTIONS = (
    "WEIGHTS=",
    "WORKERS=1",
    "FORGE=--takes 1 --take-frames 8",
    "EVALUATE=--split test --resamples 100 --heatmaps 1 --heatmaps-of portraits",
)
FINISH = {"train", "evaluate", "export"}


class Recipe:
    """One `make`, with all that it reads and writes below one folder."""

    def __init__(self, folder: Path) -> None:
        self.material = raw_material(folder / "material")
        self.out, self.to = folder / "out", folder / "models"
        self.experiment = folder / "smaller.toml"
        text = EXPERIMENT.read_text()
        for pattern, replacement in SMALLER.items():
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        self.experiment.write_text(text + HARDWARE)

    @contextmanager
    def started(self, *options: str) -> Iterator["subprocess.Popen[str]"]:
        """A run whose processes are killed, all of them, at the end of the block."""
        with subprocess.Popen(
            [
                "make",
                "--jobs=2",
                "--file=experiments/default.mk",
                f"PYTHON={sys.executable}",
                f"MATERIAL={self.material}",
                f"OUT={self.out}",
                f"TO={self.to}",
                f"EXPERIMENT={self.experiment}",
                *OPTIONS,
                *options,
            ],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, *options: str) -> str:
        """What it printed."""
        with self.started(*options) as process:
            output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def planned(self, *options: str) -> set[str]:
        """The commands that it would run now, those that prepare with their data set."""
        text = self.run("--dry-run", *options)
        found = re.findall(r"-m unmask_trainer (\w+) (\S+)", text)
        return {
            f"{name} {Path(first).name}" if name == "prepare" else name for name, first in found
        }

    def files(self) -> dict[Path, int]:
        """When each file was written."""
        found = [path for folder in (self.out, self.to) for path in folder.rglob("*")]
        return {path: path.stat().st_mtime_ns for path in found if path.is_file()}

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.out / "data" / name / "metadata.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A recipe whose processes were killed when the first data set was prepared; its files then."""
    recipe = Recipe(tmp_path_factory.mktemp("recipe"))
    done = recipe.out / "data" / "dfdc" / "prepared.json"
    with recipe.started() as process:
        while not done.exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
    return recipe, recipe.files()


@pytest.fixture(scope="module")
def finished(killed):
    """The same, started again and run to its end."""
    recipe, _ = killed
    planned = recipe.planned()
    assert "prepare dfdc" not in planned
    assert planned >= FINISH
    recipe.run()
    return recipe


def test_a_killed_recipe_goes_on_with_what_is_not_done(killed, finished):
    _, before = killed
    kept = {path for path in before if path.parts[-2] == "dfdc"}
    assert {path.name for path in kept} >= {"prepared.json", "metadata.csv", "real0.jpg"}

    after = finished.files()

    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}


def test_a_calibrated_and_measured_checkpoint_arrives(finished):
    card = load_checkpoint(finished.to).card

    assert card.name == "resnet-lstm"
    assert (card.input_size, card.crop_margin) == (SIZE, MARGIN)
    assert {"val", "test own", "test dfdc"} <= {row.split for row in card.evaluations}
    assert card.thresholds.real_below < card.thresholds.fake_above
    assert any(name.startswith("figures/evaluation/heatmaps/") for name in card.figures)
    assert all((finished.to / name).is_file() for name in card.figures)


def test_all_sources_are_trained_on_and_no_unsure_face_is_tested_on(finished):
    labels = {
        name: {row["label"] for row in finished.rows(name) if row["split"] == "train"}
        for name in ("dfdc", "lfw", "congress", "own")
    }
    both = {"real", "fake"}
    assert labels == {"dfdc": both, "lfw": {"real"}, "congress": {"real"}, "own": both}
    unsure = [row for row in finished.rows("dfdc") if not row["identities"]]
    assert {row["split"] for row in unsure} == {"train"}
    assert all(UNSURE not in row["identities"] for row in finished.rows("dfdc"))


def test_only_portraits_of_test_people_are_shown_on_the_card(finished):
    tested = {row["path"] for row in finished.rows("congress") if row["split"] == "test"}
    forged = finished.out / "test" / "portraits" / "metadata.csv"
    with forged.open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert {row["person"] for row in rows} == {Path(name).stem for name in tested}
    assert {row["label"] for row in rows} == {"real", "fake"}
    assert {row["split"] for row in rows} == {"test"}
    text = (finished.out / "report" / "metrics.json").read_text()
    shown = json.loads(text)["heatmaps"]
    assert shown
    assert {one["dataset"] for one in shown} == {"portraits"}


def test_nothing_is_done_twice(finished):
    before = finished.files()

    output = finished.run()

    assert "unmask_trainer" not in output
    assert finished.files() == before


def test_what_follows_from_other_values_is_redone_and_nothing_else(finished, tmp_path):
    text = finished.experiment.read_text()
    (words, margin) = (tmp_path / "words.toml", tmp_path / "margin.toml")
    words.write_text(text.replace('version = "', 'version = "9.'))
    margin.write_text(text.replace(f"margin = {MARGIN}", "margin = 0.1"))
    prepared = {f"prepare {name}" for name in ("dfdc", "lfw", "congress", "own")}

    assert finished.planned(f"TO={tmp_path / 'other'}") == {"export"}
    assert finished.planned("EVALUATE=--split val") == {"evaluate", "export"}
    assert finished.planned(f"EXPERIMENT={words}") == FINISH
    assert finished.planned(f"EXPERIMENT={margin}") == prepared | {"forge"} | FINISH
    assert finished.planned("FORGE=--takes 2") == {"forge", "prepare own"} | FINISH
    assert finished.planned() == set()


def test_what_follows_from_a_changed_source_is_redone_and_nothing_else(finished):
    archive = finished.material / "lfw_faces" / "part-01.tar"
    before = archive.stat()
    archive.touch()

    planned = finished.planned()

    os.utime(archive, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert planned == {"prepare lfw"} | FINISH


@pytest.mark.parametrize("option", ["MATERIAL=", "EXPERIMENT=gone.toml"])
def test_it_says_what_is_missing(option, tmp_path):
    command = [
        "make",
        "--file=experiments/default.mk",
        f"OUT={tmp_path}",
        f"PYTHON={sys.executable}",
    ]

    done = subprocess.run(
        [*command, "MATERIAL=material", option],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert option.removeprefix("EXPERIMENT=") in done.stderr
    assert list(tmp_path.iterdir()) == []
