"""`prepare` that is killed in the middle, twice, ends as if nothing had happened."""

import signal
import subprocess
import sys
import time

from dataset_trees import ACTORS, celeb_df
from killed_commands import extracted, helpers_of

VIDEOS = 2 * ACTORS + 2


def start(root, out):
    arguments = [sys.executable, "-m", "unmask_trainer", "prepare", str(root), "--out", str(out)]
    arguments += ["--workers", "1", "--crop-size", "48", "--clip-length", "4"]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(run):
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors


def kill_when(run, reached):
    """Kill the run, which takes its helpers with it, as soon as it has come this far."""
    while not reached():
        assert run.poll() is None, run.communicate()
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while left := helpers_of(run):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def surveyed(out):
    path = out / "survey.jsonl"
    return path.read_bytes().splitlines()[1:] if path.exists() else []


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    root, out, other = celeb_df(tmp_path / "celeb", distinct=True), tmp_path / "a", tmp_path / "b"

    run = start(root, out)
    kill_when(run, lambda: len(surveyed(out)) >= 3)
    known = surveyed(out)
    assert 3 <= len(known) < VIDEOS

    run = start(root, out)
    kill_when(run, lambda: len(extracted(out)) >= 3)
    done = extracted(out)
    assert 3 <= len(done) < VIDEOS
    assert not (out / "prepared.json").exists()
    # A line that was cut off is read again, and spoils none of its neighbours.
    journal = (out / "survey.jsonl").read_bytes()
    assert journal.splitlines()[1 : len(known)] == known[: len(known) - 1]
    (out / "survey.jsonl").write_bytes(journal[:-20])

    finish(start(root, out))
    assert extracted(out).items() >= done.items()
    assert len(extracted(out)) == VIDEOS
    assert len(surveyed(out)) == VIDEOS + 1

    finish(start(root, other))
    for name in ("metadata.csv", "splits.json", "leakage.json", "leakage.txt"):
        assert (out / name).read_bytes() == (other / name).read_bytes()
    for path in (other / ".faces").iterdir():
        assert (out / ".faces" / path.name).read_bytes() == path.read_bytes()
