"""How the parent speaks with its zygote: frames through a Unix socket, with open files.

Both sides are ours and trust each other; jobs cannot reach this socket.
"""

import enum
import json
import socket
import struct
from dataclasses import asdict, dataclass
from typing import Final, Self

_HEAD: Final = struct.Struct("!cI")
_ORDER: Final = struct.Struct("!QQ")
_END: Final = struct.Struct("!idQ")


class ControlFrame(enum.Enum):
    """What is said, and with which payload."""

    READY = b"R"
    """Zygote: everything is loaded; `Readiness`."""
    FAILED = b"F"
    """Zygote: what was asked is impossible; the reason as UTF-8."""
    JOB = b"J"
    """Parent: start a job; `JobOrder`, with the input file and the reply pipe."""
    STARTED = b"S"
    """Zygote: the job runs; no payload."""
    END = b"E"
    """Parent: end the job, now; no payload."""
    ENDED = b"D"
    """Zygote: the job is gone; `JobEnd`."""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What a zygote says about itself.

    Attributes:
        filter_missing: Why system calls are not filtered; empty if they are, or need not be.
    """

    filter_missing: str

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The opposite of `to_bytes`."""
        return cls(**json.loads(payload))


@dataclass(frozen=True, kw_only=True)
class JobOrder:
    """What a job is to do, and within which limits."""

    request: bytes
    memory_bytes: int
    cpu_s: int

    def to_bytes(self) -> bytes:
        """Fixed fields, then the request."""
        return _ORDER.pack(self.memory_bytes, self.cpu_s) + self.request

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The opposite of `to_bytes`."""
        memory_bytes, cpu_s = _ORDER.unpack_from(payload)
        return cls(
            memory_bytes=memory_bytes,
            cpu_s=cpu_s,
            request=payload[_ORDER.size :],
        )


@dataclass(frozen=True, kw_only=True)
class JobEnd:
    """How a job ended.

    Attributes:
        exit_code: As from `os.waitstatus_to_exitcode`: negative for the number of a signal.
        cpu_s: Processor time that it took.
        peak_rss_bytes: The most memory that it held at a time, with what it shares.
    """

    exit_code: int
    cpu_s: float
    peak_rss_bytes: int

    def to_bytes(self) -> bytes:
        """Fixed fields."""
        return _END.pack(self.exit_code, self.cpu_s, self.peak_rss_bytes)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The opposite of `to_bytes`."""
        exit_code, cpu_s, peak_rss_bytes = _END.unpack(payload)
        return cls(exit_code=exit_code, cpu_s=cpu_s, peak_rss_bytes=peak_rss_bytes)


def send(
    to: socket.socket, frame: ControlFrame, payload: bytes = b"", fds: tuple[int, ...] = ()
) -> None:
    """Send one frame, with open files.

    Raises:
        OSError: The other side is gone.
    """
    head = _HEAD.pack(frame.value, len(payload))
    if fds:
        socket.send_fds(to, [head], fds)
    else:
        to.sendall(head)
    to.sendall(payload)


def receive(
    source: socket.socket, *, max_fds: int = 0
) -> tuple[ControlFrame, bytes, tuple[int, ...]]:
    """Wait for one frame.

    Returns:
        What is said, the payload, open files.

    Raises:
        EOFError: The other side is gone.
        TimeoutError: The socket has a timeout, and nothing came.
    """
    head, fds, _, _ = socket.recv_fds(source, _HEAD.size, max_fds)
    head += _receive_exactly(source, _HEAD.size - len(head))
    frame, length = _HEAD.unpack(head)
    return ControlFrame(frame), _receive_exactly(source, length), tuple(fds)


def _receive_exactly(source: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = source.recv(min(length, 65536))
        if not part:
            raise EOFError("the other side is gone")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
