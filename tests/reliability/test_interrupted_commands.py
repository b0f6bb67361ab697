"""Ctrl-C: a line instead of tracebacks, no helper left, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time

import pytest
from dataset_trees import ACTORS, celeb_df
from killed_commands import extracted, helpers_of

VIDEOS = 2 * ACTORS + 2
# Tests that run in the background ignore Ctrl-C, and what they start would inherit that.
HEEDFUL = (
    "import signal, sys\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from unmask_trainer.__main__ import main\n"
    "sys.exit(main())\n"
)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", HEEDFUL, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return celeb_df(tmp_path_factory.mktemp("celeb") / "root", distinct=True)


def test_ctrl_c_ends_a_command_with_its_helpers_and_in_few_words(root, tmp_path):
    out = tmp_path / "out"
    arguments = ["prepare", root, "--out", out, "--workers", "2"]
    arguments += ["--crop-size", "48", "--clip-length", "4"]
    run = start(*arguments)
    deadline = time.monotonic() + 120
    while len(extracted(out)) < 2:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)

    os.killpg(run.pid, signal.SIGINT)  # as a terminal does, to all processes of the command
    _, errors = run.communicate(timeout=60)

    assert run.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("Interrupted.")
    deadline = time.monotonic() + 20
    while left := helpers_of(run):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
    done = extracted(out)
    assert 2 <= len(done) < VIDEOS

    again = start(*arguments)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert extracted(out).items() >= done.items(), "what was done was not done again"
    assert (out / "prepared.json").exists()
