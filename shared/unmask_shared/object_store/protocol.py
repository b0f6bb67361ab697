"""What an object store does, and which keys it takes."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


class ByteStream(Protocol):
    """Something that is read once, from front to back."""

    def read(self, size: int, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end; an error aborts the transfer."""


@dataclass(frozen=True, kw_only=True)
class ObjectEntry:
    """What a listing says of one object.

    Attributes:
        key: Where it lies.
        bytes: Its size.
        modified_at: When it was stored, by the store's clock.
    """

    key: str
    bytes: int
    modified_at: datetime


@dataclass(frozen=True, kw_only=True)
class UnfinishedWrite:
    """Bytes that were sent to the store and are no object yet, and perhaps never will be.

    Attributes:
        name: What the store calls it.
        key: Of the object that it was to become; None where the store does not know.
        active_at: When its last bytes arrived, by the store's clock.
    """

    name: str
    key: str | None
    active_at: datetime


class ObjectStore(Protocol):
    """Stores bytes under keys such as `videos/{id}/source`.

    An object is replaced atomically: a reader sees the old bytes or the new ones, never a part of
    them, and a stream that fails half-way leaves nothing behind. A key cannot hold an object and be
    the folder of others (`a` and `a/b`).

    Every method raises `ObjectStoreUnavailable` when the store does not answer or refuses,
    `ObjectNotFound` when it reads a key that holds nothing, and `ValueError` for what can never be
    a key (see `check_key`).
    """

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store the bytes, replacing what was there."""

    def create(self, key: str, data: bytes, *, content_type: str) -> bool:
        """Store the bytes if the key holds nothing; of several at the same time one succeeds.

        Returns:
            Whether the key holds these bytes now: True also for whoever comes with the same.
        """

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        """Store a stream of unknown length with bounded memory; errors of the stream pass."""

    def get(self, key: str) -> bytes:
        """Return the whole object; meant for manifests and crops, not for videos."""

    def read_range(self, key: str, *, start: int, length: int) -> Generator[bytes, None, None]:
        """Yield a stretch of the object in pieces, with bounded memory.

        Closing the generator ends the transfer; errors come with the piece that they concern.

        Args:
            key: The object.
            start: Position of the first byte; within the object.
            length: How many bytes, at least 1; what lies behind the end is left out.
        """

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file with bounded memory; raises `OSError` of that file."""

    def copy(self, source: str, target: str) -> None:
        """Store an object under another key too, without its bytes passing through this process.

        Each of the two can be replaced and erased for itself.
        """

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix.

        Folders whose names are equally long, as those of videos are, come in order. Of others that
        cannot be said: `a/2` sorts behind `a.json`, but SeaweedFS lists what is in `a` first.
        """

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield what is known of every object whose key begins with the prefix."""

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix."""

    def unfinished(self) -> Iterator[UnfinishedWrite]:
        """Yield what is being written at the moment, and what killed processes have left of it.

        MinIO names none, and erases what was left by itself after a day.
        """

    def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """Erase it; nothing happens if it was finished or erased meanwhile."""

    def check(self) -> None:
        """Return when the store can be used, raise when not."""


def check_key(key: str) -> str:
    """Return the key.

    Keys are ours, yet a mistake elsewhere must never reach outside the store, nor mean different
    objects in different stores.

    Raises:
        ValueError: It is empty, begins or ends with a slash, has a part that is empty, `.` or `..`,
            or holds a backslash (SeaweedFS takes it for a slash) or control characters.
    """
    parts_are_names = all(part not in {"", ".", ".."} for part in key.split("/"))
    if not parts_are_names or "\\" in key or not key.isprintable():
        raise ValueError(f"not an object key: {key!r}")
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix of keys, which may be empty or end anywhere in one.

    Raises:
        ValueError: No key can begin with it.
    """
    check_key(f"{prefix}x")
    return prefix
