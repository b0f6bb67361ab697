"""Asks one URL again and again over keep-alive connections, from a process of its own.

A client as small as can be, so that it takes little of the cores that the server runs on: it sends
the same bytes and looks at nothing but the status and the length of what comes back.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of it; times are milliseconds."""

    per_s: float
    median_ms: float
    p99_ms: float


class _Asker(asyncio.Protocol):
    def __init__(self, request: bytes, times: list[float]) -> None:
        self._request = request
        self._times = times
        self._received = bytearray()
        self._missing = 0
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._received += data
            head, end, body = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"not answered with 200: {head!r}")
            lower = head.lower()
            length = lower[lower.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0]
            self._missing = int(length)
            self._received.clear()
            data = bytes(body)
        self._missing -= len(data)
        if not self._missing:
            self._times.append(time.perf_counter() - self._asked_at)
            self._ask()


async def _ask_all(url: str, connections: int, seconds: float, key: str) -> Load:
    parts = urlsplit(url)
    extra = f"Authorization: Bearer {key}\r\n" if key else ""
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{extra}\r\n".encode()
    times: list[float] = []
    loop = asyncio.get_running_loop()
    started_at = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Asker(request, times), parts.hostname, parts.port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    taken = time.perf_counter() - started_at
    ordered = sorted(times)
    for transport, _ in made:
        transport.abort()
    return Load(
        per_s=len(ordered) / taken,
        median_ms=ordered[len(ordered) // 2] * 1000,
        p99_ms=ordered[len(ordered) * 99 // 100] * 1000,
    )


def load(url: str, *, connections: int, seconds: float, key: str = "") -> Load:
    """Ask for so long over so many connections."""
    told = subprocess.run(  # noqa: S603 # this very file
        [sys.executable, __file__, url, str(connections), str(seconds), key],
        check=True,
        capture_output=True,
        text=True,
    )
    return Load(**json.loads(told.stdout))


def main() -> None:
    url, connections, seconds, key = sys.argv[1:]
    found = asyncio.run(_ask_all(url, int(connections), float(seconds), key))
    json.dump(vars(found), sys.stdout)


if __name__ == "__main__":
    main()
