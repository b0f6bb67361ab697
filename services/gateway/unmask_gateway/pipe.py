"""A bounded pipe from the event loop to a thread, which hashes what goes through."""

import asyncio
import hashlib
import threading
from collections import deque
from typing import Final

from unmask_shared.errors import UnmaskError

LEAST_CAPACITY_BYTES: Final = 1024 * 1024
"""Enough to keep the reader busy while the event loop serves others."""


class ReaderGoneError(Exception):
    """The thread stopped reading; its own outcome tells why."""


class UploadPipe:
    """Carries one upload from `write` (event loop) to `read` (a thread).

    The reader sees the end of the stream only after `close`; `abort` makes its next `read` raise,
    so that a broken upload can never be taken for a complete one.
    """

    def __init__(self, capacity_bytes: int = LEAST_CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._loop = asyncio.get_running_loop()
        self._has_room = asyncio.Event()
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._closed = False
        self._error: UnmaskError | None = None
        self._reader_gone = False
        self._sha256 = hashlib.sha256()
        self._bytes_read = 0

    # --- on the event loop -------------------------------------------------------------------

    async def write(self, chunk: bytes) -> None:
        """Hand over a chunk, waiting while the pipe is full.

        Raises:
            ReaderGoneError: Nobody reads any more.
        """
        while not self.write_now(chunk):
            await self._has_room.wait()

    def write_now(self, chunk: bytes) -> bool:
        """Hand over a chunk if the pipe is not full; returns whether it was not.

        Raises:
            ReaderGoneError: Nobody reads any more.
        """
        with self._changed:
            if self._reader_gone:
                raise ReaderGoneError
            if self._buffered < self._capacity:
                self._chunks.append(chunk)
                self._buffered += len(chunk)
                self._changed.notify()
                return True
            self._has_room.clear()
            return False

    def close(self) -> None:
        """Say that everything was written."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def abort(self, error: UnmaskError) -> None:
        """Make the reader fail with this error the next time that it asks for anything."""
        with self._changed:
            self._error = error
            self._chunks.clear()
            self._changed.notify()

    # --- in the reading thread ---------------------------------------------------------------

    def read(self, size: int, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end of the stream.

        Raises:
            UnmaskError: The upload was aborted with this error.
        """
        pieces: list[bytes] = []
        missing = size
        while missing > 0 and (piece := self._take(missing)):
            pieces.append(piece)
            missing -= len(piece)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._sha256.update(data)
        self._bytes_read += len(data)
        return data

    def read_to_end(self) -> None:
        """Hash what is left and throw it away.

        Raises:
            UnmaskError: The upload was aborted with this error.
        """
        while self.read(LEAST_CAPACITY_BYTES):
            continue

    def raise_if_aborted(self) -> None:
        """Fail if the upload was aborted, be it after its last byte was read.

        Raises:
            UnmaskError: The upload was aborted with this error.
        """
        with self._changed:
            if self._error is not None:
                raise self._error

    def stop_reading(self) -> None:
        """Say that nothing will be read any more."""
        with self._changed:
            self._reader_gone = True
            self._chunks.clear()
        self._wake_writer()

    @property
    def bytes_read(self) -> int:
        """Number of bytes that went through so far."""
        return self._bytes_read

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of everything that went through so far."""
        return self._sha256.hexdigest()

    def _take(self, most: int) -> bytes:
        """Wait for bytes and take at most so many; empty at the end of the stream."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._closed or self._error)
            if self._error is not None:
                raise self._error
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > most:
                self._chunks.appendleft(chunk[most:])
                chunk = chunk[:most]
            # Half of it, or the two would take turns for every piece.
            had_none = self._buffered >= self._capacity // 2
            self._buffered -= len(chunk)
            has_room_again = had_none and self._buffered < self._capacity // 2
        if has_room_again:
            self._wake_writer()
        return chunk

    def _wake_writer(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._has_room.set)
        except RuntimeError:
            # The loop ended with the process, and the writer with it.
            return
