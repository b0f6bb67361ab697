"""Children are started again when they die, stopped when asked, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from unmask_standalone.children import Child, Program

SLEEPER = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "open(sys.argv[1], 'w').close(); time.sleep(60)"
)


def program(code: str, *arguments: str, stdin: str | None = None) -> Program:
    return Program(
        name="test",
        command=[sys.executable, "-c", code, *arguments],
        environment=dict(os.environ),
        stdin=stdin,
    )


@contextmanager
def started(what: Program) -> Iterator[Child]:
    child = Child(what)
    child.start()
    try:
        yield child
    finally:
        child.wait(0)


def wait_until(condition: object, limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_that_dies_is_started_again() -> None:
    with started(program(SLEEPER)) as child:
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: child.pid is None)

        def back() -> bool:
            child.keep_alive()
            return child.pid is not None

        wait_until(back)
        assert child.pid != first


def test_a_child_that_keeps_dying_is_started_less_and_less_often() -> None:
    with started(program("raise SystemExit(3)")) as child:
        starts, deadline, seen = 0, time.monotonic() + 3.0, child.pid
        while time.monotonic() < deadline:
            child.keep_alive()
            if child.pid not in {None, seen}:
                starts, seen = starts + 1, child.pid
            time.sleep(0.01)
    assert 1 <= starts <= 3  # after 0.5, 1 and 2 seconds, not hundreds of times


def test_a_child_ends_when_asked_to() -> None:
    with started(program(SLEEPER)) as child:
        child.ask_to_stop()
        child.wait(10)
        assert child.pid is None


def test_a_child_that_does_not_listen_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ready = tmp_path / "ready"
    with started(program(STUBBORN, str(ready))) as child:
        wait_until(ready.exists)
        child.ask_to_stop()
        child.wait(0.2)
        assert child.pid is None
        assert "is killed" in caplog.text


def test_secrets_reach_a_child_by_standard_input(tmp_path: Path) -> None:
    copy = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    target = tmp_path / "copy"
    with started(program(copy, str(target), stdin="requirepass secret\n")) as child:
        child.wait(10)
    assert target.read_text() == "requirepass secret\n"


def test_children_die_with_a_parent_that_is_killed() -> None:
    parent_code = (
        "import os, sys, time\n"
        "from unmask_standalone.children import Child, Program\n"
        f"child = Child(Program(name='c', command=[sys.executable, '-c', {SLEEPER!r}],"
        " environment=dict(os.environ)))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
