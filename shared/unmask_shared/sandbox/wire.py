"""How a job speaks with the process that asked for it: frames through a pipe.

A frame is one byte that names its kind, four bytes of length, and the payload. What comes from a
job is not trusted: kinds and lengths are checked before anything is kept, payloads are numbers,
short JSON, or bytes for the caller, and nothing is ever unpickled.
"""

import enum
import json
import math
import os
import struct
from collections.abc import Iterator
from typing import Final

from unmask_shared.sandbox.errors import ProtocolViolation

_HEAD: Final = struct.Struct("!cI")
_FRACTION: Final = struct.Struct("!d")

# With its head what a pipe holds, and what allocators keep at hand: larger pieces are new pages
# each time, which takes longer than copying.
MAX_CHUNK_BYTES: Final = 64 * 1024 - _HEAD.size
_MAX_TEXT_BYTES: Final = 16 * 1024
_MAX_DETAIL: Final = 500


class JobFrame(enum.Enum):
    """What a job sends; the payloads are an 8-byte float, bytes, JSON, and UTF-8."""

    PROGRESS = b"p"
    RESULT = b"r"
    ERROR = b"e"
    TRACEBACK = b"t"


_LONGEST: Final = {
    JobFrame.PROGRESS: _FRACTION.size,
    JobFrame.RESULT: MAX_CHUNK_BYTES,
    JobFrame.ERROR: _MAX_TEXT_BYTES,
    JobFrame.TRACEBACK: _MAX_TEXT_BYTES,
}


class FrameReader:
    """Cuts the bytes of a job into frames, as they come."""

    def __init__(self) -> None:
        self._waiting = b""

    @property
    def between_frames(self) -> bool:
        """Whether the last frame is complete."""
        return not self._waiting

    def feed(self, data: bytes) -> Iterator[tuple[JobFrame, bytes]]:
        """The frames that are complete now.

        Raises:
            ProtocolViolation: A frame has an unknown kind or is too long.
        """
        data = self._waiting + data if self._waiting else data
        start = 0
        while len(data) - start >= _HEAD.size:
            code, length = _HEAD.unpack_from(data, start)
            kind = _job_frame(code, length)
            end = start + _HEAD.size + length
            if len(data) < end:
                break
            yield kind, data[start + _HEAD.size : end]
            start = end
        self._waiting = data[start:]


def _job_frame(code: bytes, length: int) -> JobFrame:
    try:
        kind = JobFrame(code)
    except ValueError:
        raise ProtocolViolation(f"a frame of the unknown kind {code!r}") from None
    if length > _LONGEST[kind]:
        raise ProtocolViolation(f"a {kind.name} frame of {length} bytes")
    return kind


def pack(kind: bytes, payload: bytes | memoryview) -> bytes:
    """The bytes of one frame."""
    return b"".join([_HEAD.pack(kind, len(payload)), payload])


def write_all(fd: int, data: bytes) -> None:
    """Write everything, waiting for the reader where necessary."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def encode_progress(fraction: float) -> bytes:
    """The payload of a PROGRESS frame."""
    return _FRACTION.pack(fraction)


def decode_progress(payload: bytes, *, at_least: float) -> float:
    """The fraction done.

    Raises:
        ProtocolViolation: It is not from `at_least` to 1.
    """
    if len(payload) != _FRACTION.size:
        raise ProtocolViolation(f"progress of {len(payload)} bytes")
    fraction = float(_FRACTION.unpack(payload)[0])
    if not at_least <= fraction <= 1:  # never true for NaN
        what = "not a number" if math.isnan(fraction) else f"{fraction:.6g} after {at_least:.6g}"
        raise ProtocolViolation(f"progress that is {what}")
    return fraction


def encode_error(code: str, detail: str) -> bytes:
    """The payload of an ERROR frame; longer details are cut."""
    return json.dumps({"code": code, "detail": detail[:_MAX_DETAIL]}).encode()


def decode_error(payload: bytes) -> tuple[str, str]:
    """Code and detail of an error; the detail is one short printable line.

    Raises:
        ProtocolViolation: The payload has another form.
    """
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        raise ProtocolViolation("an error that is no JSON") from None
    match document:
        case {"code": str(code), "detail": str(detail), **rest} if not rest:
            return code, "".join(filter(str.isprintable, detail))[:_MAX_DETAIL]
    raise ProtocolViolation("an error without code and detail")


def encode_text(text: str) -> bytes:
    """The payload of a TRACEBACK frame; the end is kept, which says most."""
    return text.encode(errors="backslashreplace")[-_MAX_TEXT_BYTES:]


def decode_text(payload: bytes) -> str:
    """Text for a log: every line is marked, so that none looks like an entry of its own."""
    lines = payload.decode(errors="backslashreplace").splitlines()
    return "\n".join(f"  | {''.join(filter(str.isprintable, line))}" for line in lines)
