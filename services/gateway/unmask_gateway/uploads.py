"""Takes one upload from a client and passes it on to the object store while it arrives."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.requests import ClientDisconnect

from unmask_gateway.access.caller import EVERYBODY, Caller
from unmask_gateway.forms import MAX_FORM_BYTES, FileForm
from unmask_gateway.idempotency import IdempotencyKeys
from unmask_gateway.pipe import LEAST_CAPACITY_BYTES, ReaderGoneError, UploadPipe
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.threads import run_in_thread
from unmask_shared.containers import SNIFF_BYTES, sniff_container
from unmask_shared.errors import (
    EmptyUpload,
    MalformedUpload,
    NotAVideo,
    ObjectStoreUnavailable,
    TooManyUploads,
    TruncatedUpload,
    UnmaskError,
    UploadStalled,
    UploadTooLarge,
)
from unmask_shared.tracing import span
from unmask_shared.videos import AnalysisOptions, VideoRecord

# A refusal or a shutdown waits so long for the store to be cleaned up, then goes on without it.
_CLEANUP_WAIT_S = 2.0
# What a single upload may have on its way to the store; several divide it.
_PIPES_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class IncomingUpload:
    """A file that is still arriving.

    Attributes:
        filename: Cleaned name of the file.
        content_type: Media type that the client gave.
        stream: The file's bytes; reading raises when the upload breaks off.
        options: Tells what is asked for, once the stream was read to its end.
        caller: Who sends it.
        expected_bytes: Its size, as far as that is known; 1 when it is not.
        binding: Object key of the document that keeps what the request stands for, so that it may
            be repeated.
        batch: The batch that it is part of.
        origin: Where the file comes from, if the request names that instead of holding it.
        webhook_url: Tells where the outcome is to be sent, once the stream was read to its end.
    """

    filename: str
    content_type: str
    stream: UploadPipe
    options: Callable[[], AnalysisOptions]
    caller: Caller = EVERYBODY
    expected_bytes: int = 1
    binding: str | None = None
    batch: str | None = None
    origin: str | None = None
    webhook_url: Callable[[], str | None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A video that was taken.

    Attributes:
        record: Its record, which is stored.
        is_replay: Whether an earlier request with the same Idempotency-Key brought it.
    """

    record: VideoRecord
    is_replay: bool = False


KeepUpload = Callable[[IncomingUpload], Accepted]


