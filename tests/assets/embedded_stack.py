"""A real embedded stack for tests: `serve` as a user would run it, in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from unmask_shared.processes import die_with_parent
from unmask_standalone.valkey import free_port

ROOT = Path(__file__).parents[2]
READY_LIMIT_S = 180.0


@dataclass
class RunningStack:
    """Handles to a running stack."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client
    data_dir: Path
    log_file: Path
    ready_after_s: float

    def submit(self, video: Path, **options: str) -> str:
        with video.open("rb") as file:
            answer = self.client.post(
                "/videos", data=options, files={"file": (video.name, file, "video/mp4")}
            )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def get(self, video_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/videos/{video_id}")
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def wait_for(self, video_id: str, *statuses: str, limit_s: float = 90.0) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while (state := self.get(video_id))["status"] not in statuses:
            assert time.monotonic() < deadline, f"{state}\n{self.log_file.read_text()}"
            time.sleep(0.02)
        return state

    @contextmanager
    def paused(self, module: str) -> Iterator[None]:
        """Hold one part until the end of the block."""
        process = self.part(module)
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def wait_until_ready(self) -> None:
        """Wait for a part that was killed and is started again."""
        deadline = time.monotonic() + READY_LIMIT_S
        while not _ready(self.client):
            assert time.monotonic() < deadline, self.log_file.read_text()
            time.sleep(0.05)

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, module: str) -> psutil.Process:
        """The process of one part, such as `unmask_inference.worker`."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if module in child.cmdline())


@contextmanager
def running_stack(
    folder: Path, settings: Mapping[str, str] | None = None, *, port: int | None = None
) -> Iterator[RunningStack]:
    """Run a stack until the end of the block; what it logged is shown when it is not ready."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / "stack.log"
    started_at = time.monotonic()
    command = [sys.executable, "-m", "unmask_standalone", "serve"]
    command += ["--port", str(port), "--data-dir", str(folder / "data")]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | dict(settings or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509 - no threads here
        )
    try:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            while not _ready(client):
                assert process.poll() is None, log_file.read_text()
                assert time.monotonic() - started_at < READY_LIMIT_S, log_file.read_text()
                time.sleep(0.05)
            yield RunningStack(
                process=process,
                client=client,
                data_dir=folder / "data",
                log_file=log_file,
                ready_after_s=time.monotonic() - started_at,
            )
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def demo_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips of `make demo`."""
    folder = tmp_path_factory.mktemp("demo-media")
    subprocess.run(
        [sys.executable, "-m", "unmask_trainer", "demo-media", str(folder)], check=True, cwd=ROOT
    )
    return folder


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all tests that leave it as they found it."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
