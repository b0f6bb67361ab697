"""Room for as many connections as are allowed."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, resource
from unmask_gateway.connections import allow_open_files
from unmask_gateway.settings import GatewaySettings
logging.basicConfig()
allow_open_files(GatewaySettings(max_connections=700))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "gets", "warns"),
    [(256, 4096, 1212, False), (2048, 4096, 2048, False), (256, 900, 900, True)],
)
def test_the_gateway_raises_the_limit_of_open_files_as_far_as_it_may(
    soft: int, hard: int, gets: int, warns: bool
) -> None:
    limits = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" -c "$1"'
    limited = subprocess.run(
        ["bash", "-c", limits, sys.executable, PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(limited.stdout) == gets
    assert ("too few for UNMASK_MAX_CONNECTIONS" in limited.stderr) is warns
