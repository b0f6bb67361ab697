"""Uploads in parts that go from clients straight into an S3 bucket.

Nobody sees anything of an object before all of its parts are joined. Each part has a URL that takes
exactly so many bytes for exactly this part; MinIO, AWS S3 and SeaweedFS refuse others.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import urllib3
from minio import Minio

from unmask_shared.errors import ObjectNotFound
from unmask_shared.object_store.presigning import Presigner
from unmask_shared.object_store.s3 import make_presigner, make_s3_client, translated
from unmask_shared.object_store.s3_requests import SignedRequests
from unmask_shared.settings import StoreSettings

MIN_PART_BYTES: Final = 5 * 1024 * 1024
"""What S3 asks of every part but the last."""

MAX_PARTS: Final = 1000
"""S3 allows ten times as many, but lists no more at once."""


@dataclass(frozen=True, kw_only=True)
class StoredPart:
    """A part that has arrived.

    Attributes:
        number: Its place, from 1 on.
        bytes: Its size.
        etag: What the store calls its content.
    """

    number: int
    bytes: int
    etag: str


class DirectUploads:
    """Lets clients upload past the gateway; safe to use from several threads.

    Every method but `url` raises `ObjectStoreUnavailable` when the store does not answer.
    """

    def __init__(
        self, client: Minio, bucket: str, http: urllib3.PoolManager, presigner: Presigner
    ) -> None:
        """Use one bucket.

        Args:
            client: Reaches the store from here.
            bucket: Its name.
            http: Sends requests that the client has no method for.
            presigner: Signs URLs under the address that clients reach.
        """
        self._bucket = bucket
        self._signed = SignedRequests(client, bucket, http)
        self._presigner = presigner

    def begin(self, key: str, *, content_type: str) -> str:
        """Prepare an object of several parts; returns the id of the transfer."""
        with translated(key):
            return self._signed.begin_parts(key, content_type=content_type)

    def url(self, key: str, transfer: str, number: int, size: int, expires: timedelta) -> str:
        """A URL to which a client may PUT exactly `size` bytes as part `number`."""
        return self._presigner.sign(
            "PUT",
            f"{self._bucket}/{key}",
            query={"partNumber": str(number), "uploadId": transfer},
            headers={"Content-Length": str(size)},
            expires=expires,
        )

    def parts(self, key: str, transfer: str) -> list[StoredPart]:
        """The parts that have arrived.

        Raises:
            ObjectNotFound: The transfer is over: its parts were joined or thrown away.
        """
        with translated(key):
            return [
                StoredPart(number=part.part_number, bytes=part.size or 0, etag=part.etag)
                for part in self._signed.list_parts(key, transfer)
            ]

    def join(self, key: str, transfer: str, parts: Sequence[StoredPart]) -> None:
        """Make the parts an object.

        Raises:
            ObjectNotFound: The transfer is over.
        """
        with translated(key):
            self._signed.join_parts(key, transfer, [(part.number, part.etag) for part in parts])

    def abort(self, key: str, transfer: str) -> None:
        """Throw the parts away; nothing happens if the transfer is over."""
        with suppress(ObjectNotFound), translated(key):
            self._signed.drop_parts(key, transfer)


def make_direct_uploads(settings: StoreSettings) -> DirectUploads | None:
    """Build what the settings name, without touching the network.

    Returns:
        None where clients cannot reach the store: it is a folder, or nobody said what its address
        is for them.
    """
    if settings.object_store != "s3" or not settings.s3_public_endpoint:
        return None
    client, http = make_s3_client(settings)
    return DirectUploads(
        client,
        settings.s3_bucket,
        http,
        make_presigner(settings, settings.s3_public_endpoint),
    )
