"""Nothing that a killed process started is left running."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

CHILD = """
import signal, sys, time
from unmask_shared.processes import die_with_parent
die_with_parent(int(sys.argv[1]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(60)
"""

PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}, sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""

SERVER = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from real_services import ValkeyServer
server = ValkeyServer(pathlib.Path(sys.argv[2]))
server.run()
print(server.pid, flush=True)
time.sleep(60)
"""


def kill_parent_of(script: str, *arguments: str) -> psutil.Process:
    """Run a script that prints the id of its child, kill it, and return the child."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    return child


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_a_killed_parent(signum: signal.Signals) -> None:
    child = kill_parent_of(PARENT, str(signum.value))
    child.wait(5)


def test_servers_of_a_killed_test_run_die_with_it(tmp_path: Path) -> None:
    assets = Path(__file__).parents[2] / "assets"
    kill_parent_of(SERVER, str(assets), str(tmp_path)).wait(5)
