"""The gateway as a process of its own, on real servers."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from real_services import ServerProcess, free_ports

from unmask_shared.settings import StoreSettings


class GatewayProcess(ServerProcess):
    """`python -m unmask_gateway` on a free port."""

    def __init__(self, folder: Path, *, redis_url: str, **settings: object) -> None:
        """Prepare a gateway.

        Args:
            folder: Where it keeps its objects and its log.
            redis_url: Its Redis.
            settings: Further settings, in the lower-case form of their variables.
        """
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.data_dir = folder / "data"
        environment = {
            "redis_url": redis_url,
            "port": port,
            "data_dir": self.data_dir,
            **settings,
        }
        super().__init__(
            [
                "env",
                *(f"UNMASK_{name.upper()}={value}" for name, value in environment.items()),
                sys.executable,
                "-m",
                "unmask_gateway",
            ],
            log_file=folder / "gateway.log",
        )

    def run(self) -> None:
        """Start and wait until it answers."""
        self.start(
            lambda: httpx.get(f"{self.url}/healthz", trust_env=False), errors=httpx.TransportError
        )

    def stop(self) -> int:
        """Ask it to end as an operator does, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    @property
    def memory_bytes(self) -> int:
        """Memory that it holds at the moment."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def stored_keys(self) -> list[str]:
        """Keys of everything in its object store, and names of what is half-way in."""
        objects, incoming = (
            self.data_dir / "store" / "objects",
            self.data_dir / "store" / "incoming",
        )
        return sorted(
            path.relative_to(root).as_posix()
            for root in (objects, incoming)
            for path in root.rglob("*")
            if path.is_file()
        )


@contextmanager
def running_gateway(
    folder: Path, *, redis_url: str, **settings: object
) -> Iterator[GatewayProcess]:
    """A gateway that answers, killed at the end; see `GatewayProcess` for the arguments."""
    process = GatewayProcess(folder, redis_url=redis_url, **settings)
    try:
        process.run()
        yield process
    finally:
        process.kill()


def settings_of(store: StoreSettings) -> dict[str, object]:
    """What tells a `GatewayProcess` of an object store."""
    if store.object_store == "local":
        return {"object_store": "local", "data_dir": store.data_dir}
    return {
        "object_store": store.object_store,
        "s3_endpoint": store.s3_endpoint,
        "s3_access_key": store.s3_access_key.get_secret_value(),
        "s3_secret_key": store.s3_secret_key.get_secret_value(),
        "s3_bucket": store.s3_bucket,
    }
