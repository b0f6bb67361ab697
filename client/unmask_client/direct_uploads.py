"""Sending a file straight to the object store, in parts; goes on where it broke off."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from unmask_client.answers import read
from unmask_client.calls import Answer, Call, Operation, PartToSend, Sent, api_path
from unmask_client.errors import InvalidArgument, NotFound, PartRefused, ProblemError
from unmask_client.models import AnalysisOptions, Video
from unmask_client.operations import call_with_json, name_of
from unmask_client.retries import RetryPolicy, send

OnBegun = Callable[["Upload"], None]
"""Told of an upload before its first part leaves."""

# URLs may have run out while the parts before were sent; new ones that are refused, too, are not.
_ROUNDS: Final = 3


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UploadPart(_Document):
    """A piece of a file, and the URL that takes it."""

    number: int
    first_byte: int
    bytes: int
    stored: bool
    url: str


class Upload(_Document):
    """A file on its way into the object store.

    Attributes:
        id: Whoever has it can go on with the upload.
        expires_at: What is no video by then is erased.
        parts: In the order of the file.
    """

    id: str
    expires_at: datetime
    filename: str
    bytes: int
    complete: bool
    parts: tuple[UploadPart, ...]

    @property
    def stored_bytes(self) -> int:
        """How much has arrived, in whole parts."""
        return sum(part.bytes for part in self.parts if part.stored)


def submit_directly(
    source: str | os.PathLike[str],
    *,
    options: AnalysisOptions,
    filename: str | None,
    webhook_url: str | None,
    upload_id: str | None,
    on_begun: OnBegun | None,
    on_sent: Sent | None,
    policy: RetryPolicy,
) -> Operation[Video]:
    """Send a file to the object store and make a video of it.

    The id of the upload is its Idempotency-Key.

    Raises:
        InvalidArgument: The file cannot be read, or is not the one that the upload is for.
        NotFound: The upload has expired.
        PartRefused: The object store does not take it.
    """
    file = Path(source)
    size = _size_of(file)
    if upload_id is None:
        upload = yield from _begin(filename or name_of(file), size, policy)
    else:
        try:
            upload = yield from get(upload_id, policy=policy)
        except NotFound:
            # It may be a video already, whose answer was lost.
            return (yield from _make_video(upload_id, options, webhook_url, policy))
    if upload.bytes != size:
        raise InvalidArgument(
            f"{file} has {size} bytes, but the upload {upload.id} is for a file of {upload.bytes}."
        )
    if on_begun is not None:
        on_begun(upload)
    yield from _send_parts(upload, file, on_sent, policy)
    return (yield from _make_video(upload.id, options, webhook_url, policy))


def get(upload_id: str, *, policy: RetryPolicy) -> Operation[Upload]:
    """Ask which parts have arrived, and for URLs that are valid again."""
    call = Call(method="GET", path=api_path("uploads", upload_id))
    answer: Answer = yield from send(call, policy)
    return read(answer, Upload)


def discard(upload_id: str, *, policy: RetryPolicy) -> Operation[None]:
    """Erase what has arrived."""
    yield from send(Call(method="DELETE", path=api_path("uploads", upload_id)), policy)


def _begin(filename: str, size: int, policy: RetryPolicy) -> Operation[Upload]:
    # Sent twice it begins two, of which the server erases the one that nobody uses.
    call = Call(method="POST", path="/uploads", content={"bytes": size, "filename": filename})
    answer: Answer = yield from send(call, policy)
    return read(answer, Upload)


def _send_parts(
    upload: Upload, file: Path, on_sent: Sent | None, policy: RetryPolicy
) -> Operation[None]:
    for last_round in (*[False] * (_ROUNDS - 1), True):
        try:
            return (yield from _send_missing(upload, file, on_sent, policy))
        except ProblemError as error:
            if last_round or error.status not in {400, 403, 404}:
                raise PartRefused(f"It answered with status {error.status}.") from error
        upload = yield from get(upload.id, policy=policy)
    raise AssertionError("the last round ends it")


def _send_missing(
    upload: Upload, file: Path, on_sent: Sent | None, policy: RetryPolicy
) -> Operation[None]:
    before = upload.stored_bytes
    for part in upload.parts:
        if part.stored:
            continue
        tell = None if on_sent is None else _counting_on(on_sent, before, upload.bytes)
        to_send = PartToSend(
            url=part.url, file=file, first_byte=part.first_byte, bytes=part.bytes, on_sent=tell
        )
        yield from send(Call(method="PUT", path="", part=to_send), policy)
        before += part.bytes


def _counting_on(on_sent: Sent, before: int, total: int) -> Sent:
    return lambda sent, _: on_sent(before + sent, total)


def _make_video(
    upload_id: str, options: AnalysisOptions, webhook_url: str | None, policy: RetryPolicy
) -> Operation[Video]:
    call = call_with_json({"upload_id": upload_id}, options, webhook_url)
    answer: Answer = yield from send(call, policy)
    return read(answer, Video)


def _size_of(file: Path) -> int:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be read: {error.strerror}.") from error
    if not file.is_file() or not size:
        raise InvalidArgument(f"{file} is empty, or no file.")
    return size
