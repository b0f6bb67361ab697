"""Folders in the object store: files under the digests of their bytes, and a manifest.

Under the prefix of a folder lie `objects/SHA256` and, written last, `manifest.json` with the path,
digest and size of each file. What is there already need not be sent again, a folder that is
replaced never has files of two versions, and whoever reads the manifest can read all that it names.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from unmask_shared.errors import DamagedDocument, ObjectNotFound
from unmask_shared.model_versions import StoredFile
from unmask_shared.object_store import ObjectStore
from unmask_shared.object_store.protocol import check_key
from unmask_shared.records import read_document, write_document
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.service.errors import DamagedFolder

# Crops are small files: most of the time of one is spent waiting for the store.
_THREADS: Final = 8

Advance = Callable[[], object]


class FolderManifest(BaseModel):
    """`manifest.json`: the folder is whole, and these are its files, by their relative paths."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    # What cannot be a key cannot lead out of the folder that it is fetched to either.
    files: Annotated[
        dict[Annotated[str, AfterValidator(check_key)], StoredFile], Field(min_length=1)
    ]

    def digest(self) -> str:
        """The same for the same files only."""
        lines = (f"{path}\t{file.sha256}" for path, file in sorted(self.files.items()))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class StoredFolder:
    """A folder in the object store.

    Every method raises `ObjectStoreUnavailable` when the store does not answer.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        """Name a folder.

        Args:
            store: Has it, or will have it.
            prefix: Of its keys, with a slash at the end.
        """
        self._store = store
        self._prefix = prefix

    def manifest(self) -> FolderManifest | None:
        """What is stored; None if nothing is, or not all of it.

        Raises:
            DamagedFolder: The manifest cannot be read.
        """
        try:
            return read_document(self._store, self._manifest_key, FolderManifest)
        except DamagedDocument as error:
            raise DamagedFolder(error.detail) from error

    def upload(
        self,
        files: Mapping[str, Path],
        described: FolderManifest,
        *,
        verify: bool = False,
        advance: Advance = int,
    ) -> None:
        """Store files and, last, their manifest; what no manifest names any more is erased.

        Args:
            files: Where they are now, by their paths in the folder.
            described: Their manifest, as `describe` gives it.
            verify: Read back what is there already, and replace what is damaged.
            advance: Called for each file.

        Raises:
            OSError: A file cannot be read.
        """
        objects = f"{self._prefix}objects/"
        there = {key.removeprefix(objects) for key in self._store.keys(objects)}

        def send(path: str) -> None:
            expected = described.files[path]
            if expected.sha256 not in there or (verify and not self._is_whole(expected)):
                with files[path].open("rb") as stream:
                    self._store.put_stream(
                        self._key_of(expected), stream, content_type="application/octet-stream"
                    )
            advance()

        _for_all(send, files)
        write_document(self._store, self._manifest_key, described)
        for digest in there - {file.sha256 for file in described.files.values()}:
            self._store.delete_prefix(f"{objects}{digest}")

    def fetch(self, manifest: FolderManifest, folder: Path, *, advance: Advance = int) -> None:
        """Copy the folder, but for what is there already, byte for byte.

        Args:
            manifest: Of the folder.
            folder: Receives the files; others that are in it stay.
            advance: Called for each file.

        Raises:
            DamagedFolder: A file is missing in the store, or is not the one that was uploaded.
            OSError: The folder cannot be written to.
        """

        def get(path: str) -> None:
            expected, target = manifest.files[path], folder / path
            if not _is(target, expected):
                target.parent.mkdir(parents=True, exist_ok=True)
                with replacing(target) as partial:
                    self._download(expected, partial)
            advance()

        _for_all(get, manifest.files)

    def read(self, path: str) -> bytes:
        """One file of the folder.

        Raises:
            ObjectNotFound: There is no such file, or no folder.
            DamagedFolder: The manifest cannot be read.
        """
        manifest = self.manifest()
        if manifest is None or path not in manifest.files:
            raise ObjectNotFound(f"{self._prefix} has no file {path!r}.")
        return self._store.get(self._key_of(manifest.files[path]))

    def erase(self) -> None:
        """Remove the folder from the store, the manifest first."""
        self._store.delete_prefix(self._manifest_key)
        self._store.delete_prefix(self._prefix)

    def _download(self, expected: StoredFile, target: Path) -> None:
        key = self._key_of(expected)
        try:
            self._store.download(key, target)
        except ObjectNotFound as error:
            raise DamagedFolder(f"{key} is gone from the object store.") from error
        if not _is(target, expected):
            raise DamagedFolder(f"{key} is not what was uploaded.")

    def _is_whole(self, expected: StoredFile) -> bool:
        with tempfile.TemporaryDirectory(prefix="unmask-folder-") as folder:
            try:
                self._download(expected, Path(folder, "file"))
            except DamagedFolder:
                return False
            return True

    def _key_of(self, file: StoredFile) -> str:
        return f"{self._prefix}objects/{file.sha256}"

    @property
    def _manifest_key(self) -> str:
        return f"{self._prefix}manifest.json"


def describe(files: Mapping[str, Path]) -> FolderManifest:
    """The manifest of files, by their paths in the folder.

    Raises:
        OSError: A file cannot be read.
        pydantic.ValidationError: There is no file, or a path cannot be stored.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return FolderManifest(
            files=dict(zip(files, pool.map(describe_file, files.values()), strict=True))
        )


def describe_file(path: Path) -> StoredFile:
    """Digest and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return StoredFile(sha256=digest, bytes=os.fstat(file.fileno()).st_size)


def _is(path: Path, expected: StoredFile) -> bool:
    try:
        return path.stat().st_size == expected.bytes and describe_file(path) == expected
    except FileNotFoundError:
        return False


def _for_all(work: Callable[[str], None], paths: Mapping[str, object]) -> None:
    """Do it for all paths, several at a time; the first error ends it."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for _ in pool.map(work, paths):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
