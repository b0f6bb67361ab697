"""SIGTERM under load: every service ends what it is at or gives it back, and says so in time."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from embedded_stack import RunningStack, running_stack

# Long enough that nothing comes back from a timeout while these tests wait.
PATIENT = {
    "UNMASK_LOG_FORMAT": "json",
    "UNMASK_VISIBILITY_TIMEOUT_S": "600",
    "UNMASK_LEASE_TTL_S": "300",
}
LIMIT_S = 25.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack"), PATIENT) as running:
        yield running


def attempts(stack: RunningStack, video_id: str) -> list[tuple[str, int]]:
    """The runs of stages that came to their end."""
    entries = (json.loads(line) for line in stack.log_file.read_text().splitlines() if "{" in line)
    return [
        (entry["stage"], entry["attempt"])
        for entry in entries
        if entry.get("video_id") == video_id and entry["message"].startswith("done in")
    ]


@pytest.mark.parametrize(
    ("module", "status"),
    [("unmask_preprocessor.worker", "preprocessing"), ("unmask_inference.worker", "inferring")],
)
def test_a_worker_finishes_its_video_and_leaves_the_next_ones_to_others(
    stack: RunningStack, demo_media: Path, module: str, status: str
) -> None:
    worker = stack.part(module)
    ids = [stack.submit(demo_media / "astronaut_fake.mp4", heatmaps="true") for _ in range(4)]
    stack.wait_for(ids[0], status)
    worker.send_signal(signal.SIGTERM)
    worker.wait(LIMIT_S)
    for video_id in ids:
        state = stack.wait_for(video_id, "completed", "failed")
        assert state["status"] == "completed", state
        assert attempts(stack, video_id) == [("preprocessing", 1), ("inferring", 1)]
    assert "(exit code 0), starting it again" in stack.log_file.read_text()


class SlowBody:
    """A form that takes seconds to arrive."""

    def __init__(self, video: bytes, seconds: float) -> None:
        self.video, self.seconds = video, seconds
        self.begun = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        size = len(self.video) // 20 + 1
        for start in range(0, len(self.video), size):
            yield self.video[start : start + size]
            self.begun.set()
            time.sleep(self.seconds / 20)
        yield b"\r\n--B--\r\n"


def test_a_gateway_finishes_requests_in_flight_and_takes_no_new_ones(
    stack: RunningStack, demo_media: Path
) -> None:
    gateway = stack.part("unmask_gateway")
    url = str(stack.client.base_url)
    video = (demo_media / "astronaut_real.mp4").read_bytes()
    waiting = stack.submit(demo_media / "astronaut_real.mp4")
    stack.wait_for(waiting, "completed")
    bodies = [SlowBody(video, seconds=2) for _ in range(5)]

    def send(body: SlowBody) -> httpx.Response:
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        return httpx.post(
            f"{url}/videos", content=iter(body), headers=headers, timeout=30, trust_env=False
        )

    preprocessor = stack.part("unmask_preprocessor.worker")
    preprocessor.suspend()  # so that there is something to follow
    followed = stack.submit(demo_media / "astronaut_real.mp4")

    told = threading.Event()

    def follow() -> list[str]:
        with httpx.stream(
            "GET", f"{url}/videos/{followed}/events", timeout=30, trust_env=False
        ) as stream:
            lines = []
            for line in stream.iter_lines():  # raises if it is cut off
                lines.append(line)
                if line.startswith("data:"):
                    told.set()
            return lines

    with ThreadPoolExecutor(6) as pool:
        following = pool.submit(follow)
        sending = [pool.submit(send, body) for body in bodies]
        for body in bodies:
            assert body.begun.wait(20)
        assert told.wait(20)
        gateway.send_signal(signal.SIGTERM)
        answers = [sent.result() for sent in sending]
        assert "event: progress" in following.result()
    preprocessor.resume()
    gateway.wait(LIMIT_S)
    assert [answer.status_code for answer in answers] == [202] * 5
    _wait_until_ready(stack)
    for answer in answers:
        assert stack.wait_for(answer.json()["id"], "completed", "failed")["status"] == "completed"


def _wait_until_ready(stack: RunningStack) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if stack.client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass  # the next gateway is not there yet
        assert time.monotonic() < deadline, stack.log_file.read_text()
        time.sleep(0.1)


def test_a_stack_that_is_stopped_under_load_goes_on_where_it_was(
    tmp_path: Path, demo_media: Path
) -> None:
    quick = {"UNMASK_LEASE_TTL_S": "3", "UNMASK_VISIBILITY_TIMEOUT_S": "6"}
    with running_stack(tmp_path, quick) as stack:
        ids = [stack.submit(demo_media / "astronaut_fake.mp4") for _ in range(6)]
        stack.wait_for(ids[0], "inferring", "completed")
        parts = stack.processes()
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(40) == 0
        _, alive = psutil.wait_procs(parts, timeout=5)
        assert not alive
    with running_stack(tmp_path, quick) as stack:
        for video_id in ids:
            state = stack.wait_for(video_id, "completed", "failed")
            assert state["status"] == "completed", state


def test_an_idle_worker_ends_without_waiting_for_a_message(stack: RunningStack) -> None:
    for module in ("unmask_preprocessor.worker", "unmask_inference.worker"):
        worker = stack.part(module)
        children = worker.children()
        worker.send_signal(signal.SIGTERM)
        worker.wait(LIMIT_S)
        assert not psutil.wait_procs(children, timeout=5)[1]
    _wait_until_ready(stack)
