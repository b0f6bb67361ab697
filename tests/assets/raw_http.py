"""HTTP as no library would send it: bytes on a socket, and what comes back."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class RawAnswer:
    """The first answer on a connection.

    Attributes:
        status: 0 if the connection ended without an answer.
        headers: With names in lower case; of several with one name the last.
        body: Without the marks of chunks if it came in some.
        closed: Whether the server had closed the connection by the end.
        took_s: From the call to the end of the answer.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool
    took_s: float

    @property
    def code(self) -> str:
        """The `code` of a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        return str(self.json()["code"])

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """A TCP connection to a server."""

    def __init__(self, url: str, *, receive_buffer: int | None = None) -> None:
        """Connect.

        Args:
            url: Of the server.
            receive_buffer: Bytes that the kernel takes before they are read; as it likes if None.
        """
        parts = urlsplit(url)
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(30)
        self._socket.connect((parts.hostname, parts.port))
        self._received = bytearray()

    def send(self, data: bytes) -> bool:
        """Send; returns whether the other side still took it."""
        try:
            self._socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def dribble(self, data: bytes, *, every_s: float, limit_s: float) -> float:
        """Send byte by byte until the server has closed the connection.

        Returns:
            After how many seconds that was; infinity if it was not.
        """
        started_at = time.monotonic()
        self._socket.settimeout(every_s)
        for byte in data:
            if not self.send(bytes([byte])):
                return time.monotonic() - started_at
            try:
                while received := self._socket.recv(65536):
                    self._received += received
            except TimeoutError:
                if time.monotonic() - started_at > limit_s:
                    return float("inf")
            except ConnectionError:
                return time.monotonic() - started_at
            else:
                return time.monotonic() - started_at
        return float("inf")

    def answer(self, *, limit_s: float = 20.0) -> RawAnswer:
        """Read one answer, or as much as comes in time."""
        started_at, closed = time.monotonic(), False
        while not _is_complete(self._received):
            self._socket.settimeout(max(0.001, started_at + limit_s - time.monotonic()))
            try:
                piece = self._socket.recv(1024 * 1024)
            except TimeoutError:
                break
            except ConnectionError:
                closed = True
                break
            if not piece:
                closed = True
                break
            self._received += piece
        status, headers, body = _parsed(bytes(self._received))
        self._received.clear()
        return RawAnswer(
            status=status,
            headers=headers,
            body=body,
            closed=closed,
            took_s=time.monotonic() - started_at,
        )

    def is_closed(self, *, within_s: float) -> bool:
        """Whether the server closes the connection in this time, whatever it sends before."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if not self._socket.recv(65536):
                    return True
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        return False

    def close(self) -> None:
        self._socket.close()


@contextmanager
def raw_connection(url: str, *, receive_buffer: int | None = None) -> Iterator[RawConnection]:
    """A connection for the length of the block."""
    connection = RawConnection(url, receive_buffer=receive_buffer)
    try:
        yield connection
    finally:
        connection.close()


def exchange(url: str, request: bytes, *, limit_s: float = 20.0) -> RawAnswer:
    """Send bytes on a new connection and read the answer."""
    with raw_connection(url) as connection:
        connection.send(request)
        return connection.answer(limit_s=limit_s)


def request(
    method: str, path: str, *headers: tuple[str, str | bytes], body: bytes | None = None
) -> bytes:
    """A request whose headers may be anything; `Host` and the length come first."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: 127.0.0.1"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}".encode())
    lines += [
        name.encode() + b": " + (value.encode() if isinstance(value, str) else value)
        for name, value in headers
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def _is_complete(received: bytearray) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = received[:end]
    if head.startswith(b"HTTP/1.1 100"):
        return _is_complete(received[end + 4 :])
    _, headers, _ = _parsed(bytes(head))
    if "content-length" in headers:
        return len(received) - end - 4 >= int(headers["content-length"])
    return headers.get("transfer-encoding") != "chunked" or received.endswith(b"0\r\n\r\n")


def _parsed(received: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return _parsed(body)
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return int(first.split()[1]) if first.startswith("HTTP/1.") else 0, headers, body


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        whole += body[:length]
        body = body[length + 2 :]
    return whole
