"""What README.md and docs/client.md tell newcomers to type does what they say.

The lines are run as they stand there, in a folder that looks like the repository after `make
install`; only the port is another one.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from embedded_stack import READY_LIMIT_S, ROOT

from unmask_shared.processes import die_with_parent
from unmask_standalone.valkey import free_port

# Stands in for curl: to another port, and with the status on standard error.
_CURL = """#!/bin/bash
exec {curl} -S --write-out '%{{stderr}}%{{http_code}}' "${{@//127.0.0.1:8000/127.0.0.1:{port}}}"
"""


def section(file: str, title: str) -> str:
    """The text under a title of a Markdown file."""
    text = (ROOT / file).read_text()
    _, found, rest = text.partition(f"\n{title}\n")
    assert found, f"{file} has no {title!r}"
    level = title.partition(" ")[0]
    # With one # only, comments in blocks of code would end it.
    return re.split(rf"\n#{{2,{len(level)}}} ", rest)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[str]:
    """Lines that are typed, without comments."""
    lines = (re.sub(r"\s+#.*", "", line) for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


README_TOUR = section("README.md", "## A tour with curl")
CLIENT_TOUR = section("docs/client.md", "## The command")


@dataclass(frozen=True)
class Answer:
    """What a line printed."""

    status: int
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Newcomer:
    """Somebody at a shell in the repository's folder."""

    folder: Path
    environment: dict[str, str]

    def types(self, line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def asks(self, line: str) -> Answer:
        outcome = self.types(line)
        assert outcome.returncode == 0, (line, outcome.stderr)
        return Answer(status=int(outcome.stderr), text=outcome.stdout)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, demo_media: Path) -> Iterator[Newcomer]:
    """With a server, which was started as docs/client.md says."""
    folder, port = tmp_path_factory.mktemp("newcomer"), free_port()
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(sysconfig.get_path("scripts"))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "demo").symlink_to(demo_media)
    (folder / "models").symlink_to(ROOT / "models")
    shutil.copy(ROOT / "README.md", folder)
    curl = shutil.which("curl")
    assert curl, "the tour needs curl"
    (folder / "bin").mkdir()
    stand_in = folder / "bin" / "curl"
    stand_in.write_text(_CURL.format(curl=curl, port=port))
    stand_in.chmod(0o755)
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "PATH": f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}",
        "UNMASK_PORT": str(port),
        "UNMASK_URL": url,
    }
    [serve] = [line for line in commands(blocks(CLIENT_TOUR, "sh")[0]) if "serve" in line]
    log_file = folder / "serve.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [str(folder / serve.split()[0]), *serve.split()[1:]],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509 - no threads here
        )
    try:
        deadline = time.monotonic() + READY_LIMIT_S
        while b"Unmask is ready" not in log_file.read_bytes():
            assert process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.05)
        yield Newcomer(folder=folder, environment=environment)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def until_completed(newcomer: Newcomer, video_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    url = f"{newcomer.environment['UNMASK_URL']}/videos/{video_id}"
    while (video := httpx.get(url, trust_env=False).json())["status"] != "completed":
        assert video["status"] not in {"failed", "cancelled"}, video
        assert time.monotonic() < deadline, video
        time.sleep(0.1)
    found: dict[str, Any] = video
    return found


def assert_begins_as_told(document: dict[str, Any], told: str) -> None:
    """Compare a document with one in a comment, where `…` stands for anything."""
    fields = re.findall(r'"(\w+)": (?:"([^"]*)"|([\d.]+))', told)
    assert fields, told
    for name, text, number in fields:
        if number:
            assert document[name] == float(number), name
        else:
            assert str(document[name]).startswith(text.partition("…")[0]), name


def test_the_tour_with_curl_works_line_by_line(newcomer: Newcomer) -> None:
    tour, errors = blocks(README_TOUR, "sh")
    make_serve, make_media, *lines = commands(tour)
    for line, target in ((make_serve, "serve"), (make_media, ".cache/demo/done")):
        assert line.removesuffix("&").split() == ["make", target]
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)

    [told] = re.findall(r"^# (\{.*)", tour, re.MULTILINE)
    ids: list[str] = []
    seen: dict[str, Answer] = {}
    for line in lines:
        if "/videos/ID" in line:
            until_completed(newcomer, ids[-1])
        answer = newcomer.asks(line.replace("/videos/ID", f"/videos/{ids[-1] if ids else ''}"))
        if " -F " in line:
            assert answer.status == 202, line
            ids.append(answer.document["id"])
            assert answer.document["status"] == "queued"
            if len(ids) == 1:
                assert_begins_as_told(answer.document | {"id": "0193"}, told)
        else:
            assert answer.status == 200, (line, answer.text)
        seen[line.partition("8000")[2].partition(" ")[0]] = answer

    assert len(set(ids)) == 2
    assert (newcomer.folder / "face.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert (newcomer.folder / "landmarks.png").read_bytes().startswith(b"\x89PNG")
    assert "astronaut_fake.mp4" in (newcomer.folder / "report.html").read_text()
    assert seen["/models"].document["models"]
    assert seen["/readyz"].document
    assert "/videos" in seen["/openapi.json"].document["paths"]

    [failing] = commands(errors)
    refused = newcomer.asks(failing)
    [told] = re.findall(r"^# (\{.*)", errors, re.MULTILINE)
    assert refused.status == refused.document["status"]
    assert_begins_as_told(refused.document, told)


def test_a_finished_video_looks_as_the_readme_shows_it(newcomer: Newcomer) -> None:
    [example] = blocks(README_TOUR, "json")
    submit = next(line for line in commands(blocks(README_TOUR, "sh")[0]) if " -F " in line)
    video = until_completed(newcomer, newcomer.asks(submit).document["id"])
    assert_has_fields(video, json.loads(example))


def assert_has_fields(found: Any, example: Any, where: str = "video") -> None:
    if isinstance(example, dict):
        for name in example.keys() - {"…"}:
            assert name in found, f"{where} has no {name}"
            assert_has_fields(found[name], example[name], f"{where}.{name}")
    elif isinstance(example, list):
        assert_has_fields(found[0], example[0], f"{where}[0]")
    elif example is not None and found is not None:
        number = isinstance(example, int | float)
        assert isinstance(found, int | float) if number else isinstance(found, type(example)), where


def test_the_tour_with_the_command_works_line_by_line(newcomer: Newcomer) -> None:
    analyze, _, submit, listing, report = commands(blocks(CLIENT_TOUR, "sh")[0])
    judged = newcomer.types(analyze)
    verdict = judged.stdout.split()[1]
    assert verdict in {"REAL", "FAKE", "INCONCLUSIVE"}, judged.stderr
    submitted = newcomer.types(submit)
    assert submitted.stdout.split()[1] == verdict
    assert submitted.returncode == judged.returncode
    [video_id] = re.findall(r"^  id (\S+)", submitted.stdout, re.MULTILINE)
    listed = newcomer.types(listing)
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[1].startswith(video_id)
    reported = newcomer.types(report.replace(" ID ", f" {video_id} "))
    assert reported.returncode == 0, reported.stderr
    assert video_id in (newcomer.folder / "report.html").read_text()


def test_the_python_of_the_tour_runs(newcomer: Newcomer) -> None:
    first = blocks((ROOT / "docs/client.md").read_text(), "python")[0]
    clip = newcomer.folder / ".cache" / "demo" / "astronaut_real.mp4"
    script = first.replace("http://127.0.0.1:8000", newcomer.environment["UNMASK_URL"])
    outcome = subprocess.run(
        [sys.executable, "-c", script.replace("clip.mp4", str(clip))],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    verdict, probability = outcome.stdout.split()
    assert verdict in {"real", "fake", "inconclusive"}
    assert 0 <= float(probability) <= 1
