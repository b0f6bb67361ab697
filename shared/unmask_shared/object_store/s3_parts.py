"""Streams of unknown length as S3 multipart uploads that send several parts at a time.

The client's own method sends parts one by one, or from a thread pool that it never stops when the
stream breaks off: each upload that was cut would leave its threads and their parts behind.
"""

import logging
import mmap
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import urllib3
from minio.error import MinioException

from unmask_shared.object_store.protocol import ByteStream
from unmask_shared.object_store.s3_requests import SignedRequests

log = logging.getLogger(__name__)

PART_BYTES: Final = 5 * 1024 * 1024
"""The least that S3 takes, since parts are held in memory; 10,000 of them are 52 GB."""

_READ_BYTES: Final = 256 * 1024
_THREADS: Final = 3
# Of all streams together: with these, one part for each stream is all the memory that is taken.
_MOST_AHEAD: Final = 10


class PartsUploader:
    """Sends streams; safe to use from several threads, which share its memory."""

    def __init__(self, requests: SignedRequests) -> None:
        self._requests = requests
        self._room = threading.BoundedSemaphore(_MOST_AHEAD)

    def send(
        self, key: str, first: list[memoryview], stream: ByteStream, *, content_type: str
    ) -> None:
        """Store a stream; errors of the stream pass, and leave nothing behind.

        Args:
            key: Where to.
            first: The first `PART_BYTES` of the stream; taken out, so that nobody holds them.
            stream: What follows.
            content_type: Of the object.
        """
        upload = self._requests.begin_parts(key, content_type=content_type)
        try:
            etags = self._send_parts(key, upload, first, stream)
            self._requests.join_parts(key, upload, list(enumerate(etags, start=1)))
        except BaseException:
            try:
                self._requests.drop_parts(key, upload)
            except (MinioException, urllib3.exceptions.HTTPError) as error:
                log.warning("parts of an upload are left in the store: %s", type(error).__name__)
            raise

    def _send_parts(
        self, key: str, upload: str, first: list[memoryview], stream: ByteStream
    ) -> list[str]:
        etags: dict[int, str] = {}
        ahead: dict[int, Future[str]] = {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="parts") as threads:
            number = 0
            while part := first.pop() if first else read_part(stream):
                number += 1
                # What went wrong is raised before more is read.
                for ended in [one for one, future in ahead.items() if future.done()]:
                    etags[ended] = ahead.pop(ended).result()
                if len(ahead) < _THREADS and self._room.acquire(blocking=False):
                    ahead[number] = threads.submit(self._put_ahead, key, upload, number, part)
                else:  # sent by this thread, so that nothing is read until there is room again
                    etags[number] = self._requests.put_part(key, upload, number, part)
                del part  # before memory is taken for the next one
        etags |= {one: future.result() for one, future in ahead.items()}
        return [etags[one] for one in sorted(etags)]

    def _put_ahead(self, key: str, upload: str, number: int, part: memoryview) -> str:
        try:
            return self._requests.put_part(key, upload, number, part)
        finally:
            self._room.release()


def read_part(stream: ByteStream) -> memoryview:
    """Read `PART_BYTES`; fewer only at the end of the stream."""
    # Mapped, so that the memory goes back to the system with the part.
    part, filled = mmap.mmap(-1, PART_BYTES), 0
    while data := stream.read(min(_READ_BYTES, PART_BYTES - filled)):
        part[filled : filled + len(data)] = data
        filled += len(data)
    return memoryview(part)[:filled]