class UploadReceiver:
    """Receives uploads with bounded memory, bounded patience, and nothing left of broken ones."""

    def __init__(self, keep: KeepUpload, settings: GatewaySettings) -> None:
        """Prepare to receive.

        Args:
            keep: Makes an upload a video, called in a thread; when the stream breaks off it must
                let the error through and leave nothing behind.
            settings: Limits and timeouts.
        """
        self._keep = keep
        self._settings = settings
        self._running = 0
        self._running_of: Counter[str] = Counter()
        self._storing: set[asyncio.Future[Accepted]] = set()

    async def receive(
        self,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None,
        content_length: int | None,
        caller: Caller = EVERYBODY,
        idempotency_key: str | None = None,
    ) -> Accepted:
        """Receive one request body and keep the file in it.

        Args:
            body: The body in pieces.
            content_type: The request's `Content-Type`.
            content_length: Length of the body, if the client told it.
            caller: Who sends it.
            idempotency_key: What the client calls its request.

        Returns:
            The video, which is accepted from then on.

        Raises:
            UnmaskError: The request is refused; nothing of it is kept.
        """
        most = self._settings.max_upload_bytes
        form = FileForm(content_type, max_file_bytes=most)
        if content_length is not None and content_length > most + MAX_FORM_BYTES:
            raise UploadTooLarge(
                f"The request has {content_length} bytes; files of up to {most} bytes are taken."
            )
        return await self.receive_file(
            self._file_data(form, body),
            lambda pipe: IncomingUpload(
                filename=form.filename,
                content_type=form.content_type,
                stream=pipe,
                options=form.options.chosen,
                webhook_url=lambda: form.webhook_url,
                caller=caller,
                expected_bytes=content_length or 1,
                binding=IdempotencyKeys.name(idempotency_key, caller.key_id),
            ),
            owner=caller.key_id,
        )

    async def receive_file(
        self,
        file: AsyncGenerator[bytes, None],
        describe: Callable[[UploadPipe], IncomingUpload],
        *,
        owner: str | None,
    ) -> Accepted:
        """Receive the bytes of one file and keep it.

        Args:
            file: The bytes in pieces; asked for nothing before there is room for the upload.
            describe: Says what they are, with the stream that they go through; called after the
                first pieces.
            owner: Id of the API key that it comes with.

        Returns:
            The video, which is accepted from then on.

        Raises:
            UnmaskError: The file is refused, or does not arrive; nothing of it is kept.
        """
        self._take_slot(owner)
        kept: asyncio.Future[Accepted] | None = None
        try:
            async with aclosing(file):
                with span("receive upload"):
                    head = await _read_head(file)
                    pipe = UploadPipe(max(LEAST_CAPACITY_BYTES, _PIPES_BYTES // self._running))
                    upload = describe(pipe)
                    if sniff_container(head) is None:
                        raise NotAVideo(
                            f"{upload.filename!r} does not begin like any video format that is "
                            "read here."
                        )
                    kept = run_in_thread(lambda: self._keep_and_leave(upload), name="upload")
                    self._storing.add(kept)
                    kept.add_done_callback(partial(self._release_slot, owner))
                    return await self._pass_on(head, file, pipe, kept)
        finally:
            if kept is None:
                self._give_slot_back(owner)

    async def wait_for_cleanup(self) -> None:
        """Give uploads that were just broken off a moment to leave nothing behind."""
        if self._storing:
            await asyncio.wait(self._storing, timeout=_CLEANUP_WAIT_S)

    def _keep_and_leave(self, upload: IncomingUpload) -> Accepted:
        try:
            return self._keep(upload)
        finally:
            upload.stream.stop_reading()

    def _take_slot(self, owner: str | None) -> None:
        if self._running >= self._settings.max_parallel_uploads:
            raise TooManyUploads(f"{self._running} uploads are running already.")
        most = self._settings.max_parallel_uploads_per_key
        if owner is not None and self._running_of[owner] >= most:
            raise TooManyUploads(f"{most} uploads with this key are running already.")
        self._running += 1
        if owner is not None:
            self._running_of[owner] += 1

    def _give_slot_back(self, owner: str | None) -> None:
        self._running -= 1
        if owner is not None:
            self._running_of[owner] -= 1
            if not self._running_of[owner]:
                del self._running_of[owner]

    def _release_slot(self, owner: str | None, kept: "asyncio.Future[Accepted]") -> None:
        # Not before the thread has ended: a store that hangs must not gather ever more of them.
        self._give_slot_back(owner)
        self._storing.discard(kept)
        kept.exception()  # seen here even if the request is gone

    async def _pass_on(
        self,
        head: bytes,
        file: AsyncIterator[bytes],
        pipe: UploadPipe,
        kept: "asyncio.Future[Accepted]",
    ) -> Accepted:
        try:
            async with self._store_timeout():
                await pipe.write(head)
            async for data in file:
                if pipe.write_now(data):
                    continue  # nothing that could take long
                async with self._store_timeout():
                    await pipe.write(data)
            pipe.close()
            async with self._store_timeout():
                return await asyncio.shield(kept)
        except ReaderGoneError:
            return await asyncio.shield(kept)  # raises what ended the reader
        except BaseException as error:
            broken_off = TruncatedUpload("The request was broken off.")
            pipe.abort(error if isinstance(error, UnmaskError) else broken_off)
            await asyncio.wait({kept}, timeout=_CLEANUP_WAIT_S)
            raise

    @asynccontextmanager
    async def _store_timeout(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.store_timeout_s):
                yield
        except TimeoutError as error:
            raise ObjectStoreUnavailable(
                f"The object store took no data for {self._settings.store_timeout_s:g} s."
            ) from error

    async def _file_data(
        self, form: FileForm, body: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the file, and end only if the whole form has arrived."""
        async for piece in self._patiently(body):
            for data in form.feed(piece):
                yield data
        if not form.is_complete:
            raise TruncatedUpload("The body ended before the closing boundary of the form.")
        if not form.has_file:
            raise MalformedUpload("The form has no field named `file`.")

    async def _patiently(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces of a body as long as the client is neither gone nor too slow."""
        idle_s, slowest = (
            self._settings.upload_idle_timeout_s,
            self._settings.upload_min_bytes_per_s,
        )
        clock = asyncio.get_running_loop().time
        waited_s, received = 0.0, 0
        while True:
            since = clock()
            try:
                async with asyncio.timeout(idle_s):
                    piece = await anext(body)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise UploadStalled(f"Nothing arrived for {idle_s:g} s.") from error
            except ClientDisconnect as error:
                raise TruncatedUpload("The client closed the connection.") from error
            # Only time spent on the client counts, not that spent on a slow store.
            waited_s += clock() - since
            received += len(piece)
            if waited_s > idle_s + received / slowest:
                raise UploadStalled(f"Less than {slowest} bytes per second arrived.")
            yield piece


async def _read_head(file: AsyncIterator[bytes]) -> bytes:
    """Take enough of the file to recognise it; all of it when it is short."""
    head = bytearray()
    while len(head) < SNIFF_BYTES and (data := await anext(file, None)) is not None:
        head += data
    if not head:
        raise EmptyUpload("The file has 0 bytes.")
    return bytes(head)
