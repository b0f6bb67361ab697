"""The command `unmask` against the whole of Unmask: what it prints, what it leaves, how it ends."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from embedded_stack import ROOT
from guarded_stack import ADMIN_KEY, GuardedStack

from unmask_client import Client, VideoFilter

Run = Callable[..., "subprocess.CompletedProcess[str]"]

_VERDICTS = {"real": 0, "fake": 3, "inconclusive": 4}


@pytest.fixture
def environment(guarded_stack: GuardedStack) -> dict[str, str]:
    return os.environ | {"UNMASK_URL": guarded_stack.url, "UNMASK_API_KEY": guarded_stack.key}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str, key: str | None = None, stdin: str = "") -> Any:
        return subprocess.run(
            [sys.executable, "-m", "unmask_client", *arguments],
            env=environment if key is None else environment | {"UNMASK_API_KEY": key},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return run


@pytest.fixture
def client(guarded_stack: GuardedStack) -> Iterator[Client]:
    with closing(Client(guarded_stack.url, api_key=guarded_stack.key)) as client:
        yield client


@pytest.fixture
def clips(demo_media: Path, tmp_path: Path) -> Path:
    """A folder with two clips, whose names no other test has, and what is no video."""
    folder = tmp_path / "clips"
    (folder / "below").mkdir(parents=True)
    mark = time.time_ns()
    shutil.copyfile(demo_media / "astronaut_real.mp4", folder / f"{mark}-a.mp4")
    shutil.copyfile(demo_media / "astronaut_fake.mp4", folder / "below" / f"{mark}-b.mp4")
    (folder / "notes.txt").write_text("no video")
    return folder


def mark_of(clips: Path) -> str:
    return next(clips.glob("*.mp4")).name.partition("-")[0]


def documents(outcome: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def steps(journal: Path) -> list[dict[str, Any]]:
    if not journal.exists():
        return []
    whole, _, _ = journal.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def test_what_a_newcomer_does_from_a_key_to_erasing(
    run: Run, demo_media: Path, tmp_path: Path
) -> None:
    made = run("keys", "create", "--name", "newcomer", key=ADMIN_KEY)
    assert (made.returncode, made.stderr) == (0, "")
    key = made.stdout.strip()
    clip = demo_media / "astronaut_fake.mp4"

    submitted = run("submit", "--wait", "--json", "--heatmaps", str(clip), key=key)
    [video] = documents(submitted)
    assert (video["status"], video["file"]) == ("completed", str(clip))
    code = _VERDICTS[video["result"]["verdict"]]
    assert (submitted.returncode, submitted.stderr) == (code, "")

    status = run("status", video["id"], key=key)
    assert status.returncode == code
    assert status.stdout.startswith(f"{clip.name}  {video['result']['verdict'].upper()}")
    watched = run("watch", video["id"], "--json", key=key)
    assert watched.returncode == code
    assert documents(watched)[0] == {name: video[name] for name in video if name != "file"}
    assert [one["id"] for one in documents(run("list", "--json", key=key))] == [video["id"]]
    assert video["id"] in run("list", "--verdict", video["result"]["verdict"], key=key).stdout

    reported = run("report", video["id"], "-o", "clip.html", key=key)
    assert (reported.returncode, reported.stdout) == (0, "clip.html\n")
    assert "data:image/webp;base64," in (tmp_path / "clip.html").read_text()
    assert run("models", key=key).returncode == 0

    assert run("status", video["id"]).returncode == 1  # to all other keys it does not exist
    deleted = run("delete", video["id"], key=key)
    assert (deleted.returncode, deleted.stdout) == (0, f"{video['id']} is erased\n")
    gone = run("report", video["id"], "-o", "again.html", key=key)
    assert gone.returncode == 1
    assert not (tmp_path / "again.html").exists()
    assert documents(run("delete", "--json", video["id"], key=key))[0]["error"]["code"] == (
        "video_not_found"
    )

    [listed] = [
        one
        for one in documents(run("keys", "list", "--json", key=ADMIN_KEY))
        if one["name"] == "newcomer"
    ]
    assert run("keys", "revoke", listed["id"], key=ADMIN_KEY).returncode == 0
    assert run("keys", "list").returncode == 1  # not with a key of this kind


@contextmanager
def held(worker: psutil.Process) -> Iterator[None]:
    """Let a worker do nothing, however slow the commands are meanwhile."""
    processes = [worker, *worker.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def test_a_video_is_cancelled(run: Run, guarded_stack: GuardedStack, demo_media: Path) -> None:
    clip = str(demo_media / "astronaut_real.mp4")
    with held(guarded_stack.running.part("unmask_preprocessor.worker")):
        submitted = run("submit", clip)
        assert submitted.returncode == 0
        video_id = submitted.stdout.split()[-1]
        unfinished = run("watch", video_id, "--timeout", "0.2")
        assert unfinished.returncode == 6
        cancelled = run("cancel", video_id)
    assert (cancelled.returncode, cancelled.stderr) == (0, "")
    assert "cancelled" in cancelled.stdout
    assert run("status", video_id).returncode == 5
    assert run("watch", video_id).returncode == 5


def test_a_message_is_sent_where_the_command_line_says(
    run: Run, guarded_stack: GuardedStack, clips: Path
) -> None:
    clip = next(clips.glob("*.mp4"))
    hook = guarded_stack.receiver.url("/hook")
    [video] = documents(run("submit", "--wait", "--json", "--webhook", hook, str(clip)))
    deadline = time.monotonic() + 30
    while not any(video["id"].encode() in one.body for one in guarded_stack.receiver.received):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_goes_on_where_it_ended(
    run: Run,
    environment: dict[str, str],
    client: Client,
    clips: Path,
    tmp_path: Path,
    end: signal.Signals,
) -> None:
    journal = tmp_path / "batch.jsonl"
    arguments = ["submit", "--wait", "--json", "--journal", str(journal), "-p", "1", str(clips)]
    # What is started in the background ignores the signal, as pytest may have been.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from unmask_client.command.main import main; main()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not any("video_id" in step for step in steps(journal)):
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(end)
    first.communicate(timeout=60)
    assert first.returncode == (130 if end is signal.SIGINT else -end)

    second = run(*arguments)
    videos = documents(second)
    assert [Path(one["file"]).name for one in videos] == [
        f"{mark_of(clips)}-a.mp4",
        f"{mark_of(clips)}-b.mp4",
    ]
    assert {one["status"] for one in videos} == {"completed"}
    assert second.stderr.splitlines()[-1].startswith("2 videos: ")
    assert "\x1b" not in second.stderr  # bars are for terminals
    listed = client.list(VideoFilter(filename=mark_of(clips)))
    assert sorted(one.id for one in listed) == sorted(one["id"] for one in videos)

    third = run(*arguments)
    assert documents(third) == videos
    assert third.returncode == second.returncode


def test_a_list_comes_from_standard_input(run: Run, clips: Path) -> None:
    names = [str(file) for file in clips.rglob("*.mp4")]
    outcome = run("submit", "--json", "-", stdin="\n".join([*names, str(clips / "notes.txt")]))
    assert outcome.returncode == 1  # one is no video
    *accepted, refused = sorted(documents(outcome), key=lambda one: "error" in one)
    assert sorted(one["file"] for one in accepted) == sorted(names)
    assert refused["error"]["code"] == "not_a_video"
    assert "3 videos: 2 queued, 1 error" in outcome.stderr


def test_a_direct_upload_goes_on_in_the_next_run(
    run: Run, guarded_stack: GuardedStack, large_clip: Path, tmp_path: Path, client: Client
) -> None:
    journal = tmp_path / "batch.jsonl"
    arguments = ["submit", "--json", "--direct", "--journal", str(journal), str(large_clip)]
    guarded_stack.proxy.lets_in = False
    try:
        broken = run(*arguments)
    finally:
        guarded_stack.proxy.lets_in = True
    assert broken.returncode == 1
    assert "goes on where it stopped" in broken.stderr
    [upload_id] = [step["upload_id"] for step in steps(journal) if "upload_id" in step]
    outcome = run(*arguments)
    assert outcome.returncode == 0, outcome.stderr
    [video] = documents(outcome)
    assert video["source"]["bytes"] == large_clip.stat().st_size
    assert [step["upload_id"] for step in steps(journal) if "upload_id" in step] == [upload_id]
    client.delete(video["id"])


def test_a_terminal_shows_bars_and_then_what_came_out(
    environment: dict[str, str], clips: Path
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "unmask_client", "submit", "--wait", str(clips)],
        env=environment | {"TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the terminal has gone with its last program
            break
    os.close(ours)
    process.wait(60)
    text = shown.decode()
    assert "━" in text
    assert "0 of 2" in text
    assert "preprocessing" in text
    *_, end = text.split("\x1b[2K")
    assert "━" not in end  # nothing is left of the bars
    assert "2 videos: " in end


def test_files_are_judged_here_without_a_server(clips: Path, demo_media: Path) -> None:
    def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "unmask_client", "analyze", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    notes = str(clips / "notes.txt")
    outcome = analyze("--json", notes, str(clips))
    unread, *judged = documents(outcome)
    assert (unread["file"], unread["status"]) == (notes, "failed")
    assert unread["failure"]["action"]
    assert len(judged) == 2
    codes = {_VERDICTS[one["result"]["verdict"]] for one in judged}
    assert outcome.returncode == (3 if 3 in codes else 5)
    assert outcome.stderr == ""
    assert analyze(str(demo_media / "missing.mp4")).returncode == 2
