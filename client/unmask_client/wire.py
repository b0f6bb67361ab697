"""From calls to HTTP requests: what both clients have in common on their way to the network."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import httpx
from anyio import to_thread

from unmask_client.calls import Call, PartToSend, Sent
from unmask_client.errors import ConnectionFailed, InvalidArgument

# The request cannot have been received when one of these was raised.
_NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_STORE_ACTION: Final = (
    "Send it again: it goes on where it stopped. If the object store cannot be reached from here, "
    "send it through the gateway (without --direct)."
)
_PIECE_BYTES: Final = 64 * 1024


def make_request(
    client: httpx.Client | httpx.AsyncClient, call: Call, file: BinaryIO | None
) -> httpx.Request:
    """Make the request of a call; the body is read from the file while it leaves."""
    if call.part is not None and file is not None:
        return _request_of_part(client, call.part, file)
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


def _request_of_part(
    client: httpx.Client | httpx.AsyncClient, part: PartToSend, file: BinaryIO
) -> httpx.Request:
    """Made past the client, whose headers hold the API key."""
    piece = _Piece(file, part)
    request = httpx.Request(
        "PUT",
        part.url,
        headers={"Content-Length": str(part.bytes)},
        content=piece,
        extensions={"timeout": client.timeout.as_dict()},
    )
    request.stream = _Body(piece, part.on_sent, total=part.bytes)
    return request


@contextmanager
def opened(call: Call) -> Iterator[BinaryIO | None]:
    """Hold the file that a call sends, if it sends one, open at its beginning.

    Raises:
        InvalidArgument: There is no such file, or it cannot be read.
    """
    to_send = call.upload or call.part
    if to_send is None:
        yield None
        return
    file = to_send.file
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
def translated_errors(call: Call, base_url: httpx.URL) -> Iterator[None]:
    """Raise `ConnectionFailed` in the place of what httpx raises when there is no answer."""
    # The rest of a part's URL is as good as a key.
    where = base_url if call.part is None else httpx.URL(call.part.url).copy_with(raw_path=b"/")
    try:
        yield
    except httpx.TransportError as error:
        failure = ConnectionFailed(
            f"{where} gave no answer: {str(error) or type(error).__name__}.",
            maybe_received=not isinstance(error, _NOT_CONNECTED),
        )
        if call.part is not None:
            failure.action = _STORE_ACTION
        raise failure from error


class _Piece(httpx.SyncByteStream):
    """A part of a file."""

    def __init__(self, file: BinaryIO, part: PartToSend) -> None:
        self._file = file
        self._part = part

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._part.first_byte)
        left = self._part.bytes
        while left:
            piece = self._file.read(min(left, _PIECE_BYTES))
            if not piece:
                raise InvalidArgument(f"{self._part.file} became shorter while it was sent.")
            left -= len(piece)
            yield piece


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
