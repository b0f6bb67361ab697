"""From calls to HTTP requests: what both clients have in common on their way to the network."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import httpx
from anyio import to_thread

from unmask_client.calls import Call, Sent
from unmask_client.errors import ConnectionFailed, InvalidArgument

# The request cannot have been received when one of these was raised.
_NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def make_request(
    client: httpx.Client | httpx.AsyncClient, call: Call, file: BinaryIO | None
) -> httpx.Request:
    """Make the request of a call; the body is read from the file while it leaves."""
    more: dict[str, Any] = {}
    if call.upload is not None and file is not None:
        more |= {"data": call.form, "files": {"file": (call.upload.filename, file)}}
    if call.content is not None:
        more["json"] = call.content
    if call.answer_timeout_s is not None:
        usual = client.timeout
        more["timeout"] = httpx.Timeout(
            connect=usual.connect, write=usual.write, pool=usual.pool, read=call.answer_timeout_s
        )
    request = client.build_request(
        call.method, call.path, params=list(call.query) or None, headers=call.headers, **more
    )
    if call.upload is not None:
        length = request.headers.get("content-length")
        # What httpx makes of a form can be read without an event loop, whichever client made it.
        form = cast(httpx.SyncByteStream, request.stream)
        request.stream = _Body(form, call.upload.on_sent, total=int(length) if length else None)
    return request


@contextmanager
def opened(call: Call) -> Iterator[BinaryIO | None]:
    """Hold the file that a call sends, if it sends one, open at its beginning.

    Raises:
        InvalidArgument: There is no such file, or it cannot be read.
    """
    if call.upload is None:
        yield None
        return
    file = call.upload.file
    if not isinstance(file, Path):
        yield file
        return
    try:
        opened_file = file.open("rb")
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be read: {error.strerror}.") from error
    with opened_file:
        yield opened_file


@contextmanager
def translated_errors(url: httpx.URL) -> Iterator[None]:
    """Raise `ConnectionFailed` in the place of what httpx raises when there is no answer."""
    try:
        yield
    except httpx.TransportError as error:
        raise ConnectionFailed(
            f"{url} gave no answer: {error or type(error).__name__}.",
            maybe_received=not isinstance(error, _NOT_CONNECTED),
        ) from error


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Passes a body on, piece by piece, and tells how much has left."""

    def __init__(self, body: httpx.SyncByteStream, on_sent: Sent | None, *, total: int | None):
        self._body = body
        self._on_sent = on_sent
        self._total = total

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for piece in self._body:
            yield piece
            sent = self._tell(sent + len(piece))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # A file has no asynchronous way to be read, and a disk may be slow.
        sent, pieces = 0, iter(self._body)
        while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
            yield piece
            sent = self._tell(sent + len(piece))

    def _tell(self, sent: int) -> int:
        if self._on_sent is not None:
            self._on_sent(sent, self._total)
        return sent

    def close(self) -> None:
        """The file is closed by who opened it."""

    async def aclose(self) -> None:
        """The file is closed by who opened it."""
