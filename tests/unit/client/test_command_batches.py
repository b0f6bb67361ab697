"""Batches of the command: which videos they name, what the journal keeps, who waits for whom."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer

from unmask_client import AnalysisOptions, InvalidArgument, Video
from unmask_client.command.journal import Journal, identity_of
from unmask_client.command.sources import expanded
from unmask_gateway.schemas import COMPLETED_EXAMPLE, QUEUED_EXAMPLE

NOBODY = io.StringIO()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.MP4", "a.mov", "below/c.webm", ".hidden.mp4", ".cache/d.mp4", "notes.txt"):
        file = tmp_path / "clips" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return tmp_path / "clips"


def test_a_folder_stands_for_the_videos_in_and_below_it(folder: Path) -> None:
    names = ["a.mov", "b.MP4", "below/c.webm"]
    assert expanded([str(folder)], NOBODY) == [str(folder / name) for name in names]


def test_each_is_named_once_and_files_by_name_are_taken_as_they_are(folder: Path) -> None:
    first, notes = str(folder / "b.MP4"), str(folder / "notes.txt")
    url = "https://example.com/a.mp4"
    found = expanded([first, url, notes, str(folder), first], NOBODY)
    assert found == [first, url, notes, str(folder / "a.mov"), str(folder / "below" / "c.webm")]


def test_standard_input_is_a_list(folder: Path) -> None:
    listed = io.StringIO(f"{folder / 'b.MP4'}\r\n\nhttps://example.com/a.mp4\n{folder}/below")
    assert expanded(["-"], listed) == [
        str(folder / "b.MP4"),
        "https://example.com/a.mp4",
        str(folder / "below" / "c.webm"),
    ]


@pytest.mark.parametrize("named", [["missing.mp4"], ["-"], ["empty"]])
def test_what_names_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.BadParameter):
        expanded(named, io.StringIO(""))


def identity(source: Path | str, server: str = "http://a", **changes: Any) -> str:
    options = AnalysisOptions(**{name: changes[name] for name in changes if name != "webhook_url"})
    webhook_url = changes.get("webhook_url")
    return identity_of(str(source), options, webhook_url=webhook_url, server=server)


def test_a_submission_is_more_than_its_file(folder: Path, tmp_path: Path) -> None:
    clip = folder / "a.mov"
    usual = identity(clip)
    assert identity(clip) == usual
    copy = tmp_path / "copy.mov"
    copy.write_bytes(clip.read_bytes())
    others = [
        identity(copy),
        identity(clip, "http://b"),
        identity(clip, heatmaps=True),
        identity(clip, webhook_url="https://example.com"),
        identity("https://example.com/a.mov"),
    ]
    clip.write_bytes(b"longer")
    assert len({usual, *others, identity(clip)}) == len(others) + 2


def test_a_journal_knows_what_a_run_before_did(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    ended = Video.model_validate(COMPLETED_EXAMPLE)
    with Journal(path) as first:
        sent = first.begin("sent", "a.mp4")
        first.begin("accepted", "b.mp4")
        first.note_accepted("accepted", "7")
        first.begin("ended", "c.mp4")
        first.note_end("ended", ended)
        first.begin("direct", "d.mp4")
        first.note_upload("direct", "8")
    with Journal(path) as second:
        assert second.begin("sent", "a.mp4").key == sent.key
        accepted, direct, end = (second.find(one) for one in ("accepted", "direct", "ended"))
        assert accepted is not None
        assert (accepted.video_id, accepted.video) == ("7", None)
        assert direct is not None
        assert (direct.upload_id, direct.video_id) == ("8", None)
        assert end is not None
        assert end.video == ended
        assert second.find("unknown") is None


def test_a_key_that_the_server_may_have_forgotten_is_not_used_again(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    for hours, is_kept in ((20, True), (24, False)):
        made_at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        path.write_text(json.dumps({"submission": "a", "key": "k", "key_made_at": made_at}) + "\n")
        with Journal(path) as journal:
            assert (journal.begin("a", "a.mp4").key == "k") is is_kept


def test_a_step_that_was_half_written_was_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    with Journal(path) as journal:
        journal.begin("a", "a.mp4")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"submission": "a", "video_id": "tor')
    with Journal(path) as journal:
        entry = journal.find("a")
        assert entry is not None
        assert entry.video_id is None
        journal.note_accepted("a", "7")
    assert path.read_bytes().startswith(whole)
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    "content", ["no journal\n", "[]\n", '{"submission": "a", "video_id": "7"}\n', "\xff\n"]
)
def test_what_is_no_journal_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidArgument, match="Line 1"):
        Journal(path)
    assert path.read_bytes() == content.encode("latin-1")


def test_two_commands_do_not_share_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    with Journal(path), pytest.raises(InvalidArgument, match="Another command"):
        Journal(path)
    with Journal(path):
        pass
    with pytest.raises(InvalidArgument, match="nowhere"):
        Journal(tmp_path / "nowhere" / "batch.jsonl")


class BusyServer:
    """Takes videos, but not at once, and counts how many are on their way together."""

    def __init__(self, *, refusals: int) -> None:
        self.refusals = refusals
        self.keys: list[str] = []
        self.times: list[float] = []
        self.most_at_once = 0
        self.is_open = threading.Event()
        self.is_open.set()
        self._now = 0
        self._lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request, once the server is open."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.keys.append(handler.headers["Idempotency-Key"])
            self.times.append(time.monotonic())
            is_refused = self.refusals > 0
            self.refusals -= 1
        handler.rfile.read(int(handler.headers["Content-Length"]))
        self.is_open.wait(30)
        time.sleep(0.05)
        with self._lock:
            self._now -= 1
        document = (
            {"code": "too_many_unfinished_videos", "title": "t", "detail": "d", "action": "a"}
            if is_refused
            else QUEUED_EXAMPLE | {"id": handler.headers["Idempotency-Key"]}
        )
        body = json.dumps(document).encode()
        handler.send_response(429 if is_refused else 202)
        if is_refused:
            handler.send_header("Retry-After", "1")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def serving(busy: BusyServer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            busy.answer(self)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def submit(
    source: Path, *arguments: str, as_json: bool = True
) -> "subprocess.CompletedProcess[str]":
    script = (
        "from unmask_client import async_client, retries\n"
        "async_client.RetryPolicy = lambda: retries.RetryPolicy(attempts=1)\n"
        "from unmask_client.command.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "submit", str(source), *["--json"] * as_json]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def many(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:02}.mp4").write_bytes(b"x" * number)
    return folder


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    busy = BusyServer(refusals=2)
    with serving(busy) as url:
        outcome = submit(many(tmp_path / "clips", 1), "--url", url)
    assert outcome.returncode == 0, outcome.stderr
    assert len(busy.times) == 3
    assert len(set(busy.keys)) == 1
    pauses = [later - before for before, later in zip(busy.times, busy.times[1:], strict=False)]
    assert min(pauses) >= 0.95


def test_what_may_have_been_accepted_is_sent_again_with_the_same_key(tmp_path: Path) -> None:
    clips, journal = many(tmp_path / "clips", 1), str(tmp_path / "batch.jsonl")
    busy = BusyServer(refusals=0)
    busy.is_open.clear()
    with serving(busy) as url:
        arguments = ["submit", str(clips), "--json", "--url", url, "--journal", journal]
        first = subprocess.Popen([sys.executable, "-m", "unmask_client", *arguments])
        deadline = time.monotonic() + 60
        while not busy.keys:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.kill()
        first.wait()
        busy.is_open.set()
        second = submit(clips, "--url", url, "--journal", journal)
        third = submit(clips, "--url", url)  # without the journal it is another submission
    assert second.returncode == third.returncode == 0
    before, again, other = busy.keys
    assert before == again != other


def test_no_more_are_sent_at_once_than_asked_for(tmp_path: Path) -> None:
    busy = BusyServer(refusals=0)
    with serving(busy) as url:
        outcome = submit(many(tmp_path / "clips", 12), "--url", url, "--parallel", "3")
    assert outcome.returncode == 0, outcome.stderr
    assert len(outcome.stdout.splitlines()) == 12
    assert 1 < busy.most_at_once <= 3


def test_when_nobody_answers_the_rest_stays_for_another_run(tmp_path: Path) -> None:
    clips, journal = many(tmp_path / "clips", 6), str(tmp_path / "batch.jsonl")
    away = submit(clips, "--url", "http://127.0.0.1:9", "--journal", journal)
    assert away.returncode == 1
    assert "not sent" in away.stderr
    assert len(away.stdout.splitlines()) == 2  # those that were tried
    assert all(
        json.loads(line)["error"]["code"] == "connection_failed"
        for line in away.stdout.splitlines()
    )


def test_a_name_that_is_no_text_is_sent_and_shown(tmp_path: Path) -> None:
    clips = many(tmp_path / "clips", 1)
    odd = os.fsdecode(os.fsencode(clips) + b"/\xff.mp4")
    Path(odd).write_bytes(b"x")
    busy = BusyServer(refusals=0)
    with serving(busy) as url:
        outcome = submit(clips, "--url", url, "--journal", str(tmp_path / "batch.jsonl"))
        in_words = submit(Path(odd), "--url", url, as_json=False)
        refused = submit(Path(odd), "--url", "http://127.0.0.1:9", as_json=False)
    assert outcome.returncode == 0, outcome.stderr
    assert {json.loads(line)["file"] for line in outcome.stdout.splitlines()} == {
        odd,
        str(clips / "00.mp4"),
    }
    assert in_words.returncode == 0, in_words.stderr
    assert f"{clips}/�.mp4: " in refused.stderr
