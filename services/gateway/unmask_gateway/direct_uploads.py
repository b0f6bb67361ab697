"""Files that clients send straight to the object store, part by part, before they become videos."""

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import uuid_utils
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field

from unmask_shared.artifacts import UPLOADS_PREFIX, upload_file_key, upload_key
from unmask_shared.errors import (
    DirectUploadsOff,
    ObjectNotFound,
    UnmaskError,
    UploadIncomplete,
    UploadNotFound,
)
from unmask_shared.object_store import ObjectStore
from unmask_shared.object_store.direct import MAX_PARTS, DirectUploads, StoredPart
from unmask_shared.records import read_document, write_document

log = logging.getLogger(__name__)

UPLOAD_ID_PATTERN: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

# A client asks for new ones while it needs them.
_URLS_LAST: Final = timedelta(hours=1)
_MOST_NAMED: Final = 10


class DirectUpload(BaseModel):
    """`upload.json`: a file that a client may send, until it expires."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: str
    created_at: datetime
    expires_at: datetime
    owner: str | None
    filename: str
    content_type: str
    bytes: Annotated[int, Field(gt=0)]
    part_bytes: Annotated[int, Field(gt=0)]
    transfer: Annotated[str, Field(description="What the store calls it.")]

    def part_sizes(self) -> list[int]:
        """Sizes of all parts, the first one first."""
        whole, rest = divmod(self.bytes, self.part_bytes)
        return [self.part_bytes] * whole + ([rest] if rest else [])


@dataclass(frozen=True, kw_only=True)
class ExpectedPart:
    """A part of a direct upload.

    Attributes:
        number: Its place, from 1 on.
        first_byte: Where it begins in the file.
        bytes: Its size.
        stored: Whether it has arrived.
        url: Takes it by PUT for a while.
    """

    number: int
    first_byte: int
    bytes: int
    stored: bool
    url: str


class DirectUploadService:
    """Begins, shows, completes and erases direct uploads; safe to use from several threads."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        direct: DirectUploads | None,
        ttl: timedelta,
        part_bytes: int,
    ) -> None:
        """Prepare to serve.

        Args:
            store: Keeps what is known of uploads.
            direct: Takes their parts; None where clients cannot reach the store.
            ttl: An upload that is not used for so long is erased.
            part_bytes: Size of all parts but the last, more where there would be too many.
        """
        self._store = store
        self._direct = direct
        self._ttl = ttl
        self._part_bytes = part_bytes

    def begin(
        self, *, size: int, filename: str, content_type: str, owner: str | None
    ) -> DirectUpload:
        """Prepare to take a file.

        Raises:
            DirectUploadsOff: Clients cannot reach the store.
            ObjectStoreUnavailable: The store failed.
        """
        direct = self._needed()
        upload_id, now = str(uuid_utils.uuid7()), datetime.now(UTC)
        key = upload_file_key(upload_id)
        transfer = direct.begin(key, content_type=content_type)
        upload = DirectUpload(
            id=upload_id,
            created_at=now,
            expires_at=now + self._ttl,
            owner=owner,
            filename=filename,
            content_type=content_type,
            bytes=size,
            part_bytes=max(self._part_bytes, -(-size // MAX_PARTS)),
            transfer=transfer,
        )
        try:
            write_document(self._store, upload_key(upload_id), upload)
        except UnmaskError:
            direct.abort(key, transfer)
            raise
        return upload

    def find(self, upload_id: str, owner: str | None, *, sees_all: bool) -> DirectUpload:
        """Return an upload that may still be used.

        Raises:
            DirectUploadsOff: Clients cannot reach the store.
            UploadNotFound: There is none for this caller.
            ObjectStoreUnavailable: The store failed.
        """
        self._needed()
        upload = read_document(self._store, upload_key(upload_id), DirectUpload)
        is_visible = upload is not None and (sees_all or upload.owner == owner)
        if upload is None or not is_visible or upload.expires_at <= datetime.now(UTC):
            raise UploadNotFound(f"No upload has the id {upload_id}, or it has expired.")
        return upload

    def parts(self, upload: DirectUpload) -> list[ExpectedPart]:
        """The parts of an upload, each with a new URL.

        Raises:
            ObjectStoreUnavailable: The store failed.
        """
        direct, key = self._needed(), upload_file_key(upload.id)
        sizes = upload.part_sizes()
        stored = {part.number: part.bytes for part in self._stored(upload) or ()}
        joined = not stored and self._store.exists(key)
        lasting = min(_URLS_LAST, max(upload.expires_at - datetime.now(UTC), timedelta(seconds=1)))
        return [
            ExpectedPart(
                number=number,
                first_byte=(number - 1) * upload.part_bytes,
                bytes=size,
                stored=joined or stored.get(number) == size,
                url=direct.url(key, upload.transfer, number, size, lasting),
            )
            for number, size in enumerate(sizes, start=1)
        ]

    def join(self, upload: DirectUpload) -> None:
        """Make the parts one file, to which nothing can be added; may be done twice.

        Raises:
            UploadIncomplete: Parts are missing.
            ObjectStoreUnavailable: The store failed.
        """
        direct, key = self._needed(), upload_file_key(upload.id)
        stored = self._stored(upload)
        if stored is None:
            if self._store.exists(key):
                return
            raise UploadNotFound(f"The upload {upload.id} was erased.")
        expected = dict(enumerate(upload.part_sizes(), start=1))
        arrived = [part for part in stored if expected.get(part.number) == part.bytes]
        missing = sorted(expected.keys() - {part.number for part in arrived})
        if missing:
            named = ", ".join(map(str, missing[:_MOST_NAMED]))
            more = "" if len(missing) <= _MOST_NAMED else f" and {len(missing) - _MOST_NAMED} more"
            raise UploadIncomplete(
                f"{len(missing)} of {len(expected)} parts are missing: {named}{more}."
            )
        try:
            direct.join(key, upload.transfer, arrived)
        except ObjectNotFound:
            if not self._store.exists(key):  # it was joined at the same time otherwise
                raise

    async def chunks(self, upload: DirectUpload) -> AsyncGenerator[bytes, None]:
        """Join the parts of an upload and yield its bytes.

        Raises:
            UploadIncomplete: Parts are missing.
            ObjectStoreUnavailable: The store failed.
        """
        await to_thread.run_sync(self.join, upload)
        pieces = self._store.read_range(upload_file_key(upload.id), start=0, length=upload.bytes)
        try:
            while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
                yield piece
        finally:
            pieces.close()

    def erase(self, upload_id: str) -> None:
        """Erase an upload and what has arrived of it.

        Raises:
            ObjectStoreUnavailable: The store failed.
        """
        upload = read_document(self._store, upload_key(upload_id), DirectUpload)
        if upload is not None:
            self._needed().abort(upload_file_key(upload_id), upload.transfer)
        self._store.delete_prefix(f"{UPLOADS_PREFIX}{upload_id}/")

    def erase_expired(self) -> int:
        """Erase what nobody has used in time, and return how many uploads that were."""
        if self._direct is None:
            return 0
        oldest = datetime.now(UTC) - self._ttl
        expired = {
            entry.key.split("/")[1]
            for entry in self._store.entries(UPLOADS_PREFIX)
            if entry.modified_at < oldest
        }
        for upload_id in expired:
            self.erase(upload_id)
        return len(expired)

    def _stored(self, upload: DirectUpload) -> list[StoredPart] | None:
        """The parts that have arrived; None once they were joined or thrown away."""
        try:
            return self._needed().parts(upload_file_key(upload.id), upload.transfer)
        except ObjectNotFound:
            return None

    def _needed(self) -> DirectUploads:
        if self._direct is None:
            raise DirectUploadsOff
        return self._direct
