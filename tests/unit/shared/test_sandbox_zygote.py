"""Zygotes start late, come back when they die, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sandboxes import jobs

from unmask_shared.errors import SandboxUnavailable
from unmask_shared.sandbox import SandboxFailure

OWNER = """
import pathlib, sys, threading, time
from sandboxes import jobs
with jobs(pathlib.Path(sys.argv[1])) as sandbox:
    sandbox.sandbox.start()
    threading.Thread(target=sandbox.run, args=("sleep",), daemon=True).start()
    while not sandbox.zygote.children():
        time.sleep(0.01)
    print(sandbox.zygote.pid, sandbox.zygote.children()[0].pid, flush=True)
    time.sleep(60)
"""


def wait_until(condition: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_zygote_when_a_job_runs(zygote: psutil.Process) -> threading.Thread:
    def kill() -> None:
        wait_until(zygote.children)
        zygote.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def test_nothing_starts_before_the_first_job(tmp_path: Path) -> None:
    children = psutil.Process().children()
    with jobs(tmp_path) as sandbox:
        assert psutil.Process().children() == children
        sandbox.assert_alive()
        zygote = sandbox.zygote
        sandbox.assert_alive()
        assert sandbox.zygote == zygote
    assert not zygote.is_running()


def test_a_zygote_that_was_killed_between_jobs_is_replaced(tmp_path: Path) -> None:
    with jobs(tmp_path) as sandbox:
        for _ in range(3):
            sandbox.assert_alive()
            sandbox.zygote.send_signal(signal.SIGKILL)


def test_a_job_whose_zygote_was_killed_can_be_tried_again(tmp_path: Path) -> None:
    with jobs(tmp_path) as sandbox:
        sandbox.sandbox.start()
        killer = kill_zygote_when_a_job_runs(sandbox.zygote)
        with pytest.raises(SandboxFailure, match="zygote died"):
            sandbox.run("sleep")
        killer.join()
        sandbox.assert_alive()


@pytest.mark.parametrize("factory", ["sandbox_jobs:make_nothing", "no_such_module:make"])
def test_a_factory_that_fails_is_told(tmp_path: Path, factory: str) -> None:
    others = psutil.Process().children()  # servers of other tests
    with jobs(tmp_path, factory=factory) as sandbox:
        for _ in range(2):
            with pytest.raises(SandboxUnavailable, match=r"the model is not|No module named"):
                sandbox.run("echo")
        assert psutil.Process().children() == others


def test_a_factory_may_not_leave_threads(tmp_path: Path) -> None:
    with (
        jobs(tmp_path, factory="sandbox_jobs:make_with_a_thread") as sandbox,
        pytest.raises(SandboxUnavailable, match="left 1 threads running"),
    ):
        sandbox.sandbox.start()


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "assets")},
    ) as owner:
        assert owner.stdout is not None
        left = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert len(left) == 2
        owner.kill()
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive


def test_a_zygote_ends_with_its_parent_though_a_fork_has_the_socket(tmp_path: Path) -> None:
    script = OWNER.replace(
        "    print(", "    import os\n    if not os.fork(): time.sleep(60)\n    print("
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "assets")},
    ) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        forks = psutil.Process(owner.pid).children()
        left = [psutil.Process(pid) for pid in pids]
        owner.kill()
    _, alive = psutil.wait_procs(left, timeout=10)
    for fork in forks:
        if fork.is_running():
            fork.kill()
    assert not alive


def test_a_fork_of_the_owner_starts_its_own_zygote(tmp_path: Path) -> None:
    with jobs(tmp_path) as sandbox:
        sandbox.assert_alive()
        child = os.fork()
        if child == 0:
            try:
                sandbox.assert_alive()
                sandbox.sandbox.close()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        sandbox.assert_alive()


def test_many_jobs_leave_no_files_and_no_processes(tmp_path: Path) -> None:
    others = psutil.Process().children()  # servers of other tests
    with jobs(tmp_path) as sandbox:
        sandbox.assert_alive()
        ours, zygotes = psutil.Process(), sandbox.zygote
        files = ours.num_fds(), zygotes.num_fds()
        for _ in range(200):
            sandbox.assert_alive()
        assert (ours.num_fds(), zygotes.num_fds()) == files
        assert not zygotes.children()
        assert [child for child in ours.children() if child not in others] == [zygotes]
    assert ours.num_fds() == files[0] - 1  # the socket


def test_failed_jobs_leave_no_files_and_no_processes(tmp_path: Path) -> None:
    with jobs(tmp_path) as sandbox:
        sandbox.assert_alive()
        files = psutil.Process().num_fds(), sandbox.zygote.num_fds()
        for _ in range(20):
            with pytest.raises(Exception, match="out of control"):
                sandbox.run("send_bytes", "ff")
        assert (psutil.Process().num_fds(), sandbox.zygote.num_fds()) == files
        assert not sandbox.zygote.children()
