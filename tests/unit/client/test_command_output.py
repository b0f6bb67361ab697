"""What the command prints, and what its exit status says."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from rich.console import Console

from unmask_client import Video
from unmask_client.command.exit_codes import ExitCode, exit_code_of, joined
from unmask_client.command.output import Output
from unmask_client.command.verdicts import describe
from unmask_client.errors import NotFound
from unmask_gateway.batches.listing import BATCHES_EXAMPLE
from unmask_gateway.batches.view import BATCH_EXAMPLE
from unmask_gateway.schemas import (
    CANCELLED_EXAMPLE,
    COMPLETED_EXAMPLE,
    EXAMPLE_ID,
    FAILED_EXAMPLE,
    QUEUED_EXAMPLE,
)


def in_plain_text(video: Video) -> str:
    console = Console(file=io.StringIO(), width=500)
    with console.capture() as captured:
        console.print(describe(video))
    return captured.get()


def judged(verdict: str) -> dict[str, Any]:
    return COMPLETED_EXAMPLE | {"result": COMPLETED_EXAMPLE["result"] | {"verdict": verdict}}


@pytest.mark.parametrize(
    ("video", "code"),
    [
        (judged("real"), 0),
        (judged("fake"), 3),
        (judged("inconclusive"), 4),
        (FAILED_EXAMPLE, 5),
        (CANCELLED_EXAMPLE, 5),
        (QUEUED_EXAMPLE, 6),
    ],
)
def test_the_exit_status_says_what_became_of_a_video(video: dict[str, Any], code: int) -> None:
    assert exit_code_of(Video.model_validate(video)) == code


def test_of_several_outcomes_the_gravest_counts() -> None:
    gravest_first = [3, 1, 5, 6, 4, 0]
    for position, code in enumerate(gravest_first):
        rest = [ExitCode(other) for other in gravest_first[position:]]
        assert joined(reversed(rest)) == code
    assert joined([]) == 0


def test_a_verdict_is_told_with_each_face_and_reason() -> None:
    text = in_plain_text(Video.model_validate(COMPLETED_EXAMPLE))
    assert text.startswith("clip.mp4  FAKE  fake probability 0.97\n")
    assert "face 0: 0.97 from 0.0 s to 10.0 s" in text
    assert "most suspicious: 0.98 at 0.0 s" in text
    assert EXAMPLE_ID in text


def test_a_failure_is_told_with_what_to_do() -> None:
    text = in_plain_text(Video.model_validate(FAILED_EXAMPLE))
    assert "clip.mp4  FAILED  The file has no video stream: The file holds 1 stream" in text
    assert FAILED_EXAMPLE["failure"]["action"] in text


def test_names_of_files_are_no_markup() -> None:
    odd = FAILED_EXAMPLE | {"source": FAILED_EXAMPLE["source"] | {"filename": "[red]a[/].mp4"}}
    assert in_plain_text(Video.model_validate(odd)).startswith("[red]a[/].mp4  FAILED")


def test_problems_are_documents_for_programs_and_sentences_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = NotFound("No [b]video[/b].", status=404, code="video_not_found", title="T", action="A")
    Output(as_json=True).report(error, id="7")
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "id": "7",
        "error": {
            "code": "video_not_found",
            "title": "T",
            "detail": "No [b]video[/b].",
            "action": "A",
        },
    }
    assert err == "error: 7: T: No [b]video[/b].\n  A\n"


KEY = {
    "id": "6f1ed002ab559585",
    "name": "newsroom",
    "scopes": ["read"],
    "created_at": "2026-05-04T09:30:00Z",
    "revoked_at": None,
}


class NeverEnding(BaseHTTPRequestHandler):
    """A server whose videos stay queued; it has a batch, and a damaged key."""

    answers = {  # noqa: RUF012 - never changed
        f"/videos/{EXAMPLE_ID}": QUEUED_EXAMPLE,
        "/batches?limit=100": BATCHES_EXAMPLE,
        f"/batches/{BATCH_EXAMPLE['id']}": BATCH_EXAMPLE | {"next_cursor": None},
        "/keys": {"keys": [KEY], "damaged": ["0123456789abcdef.json"]},
    }

    def do_GET(self) -> None:
        answer = self.answers.get(self.path)
        self.send_response(503 if answer is None else 200)
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def never_ending() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), NeverEnding) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "unmask_client", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_watching_for_so_long_ends_with_unfinished() -> None:
    with never_ending() as url:
        ended = run("watch", EXAMPLE_ID, "--timeout", "0.2", "--url", url, "--json")
    assert ended.returncode == ExitCode.UNFINISHED
    assert json.loads(ended.stdout)["error"]["code"] == "wait_timed_out"
    assert "queued after 0.2 s" in ended.stderr


def test_batches_are_listed_and_their_items_shown() -> None:
    with never_ending() as url:
        listed = run("batches", "--url", url)
        as_json = run("batches", "--json", "--url", url)
        shown = run("batches", "show", BATCH_EXAMPLE["id"], "--url", url)
    assert (listed.returncode, as_json.returncode, shown.returncode) == (0, 0, 0)
    assert listed.stdout.splitlines()[1].split() == [
        *(BATCH_EXAMPLE["id"], "2026-05-04", "09:30", "3", "items", "wait")
    ]
    assert json.loads(as_json.stdout)["id"] == BATCH_EXAMPLE["id"]
    head, _, first, second = shown.stdout.splitlines()
    assert head.endswith("1 pending, 1 refused, 1 inferring")
    assert first.split() == ["0", "inferring", EXAMPLE_ID, "interview.mp4"]
    assert "There is no such upload: No upload has the id" in second


def test_damaged_keys_are_named_behind_the_others() -> None:
    with never_ending() as url:
        listed = run("keys", "list", "--url", url)
        as_json = run("keys", "list", "--json", "--url", url)
    assert (listed.returncode, as_json.returncode) == (1, 1)
    assert "newsroom" in listed.stdout
    assert "0123456789abcdef.json cannot be read" in listed.stderr
    key, problem = map(json.loads, as_json.stdout.splitlines())
    assert key["id"] == "6f1ed002ab559585"
    assert problem["error"]["code"] == "damaged_document"


def test_ctrl_c_ends_the_watching_without_a_traceback() -> None:
    # It sends the signal to itself once it waits, which nothing else would show.
    script = (
        "import os, signal, sys\n"
        # A terminal's programs have this; what is started in the background ignores the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from unmask_client import async_client\n"
        "from unmask_client.command.main import main\n"
        "wait = async_client.AsyncClient.wait\n"
        "async def interrupted(self, *arguments, **named):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return await wait(self, *arguments, **named)\n"
        "async_client.AsyncClient.wait = interrupted\n"
        "main()\n"
    )
    with never_ending() as url:
        ended = subprocess.run(
            [sys.executable, "-c", script, "watch", EXAMPLE_ID, "--url", url],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == ExitCode.INTERRUPTED
    assert (ended.stdout, ended.stderr) == ("", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["watch"],
        ["nonsense"],
        ["analyze", "missing.mp4"],
        ["submit", "missing.mp4"],
        ["models", "activate", "no-version"],
    ],
)
def test_a_wrong_command_line_does_nothing(arguments: list[str], tmp_path: Path) -> None:
    ended = run(*arguments)
    assert ended.returncode == ExitCode.USAGE
    assert not ended.stdout
    assert "Usage: " in ended.stderr


def test_a_server_that_is_not_there_is_told_with_advice() -> None:
    script = (
        "from unmask_client import client, retries\n"
        "client.RetryPolicy = lambda: retries.RetryPolicy(attempts=1)\n"
        "from unmask_client.command.main import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "status", EXAMPLE_ID, "--url", "http://127.0.0.1:9"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == ExitCode.ERROR
    assert "unmask serve" in ended.stderr


def test_importing_client_and_command_imports_no_part_of_the_server() -> None:
    code = (
        "import sys, unmask_client, unmask_client.command.main\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print([n for n in sorted(names) if n in ('torch', 'cv2', 'numpy', 'celery') or "
        "n.startswith('unmask_') and n != 'unmask_client'])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stdout.strip() == "[]"


def test_parts_that_are_not_installed_are_named() -> None:
    script = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "absent = lambda name: None if name.startswith('unmask_') else find(name)\n"
        "importlib.util.find_spec = absent\n"
        "from unmask_client.command.main import main\n"
        "main()\n"
    )
    for arguments, extra in ((["serve"], "serve"), (["analyze", __file__], "analyze")):
        ended = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == ExitCode.ERROR
        assert f"unmask-client[{extra}]" in ended.stderr
