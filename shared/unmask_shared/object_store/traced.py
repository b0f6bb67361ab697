"""An object store whose calls are parts of traces."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from unmask_shared.artifacts import VIDEOS_PREFIX
from unmask_shared.object_store.protocol import (
    ByteStream,
    ObjectEntry,
    ObjectStore,
    UnfinishedWrite,
)
from unmask_shared.tracing import span


class TracedObjectStore:
    """Passes every call on; what lies about a video is named, other keys are not."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store the bytes."""
        with _span("put", key, bytes=len(data)):
            self._store.put(key, data, content_type=content_type)

    def create(self, key: str, data: bytes, *, content_type: str) -> bool:
        """Store the bytes if the key holds nothing."""
        with _span("create", key, bytes=len(data)):
            return self._store.create(key, data, content_type=content_type)

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        """Store a stream; the time that its sender takes counts, too."""
        with _span("put_stream", key):
            self._store.put_stream(key, stream, content_type=content_type)

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        with _span("get", key):
            return self._store.get(key)

    def read_range(self, key: str, *, start: int, length: int) -> Generator[bytes, None, None]:
        """Yield a stretch of the object; not measured, since its reader sets the pace."""
        return self._store.read_range(key, start=start, length=length)

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file."""
        with _span("download", key):
            self._store.download(key, path)

    def copy(self, source: str, target: str) -> None:
        """Store an object under another key too."""
        with _span("copy", target):
            self._store.copy(source, target)

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        with _span("exists", key):
            return self._store.exists(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix."""
        return self._store.keys(prefix)

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield what is known of every object whose key begins with the prefix."""
        return self._store.entries(prefix)

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix."""
        with _span("delete_prefix", prefix):
            self._store.delete_prefix(prefix)

    def unfinished(self) -> Iterator[UnfinishedWrite]:
        """Yield what is being written, and what killed processes have left of it."""
        return self._store.unfinished()

    def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """Erase what was never finished."""
        self._store.drop_unfinished(write)

    def check(self) -> None:
        """Return when the store can be used."""
        self._store.check()


def _span(method: str, key: str, **sizes: float) -> AbstractContextManager[None]:
    name = f"object_store.{method}"
    if key.startswith(VIDEOS_PREFIX):
        return span(name, kind="client", only_within=True, object=key, **sizes)
    return span(name, kind="client", only_within=True, **sizes)
