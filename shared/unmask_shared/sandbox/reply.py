"""How a job answers."""

from collections.abc import Callable
from typing import BinaryIO

from unmask_shared.sandbox.wire import (
    MAX_CHUNK_BYTES,
    JobFrame,
    encode_error,
    encode_progress,
    encode_text,
    pack,
    write_all,
)


class Reply:
    """The way back out of a sandbox; for one thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def progress(self, fraction: float) -> None:
        """Say how much is done, in [0, 1]; it must not shrink."""
        self._send(JobFrame.PROGRESS, encode_progress(fraction))

    def result(self, data: bytes | memoryview) -> None:
        """Add bytes to the result."""
        view = memoryview(data)
        for start in range(0, len(view), MAX_CHUNK_BYTES):
            self._send(JobFrame.RESULT, view[start : start + MAX_CHUNK_BYTES])

    def error(self, code: str, detail: str) -> None:
        """Say that the video is to blame; the job must end then."""
        self._send(JobFrame.ERROR, encode_error(code, detail))

    def traceback(self, text: str) -> None:
        """Say that nobody knows what to blame; the job must end then."""
        self._send(JobFrame.TRACEBACK, encode_text(text))

    def _send(self, kind: JobFrame, payload: bytes | memoryview) -> None:
        write_all(self._fd, pack(kind.value, payload))


Serve = Callable[[BinaryIO, bytes, Reply], None]
"""A job: takes the unbuffered input file, the request, and where to answer.

An `UnmaskError` about the video, raised by it, is raised again by `Sandbox.run`.
"""
