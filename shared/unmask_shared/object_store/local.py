"""An object store in a folder."""

import fcntl
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from unmask_shared.errors import ObjectNotFound, ObjectStoreUnavailable
from unmask_shared.object_store.protocol import (
    ByteStream,
    ObjectEntry,
    UnfinishedWrite,
    check_key,
    check_prefix,
)

_CHUNK_BYTES = 1024 * 1024

# How often a folder may vanish under a write before that is no coincidence.
_MOVE_ATTEMPTS = 10


class LocalObjectStore:
    """An object store in a folder, for one machine; any number of processes may use it."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        self._creating = root / "creating.lock"
        with self._writing():
            for folder in (self._objects, self._incoming):
                folder.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002 - S3 needs it
        """Store the bytes, replacing what was there."""
        self._commit(key, [data])

    def create(self, key: str, data: bytes, *, content_type: str) -> bool:  # noqa: ARG002
        """Store the bytes if the key holds nothing."""
        if self._commit(key, [data], only_if_free=True):
            return True
        with suppress(ObjectNotFound):  # erased meanwhile
            return self.get(key) == data
        return False

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:  # noqa: ARG002
        """Store a stream of unknown length with bounded memory."""
        self._commit(key, iter(lambda: stream.read(_CHUNK_BYTES), b""))

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        path = self._path(key)
        with self._reading(key):
            return path.read_bytes()

    def read_range(self, key: str, *, start: int, length: int) -> Generator[bytes, None, None]:
        """Yield a stretch of the object in pieces."""
        path = self._path(key)
        with self._reading(key):
            source = path.open("rb")
        with source:
            source.seek(start)
            while length > 0 and (piece := source.read(min(length, _CHUNK_BYTES))):
                length -= len(piece)
                yield piece

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file."""
        stored = self._path(key)
        with self._reading(key):
            source = stored.open("rb")
        with source, path.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)

    def copy(self, source: str, target: str) -> None:
        """Give an object a second name, or copy its bytes where files can have only one.

        The bytes of an object never change once it has a name, so two names may share them.
        """
        stored, path = self._path(source), self._path(target)
        with self._reading(source):
            opened = stored.open("rb")
        with opened:
            incoming = self._incoming / f"copy-{uuid.uuid4().hex}"
            try:
                os.link(stored, incoming)
            except OSError:  # some file systems know no second name, and the object may be gone
                self._commit(target, iter(lambda: opened.read(_CHUNK_BYTES), b""))
                return
        try:
            with self._writing():
                self._move(incoming, path)
        finally:
            incoming.unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        path = self._path(key)
        try:
            with self._reading(key):
                return stat.S_ISREG(path.stat().st_mode)
        except ObjectNotFound:
            return False

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins with the prefix."""
        # Only the folders that the prefix names are walked, not the whole store.
        folder = check_prefix(prefix).rpartition("/")[0]
        yield from self._walk(f"{folder}/" if folder else "", prefix)

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        """Yield the keys in a folder in order, with no more than its own names in memory."""
        try:
            with self._reading(folder), os.scandir(self._objects / folder) as found:
                # A slash sorts folders among files as it sorts their keys.
                names = sorted(
                    f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                    for entry in found
                )
        except ObjectNotFound:
            return  # deleted meanwhile
        for name in names:
            key = folder + name
            if key.endswith("/") and (key.startswith(prefix) or prefix.startswith(key)):
                yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                yield key

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield what is known of every object whose key begins with the prefix."""
        for key in self.keys(prefix):
            with suppress(ObjectNotFound), self._reading(key):  # deleted meanwhile
                state = self._path(key).stat()
                yield ObjectEntry(
                    key=key,
                    bytes=state.st_size,
                    modified_at=datetime.fromtimestamp(state.st_mtime, UTC),
                )

    def delete_prefix(self, prefix: str) -> None:
        """Erase every object whose key begins with the prefix, and folders left empty."""
        for key in list(self.keys(prefix)):
            path = self._path(key)
            with self._writing():
                path.unlink(missing_ok=True)
            for folder in path.relative_to(self._objects).parents[:-1]:
                try:
                    (self._objects / folder).rmdir()
                except OSError:
                    break  # it holds other objects, or somebody else removed it

    def unfinished(self) -> Iterator[UnfinishedWrite]:
        """Yield the temporary files of writers, dead or alive."""
        with self._writing():
            found = list(self._incoming.iterdir())
        for path in found:
            with suppress(FileNotFoundError):  # finished meanwhile
                changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                yield UnfinishedWrite(name=path.name, key=None, active_at=changed_at)

    def drop_unfinished(self, write: UnfinishedWrite) -> None:
        """Erase a temporary file."""
        with self._writing():
            (self._incoming / check_key(write.name)).unlink(missing_ok=True)

    def check(self) -> None:
        """Return when the folder can be written to."""
        with self._writing(), tempfile.TemporaryFile(dir=self._incoming):
            self._objects.stat()

    def _path(self, key: str) -> Path:
        return self._objects / check_key(key)

    def _commit(self, key: str, chunks: Iterable[bytes], *, only_if_free: bool = False) -> bool:
        """Fill a temporary file and move it into place once it is safely on disk.

        Returns:
            Whether it was moved: False if the place has to be free and is not.
        """
        path = self._path(key)
        with self._writing():
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
        incoming = Path(name)
        try:
            try:
                written = 0
                for chunk in chunks:
                    with self._writing():
                        _write_all(descriptor, chunk)
                    written = _hurry(descriptor, written, written + len(chunk))
                with self._writing():
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with self._writing():
                if only_if_free:
                    return self._move_if_free(incoming, path)
                self._move(incoming, path)
                return True
        finally:
            incoming.unlink(missing_ok=True)

    def _move_if_free(self, incoming: Path, path: Path) -> bool:
        # Not every file system has a move that fails where there is a file already.
        with self._creating.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return False
            self._move(incoming, path)
            return True

    def _move(self, incoming: Path, path: Path) -> None:
        for attempt in range(1, _MOVE_ATTEMPTS + 1):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                incoming.replace(path)
                break
            except (FileNotFoundError, FileExistsError):
                # `delete_prefix` may remove the folder, which is still empty, at any moment.
                if attempt == _MOVE_ATTEMPTS or not self._objects.is_dir():
                    raise
        for folder in path.relative_to(self._objects).parents:
            _sync_folder(self._objects / folder)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            # A whole store that is gone, an unmounted disk perhaps, says nothing about its objects.
            if not self._objects.is_dir():
                raise self._failed(error) from error
            raise ObjectNotFound(f"Nothing is stored under {key!r}.") from error
        except OSError as error:
            raise self._failed(error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ObjectStoreUnavailable:
        return ObjectStoreUnavailable(
            f"The local object store at {self._objects.parent} failed: {error.strerror}."
        )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _hurry(descriptor: int, start: int, end: int) -> int:
    """Let the disk begin with what was written, so that little is left to wait for at the end.

    On Linux this advice starts the writing of pages and drops only those that are written already.
    """
    os.posix_fadvise(descriptor, start, end - start, os.POSIX_FADV_DONTNEED)
    return end


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk, without which a power cut may undo a move."""
    with suppress(FileNotFoundError):  # deleted again already
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
