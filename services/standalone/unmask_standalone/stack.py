"""The embedded stack: Valkey, gateway, preprocessor and inference as child processes."""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import httpx
import redis

from unmask_shared.errors import UnmaskError
from unmask_standalone.children import Child, Program
from unmask_standalone.settings import StandaloneSettings
from unmask_standalone.valkey import valkey_program

log = logging.getLogger(__name__)

_PARTS = {
    "preprocessor": "unmask_preprocessor.worker",
    "inference": "unmask_inference.worker",
    "gateway": "unmask_gateway",
}
_TICK_S = 0.1
_COMPLAIN_EVERY_S = 5.0


class DataFolderInUse(UnmaskError):
    """Another stack works on the same data."""

    code = "data_folder_in_use"
    title = "The data folder is in use"
    action = "Stop the other Unmask, or choose another folder with UNMASK_DATA_DIR."


class Stack:
    """Starts the parts, keeps them alive, tells which is not ready, and stops them in order."""

    def __init__(self, settings: StandaloneSettings) -> None:
        self._settings = settings
        data_dir = settings.data_dir.resolve()
        program, self._redis_url = valkey_program(data_dir)
        environment = os.environ | {
            "UNMASK_DATA_DIR": str(data_dir),
            "UNMASK_REDIS_URL": self._redis_url,
            "UNMASK_HOST": settings.host,
            "UNMASK_PORT": str(settings.port),
        }
        # The parts share these cores: OpenMP threads that wait in busy loops would take them from
        # each other.
        environment.setdefault("OMP_WAIT_POLICY", "passive")
        self._valkey = Child(program)
        self._parts = [
            Child(
                Program(name=name, command=[sys.executable, "-m", module], environment=environment)
            )
            for name, module in _PARTS.items()
        ]

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        host = self._settings.host
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self._settings.port}"  # noqa: S104

    def run(self, stopping: Callable[[], bool]) -> None:
        """Run until told to stop.

        Args:
            stopping: Asked several times a second.
        """
        with _locked(self._settings.data_dir):
            try:
                self._run(stopping)
            finally:
                self._stop()

    def _run(self, stopping: Callable[[], bool]) -> None:
        started_at = time.monotonic()
        self._valkey.start()
        self._wait_for_valkey(stopping)
        for part in self._parts:
            part.start()
        ready, complained_at = False, started_at
        with httpx.Client(base_url=self.url, timeout=2.0, trust_env=False) as client:
            while not stopping():
                for child in [self._valkey, *self._parts]:
                    child.keep_alive()
                if not ready:
                    missing = _not_ready(client)
                    ready = not missing
                    now = time.monotonic()
                    if ready:
                        log.info("Unmask is ready at %s (%.1f s)", self.url, now - started_at)
                    elif now - complained_at > _COMPLAIN_EVERY_S:
                        complained_at = now
                        log.warning("not ready yet: %s", "; ".join(missing))
                time.sleep(_TICK_S)

    def _wait_for_valkey(self, stopping: Callable[[], bool]) -> None:
        """Let the others start only when there is something to connect to: they start quicker."""
        with redis.Redis.from_url(self._redis_url, socket_connect_timeout=1) as client:
            while not stopping():
                self._valkey.keep_alive()
                try:
                    if client.ping():
                        return
                except redis.exceptions.ConnectionError:  # also while it reads its file
                    time.sleep(0.02)

    def _stop(self) -> None:
        """Stop taking uploads, let the workers finish, and close the data at the end."""
        for part in self._parts:
            part.ask_to_stop()
        deadline = time.monotonic() + self._settings.stop_grace_s
        for part in self._parts:
            part.wait(max(0.0, deadline - time.monotonic()))
        self._valkey.ask_to_stop()
        self._valkey.wait(self._settings.stop_grace_s)
        log.info("Unmask has stopped")


def _not_ready(client: httpx.Client) -> list[str]:
    """Say in words which parts do not work yet; empty when all do."""
    try:
        answer = client.get("/readyz")
    except httpx.TransportError:
        return ["gateway: does not answer"]
    if answer.status_code not in {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}:
        return [f"gateway: answers {answer.status_code}"]
    checks = answer.json()["checks"]
    return [f"{name}: {check['detail']}" for name, check in checks.items() if not check["ok"]]


@contextmanager
def _locked(data_dir: Path) -> Iterator[TextIO]:
    """Hold the data folder, so that two stacks never write to it; the kernel lets go at death."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderInUse(f"Another Unmask runs on {data_dir.resolve()}.") from error
        yield lock
