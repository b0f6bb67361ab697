"""A training run that is killed goes on where it was, and nobody can tell from its curve."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_commands import helpers_of
from prepared_crops import CROPS, prepared_crops

# Each kill costs a start of Python with torch, beside tests on the other cores.
pytestmark = pytest.mark.timeout(600)

EXPERIMENT = f"""
{CROPS}
[model]
lstm_hidden = 8
[[stages]]
kind = "clips"
epochs = 3
batch_size = 2
window = 2
fresh = 0.3
[hardware]
accelerator = "cpu"
loaders = 1
save_every_s = 0.2
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    (folder / "small.toml").write_text(EXPERIMENT)
    prepared_crops(folder / "data")
    return folder


def start(material: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "unmask_trainer",
            "train",
            material / "small.toml",
            "--data",
            material / "data",
            "--out",
            out,
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def curve(out: Path) -> list[dict]:
    times = ("seconds", "waited", "clips_per_second")
    records = json.loads((out / "history.json").read_text())
    return [
        {name: value for name, value in record.items() if name not in times} for record in records
    ]


def test_a_run_that_is_killed_again_and_again_gives_the_curve_of_a_whole_one(material, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(material, whole).wait(200) == 0
    state = broken / "stages" / "1-clips" / "last.ckpt"

    kills = 0
    while kills < 3:
        process, before = start(material, broken), state.stat().st_mtime_ns if kills else 0
        while process.poll() is None:
            if state.exists() and state.stat().st_mtime_ns != before:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        assert process.wait(60) == -signal.SIGKILL, "the run ended before it could be killed"
        deadline = time.monotonic() + 20
        while left := helpers_of(process):
            assert time.monotonic() < deadline, f"readers outlive the run: {left}"
            time.sleep(0.05)
        kills += 1
    assert start(material, broken).wait(200) == 0

    assert curve(broken) == curve(whole)
    weights = [out / "checkpoint" / "weights.safetensors" for out in (whole, broken)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_two_runs_cannot_work_in_one_folder(material, tmp_path):
    first = start(material, tmp_path)
    try:
        while not (tmp_path / ".lock").exists():
            assert first.poll() is None
            time.sleep(0.02)
        assert start(material, tmp_path).wait(100) == 2
    finally:
        first.kill()
        first.wait()
