"""Where the bytes live: an S3 bucket, or a local folder with the same behaviour.

Both stores replace an object atomically: a reader sees the old bytes or the new ones, never a
part of them, and a stream that fails half-way leaves nothing behind.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn, Protocol, cast

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from unmask_shared.errors import ObjectNotFound, ObjectStoreUnavailable
from unmask_shared.settings import StoreSettings

# S3 wants at least 5 MiB a part and at most 10,000 parts: 8 MiB allow objects of 80 GB, and one
# upload never holds more than the part that it fills and the one that it sends.
PART_BYTES = 8 * 1024 * 1024
PARALLEL_PARTS = 2


class ByteStream(Protocol):
    """Something that is read once, from front to back."""

    def read(self, size: int, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end; an error aborts the transfer."""


class ObjectStore(Protocol):
    """Stores bytes under keys such as `videos/{id}/source`.

    Every method raises `ObjectStoreUnavailable` when the store does not answer, and those that
    read raise `ObjectNotFound` for a key that holds nothing.
    """

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store the bytes, replacing what was there."""

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        """Store a stream of unknown length with bounded memory."""

    def get(self, key: str) -> bytes:
        """Return the whole object; meant for manifests and crops, not for videos."""

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file with bounded memory."""

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix, in order."""

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix."""

    def check(self) -> None:
        """Return when the store can be written to, raise when not."""


class LocalObjectStore:
    """An object store in a folder, for one machine."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        for folder in (self._objects, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002 - S3 needs it
        """Store the bytes, replacing what was there."""
        self._commit(key, lambda descriptor: _write_all(descriptor, data))

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:  # noqa: ARG002
        """Store a stream of unknown length with bounded memory."""

        def copy(descriptor: int) -> None:
            while chunk := stream.read(1024 * 1024):
                _write_all(descriptor, chunk)

        self._commit(key, copy)

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        try:
            return self._path(key).read_bytes()
        except OSError as error:
            self._raise(key, error)

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file."""
        try:
            shutil.copyfile(self._path(key), path)
        except OSError as error:
            self._raise(key, error)

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix, in order."""
        # Only the folders that the prefix names are walked, not the whole store.
        top = self._objects / prefix.rpartition("/")[0]
        found = (
            path.relative_to(self._objects).as_posix() for path in top.rglob("*") if path.is_file()
        )
        yield from sorted(key for key in found if key.startswith(prefix))

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix, and folders left empty."""
        try:
            for key in list(self.keys(prefix)):
                path = self._path(key)
                path.unlink(missing_ok=True)
                for folder in path.parents:
                    if folder == self._objects or any(folder.iterdir()):
                        break
                    folder.rmdir()
        except OSError as error:
            self._raise(prefix, error)

    def check(self) -> None:
        """Return when the folder can be written to."""
        try:
            with tempfile.TemporaryFile(dir=self._incoming):
                pass
        except OSError as error:
            self._raise("", error)

    def _path(self, key: str) -> Path:
        # Keys are ours, yet a mistake elsewhere must never reach files outside the store.
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or any(part in {"..", "."} for part in key.split("/")):
            raise ValueError(f"not an object key: {key!r}")
        return self._objects.joinpath(*parts)

    def _commit(self, key: str, write: Callable[[int], None]) -> None:
        """Fill a temporary file and move it into place once it is safely on disk."""
        path = self._path(key)
        try:
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            self._raise(key, error)
        incoming = Path(name)
        try:
            try:
                write(descriptor)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            path.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(path)
        except OSError as error:
            self._raise(key, error)
        finally:
            incoming.unlink(missing_ok=True)

    def _raise(self, key: str, error: OSError) -> NoReturn:
        missing = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
        if missing and self._objects.is_dir():
            raise ObjectNotFound(f"Nothing is stored under {key!r}.") from error
        raise ObjectStoreUnavailable(
            f"The local object store at {self._objects} failed: {error.strerror}."
        ) from error


class S3ObjectStore:
    """An object store in one bucket of any S3-compatible server."""

    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store the bytes, replacing what was there."""
        with _translated(key):
            self._client.put_object(self._bucket, key, io.BytesIO(data), len(data), content_type)

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        """Store a stream of unknown length as a multipart upload, aborted on any error."""
        with _translated(key):
            self._client.put_object(
                self._bucket,
                key,
                cast(BinaryIO, stream),  # the client only ever calls read(size)
                length=-1,
                content_type=content_type,
                part_size=PART_BYTES,
                num_parallel_uploads=PARALLEL_PARTS,
            )

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        with _translated(key):
            response = self._client.get_object(self._bucket, key)
            try:
                data: bytes = response.read()
            finally:
                response.close()
                response.release_conn()
            return data

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file with bounded memory."""
        with _translated(key):
            self._client.fget_object(self._bucket, key, str(path))

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        try:
            with _translated(key):
                self._client.stat_object(self._bucket, key)
        except ObjectNotFound:
            return False
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix, in order."""
        with _translated(prefix):
            for item in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                yield item.object_name

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix."""
        with _translated(prefix):
            for key in list(self.keys(prefix)):
                self._client.remove_object(self._bucket, key)

    def check(self) -> None:
        """Return when the bucket answers, creating it when it is missing."""
        with _translated(""):
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket)


def make_object_store(settings: StoreSettings) -> ObjectStore:
    """Build the store that the settings name, without touching the network."""
    if settings.object_store == "local":
        return LocalObjectStore(settings.data_dir / "store")
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=3.0, read=60.0),
        maxsize=16,
        retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )
    client = Minio(
        settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=settings.s3_secure,
        http_client=pool,
    )
    return S3ObjectStore(client, settings.s3_bucket)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn the client's errors into ours, with the key that was asked for."""
    try:
        yield
    except S3Error as error:
        if error.code in {"NoSuchKey", "NoSuchObject", "NotFound"}:
            raise ObjectNotFound(f"Nothing is stored under {key!r}.") from error
        raise ObjectStoreUnavailable(f"The S3 endpoint refused ({error.code}).") from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        reason = type(error).__name__
        raise ObjectStoreUnavailable(f"The S3 endpoint failed ({reason}).") from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
