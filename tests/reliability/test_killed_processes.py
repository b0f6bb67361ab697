"""kill -9 in the stack of `make serve`: what died is started again, nothing is left running."""

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from embedded_stack import RunningStack, running_stack

# Short times, so that the tests need not wait for the defaults.
QUICK = {"UNMASK_LEASE_TTL_S": "3", "UNMASK_VISIBILITY_TIMEOUT_S": "6"}


@pytest.fixture
def running(tmp_path: Path) -> Any:
    with running_stack(tmp_path, QUICK) as stack:
        yield stack


def test_a_queued_job_survives_the_death_of_valkey(running: RunningStack, demo_media: Path) -> None:
    worker = running.part("unmask_preprocessor.worker")
    worker.suspend()
    video_id = running.submit(demo_media / "astronaut_real.mp4")
    time.sleep(1.5)  # the append-only file is flushed every second
    valkey = next(p for p in running.processes() if "valkey" in p.name())
    valkey.kill()
    worker.resume()
    deadline = time.monotonic() + 30
    while running.client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, running.log_file.read_text()
        time.sleep(0.2)
    assert running.wait_for(video_id, "completed", "failed")["status"] == "completed"


def test_the_stack_dies_with_its_supervisor(running: RunningStack) -> None:
    processes = running.processes()
    assert len(processes) >= 5  # Valkey, gateway, inference, preprocessor and its child
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(5)
    psutil.wait_procs(processes, timeout=10)
    assert not [process for process in processes if process.is_running()]
