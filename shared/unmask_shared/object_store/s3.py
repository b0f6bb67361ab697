"""An object store in one bucket of an S3-compatible server."""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.error import MinioException, S3Error
from urllib3.connectionpool import ConnectionPool

from unmask_shared.errors import ObjectNotFound, ObjectStoreUnavailable
from unmask_shared.object_store.presigning import Presigner
from unmask_shared.object_store.protocol import (
    ByteStream,
    ObjectEntry,
    UnfinishedWrite,
    check_key,
    check_prefix,
)
from unmask_shared.object_store.s3_parts import PART_BYTES, PartsUploader, read_part
from unmask_shared.object_store.s3_requests import SignedRequests
from unmask_shared.object_store.unfinished_uploads import UnfinishedUploads
from unmask_shared.settings import StoreSettings

# What is passed on while it is read is held in pieces of this size.
_PIECE_BYTES = 256 * 1024

# urllib3 applies the connect timeout to the sending of a whole request too, so it must leave a slow
# line the time for a part.
_TIMEOUT = urllib3.Timeout(connect=10.0, read=10.0)


class _Retry(urllib3.Retry):
    """Tries again what was refused or cut off, but waits only once for a server that hangs."""

    def increment(  # the signature is urllib3's
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if isinstance(error, urllib3.exceptions.TimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


_RETRIES = _Retry(
    total=3, connect=1, read=1, backoff_factor=0.3, status_forcelist=(500, 502, 503, 504)
)

_NO_OBJECT = frozenset({"NoSuchKey", "NoSuchObject", "NoSuchUpload", "NotFound"})
_BAD_CREDENTIALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_BUCKET_IS_THERE = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class S3ObjectStore:
    """An object store in one bucket of any S3-compatible server."""

    def __init__(
        self, client: Minio, bucket: str, http: urllib3.PoolManager, presigner: Presigner
    ) -> None:
        """Use one bucket.

        Args:
            client: Knows the endpoint and the credentials.
            bucket: Its name.
            http: Sends requests that the client has no method for.
            presigner: Signs those that are about no single object.
        """
        self._client = client
        self._bucket = bucket
        self._signed = SignedRequests(client, bucket, http)
        self._uploads = UnfinishedUploads(http, presigner, bucket)
        self._parts = PartsUploader(self._signed)

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store the bytes, replacing what was there."""
        with translated(check_key(key)):
            self._client.put_object(self._bucket, key, io.BytesIO(data), len(data), content_type)

    def create(self, key: str, data: bytes, *, content_type: str) -> bool:
        """Store the bytes if the key holds nothing, which the server has to see to."""
        with translated(check_key(key)):
            if self._signed.put_if_free(key, data, content_type=content_type):
                return True
            # Perhaps it was this request that stored them, and its first answer got lost.
            with suppress(ObjectNotFound):  # erased meanwhile
                return self.get(key) == data
            return False

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        """Store a stream of unknown length; in parts unless it is short."""
        try:
            with translated(check_key(key)):
                first = [read_part(stream)]
                if len(first[0]) == PART_BYTES:
                    self._parts.send(key, first, stream, content_type=content_type)
                else:
                    self.put(key, bytes(first[0]), content_type=content_type)
        except ObjectNotFound as error:
            # Its writer hung for so long that it was taken for dead.
            raise ObjectStoreUnavailable("The store has dropped a write that rested.") from error

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        with translated(check_key(key)):
            response = self._client.get_object(self._bucket, key)
            try:
                data: bytes = response.read()
            finally:
                response.close()
                response.release_conn()
            return data

    def read_range(self, key: str, *, start: int, length: int) -> Generator[bytes, None, None]:
        """Yield a stretch of the object in pieces as they arrive."""
        with translated(check_key(key)):
            response = self._client.get_object(self._bucket, key, offset=start, length=length)
            try:
                yield from response.stream(_PIECE_BYTES)
            finally:
                response.close()
                response.release_conn()

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file with bounded memory."""
        with translated(check_key(key)):
            self._client.fget_object(self._bucket, key, str(path))

    def copy(self, source: str, target: str) -> None:
        """Let the server copy an object, in parts if it is larger than one request may copy."""
        with translated(check_key(target)), translated(check_key(source)):
            self._client.copy_object(self._bucket, target, CopySource(self._bucket, source))

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        try:
            with translated(check_key(key)):
                self._client.stat_object(self._bucket, key)
        except ObjectNotFound:
            # The answer to HEAD has no body to tell a missing object from a missing bucket.
            with translated(key):
                if not self._client.bucket_exists(self._bucket):
                    raise _no_bucket(self._bucket) from None
            return False
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix."""
        with translated(check_prefix(prefix)):
            for item in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                yield item.object_name

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield what is known of every object whose key begins with the prefix."""
        with translated(check_prefix(prefix)):
            for item in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                yield ObjectEntry(
                    key=item.object_name, bytes=item.size, modified_at=item.last_modified
                )

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix."""
        with translated(check_prefix(prefix)):
            for key in list(self.keys(prefix)):
                self._client.remove_object(self._bucket, key)

    def unfinished(self) -> Iterator[UnfinishedWrite]:
        """Yield the uploads in parts that are not over."""
        with translated(""):
            for upload in self._uploads:
                key, name = upload.object_name or "", upload.upload_id or ""
                with suppress(ObjectNotFound), translated(key):  # over meanwhile
                    parts = self._signed.list_parts(key, name)
                    times = [upload.initiated_time, *(part.last_modified for part in parts)]
                    active_at = max(moment for moment in times if moment is not None)
                    yield UnfinishedWrite(name=name, key=key, active_at=active_at)

    def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """Throw the parts of an upload away."""
        if write.key is not None:
            with suppress(ObjectNotFound), translated(write.key):
                self._signed.drop_parts(write.key, write.name)

    def check(self) -> None:
        """Return when the bucket answers, creating it when it is missing."""
        with translated(""):
            if self._client.bucket_exists(self._bucket):
                return
            try:
                self._client.make_bucket(self._bucket)
            except S3Error as error:
                # All services check at their start, so another one may have been faster.
                if error.code not in _BUCKET_IS_THERE:
                    raise


def make_s3_store(settings: StoreSettings) -> S3ObjectStore:
    """Build the store without touching the network."""
    client, http = make_s3_client(settings)
    scheme = "https" if settings.s3_secure else "http"
    presigner = make_presigner(settings, f"{scheme}://{settings.s3_endpoint}")
    return S3ObjectStore(client, settings.s3_bucket, http, presigner)


def make_s3_client(settings: StoreSettings) -> tuple[Minio, urllib3.PoolManager]:
    """Build a client of the endpoint, and what sends requests that it has no method for."""
    http = urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES, maxsize=64)
    client = Minio(
        settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=settings.s3_secure,
        http_client=http,
    )
    return client, http


def make_presigner(settings: StoreSettings, endpoint: str) -> Presigner:
    """Build what signs URLs below an address of the endpoint."""
    return Presigner(
        endpoint=endpoint.rstrip("/"),
        region=settings.s3_region,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
    )


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Turn the client's errors into ours, with the key that was asked for."""
    try:
        yield
    except S3Error as error:
        if error.code in _NO_OBJECT:
            raise ObjectNotFound(f"Nothing is stored under {key!r}.") from error
        raise _refused(error) from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        reason = type(error).__name__
        raise ObjectStoreUnavailable(f"The S3 endpoint failed ({reason}).") from error


def _refused(error: S3Error) -> ObjectStoreUnavailable:
    if error.code == "NoSuchBucket":
        return _no_bucket(error.bucket_name or "")
    detail = f"The S3 endpoint refused ({error.code})."
    if error.code in _BAD_CREDENTIALS:
        detail += " Check UNMASK_S3_ACCESS_KEY and UNMASK_S3_SECRET_KEY."
    return ObjectStoreUnavailable(detail)


def _no_bucket(bucket: str) -> ObjectStoreUnavailable:
    return ObjectStoreUnavailable(
        f"The S3 endpoint has no bucket {bucket!r}. Check UNMASK_S3_BUCKET."
    )
