"""Data sets in the object store, under `datasets/NAME/`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from unmask_shared.object_store import ObjectStore
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.labelled import METADATA_FILE, read_labelled_videos
from unmask_trainer.datasets.prepared import (
    FACES_FOLDER,
    PREPARATION_FILE,
    TABLE_FILE,
    is_prepared,
)
from unmask_trainer.service.errors import DatasetNameTaken, DatasetNotFound, InvalidDatasetName
from unmask_trainer.service.stored_folders import (
    Advance,
    FolderManifest,
    StoredFolder,
    describe,
)

_PREFIX: Final = "datasets/"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREPARED: Final = (TABLE_FILE, PREPARATION_FILE, "splits.json", "leakage.json", "leakage.txt")


class StoredData:
    """The data sets in an object store. They never change: runs that go on depend on them."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def upload(self, folder: Path, name: str, *, advance: Advance = int) -> FolderManifest:
        """Store a labelled folder; called again after an interruption, it goes on.

        Args:
            folder: Prepared, or with `real/` and `fake/`.
            name: What runs will call it.
            advance: Called for each file.

        Raises:
            InvalidInput: The folder is no data set, or the name cannot be one.
            InvalidDataset: Its tables are damaged, or a file's name cannot be stored.
            DatasetNameTaken: Other files are stored under this name.
        """
        stored = self._folder(name)
        read_labelled_videos(folder)
        files = {path.relative_to(folder).as_posix(): path for path in data_files(folder)}
        try:
            described = describe(files)
        except ValidationError as error:
            raise InvalidDataset(
                f"{error.errors()[0]['input']!r} cannot be the name of a file in the object store: "
                "rename it"
            ) from error
        before = stored.manifest()
        if before is not None and before != described:
            raise DatasetNameTaken(
                f"{name!r} was uploaded before with {len(before.files)} files, this folder has "
                f"{len(described.files)}, and they are not the same."
            )
        stored.upload(files, described, verify=before is not None, advance=advance)
        return described

    def manifest(self, name: str) -> FolderManifest:
        """What a data set consists of.

        Raises:
            InvalidDatasetName: No data set can have this name.
            DatasetNotFound: There is none, or not all of it.
        """
        manifest = self._folder(name).manifest()
        if manifest is None:
            raise DatasetNotFound(f"No data set {name!r} was uploaded whole.")
        return manifest

    def fetch(self, name: str, root: Path) -> Path:
        """Copy a data set to this machine, but for what is there already.

        Args:
            name: Of the data set.
            root: Receives a folder for each content of a data set.

        Returns:
            A folder of the data set's name.

        Raises:
            InvalidDatasetName: No data set can have this name.
            DatasetNotFound: There is none, or not all of it.
            DamagedFolder: The store has not got what was uploaded.
        """
        manifest = self.manifest(name)
        folder = root / manifest.digest()[:16] / name
        folder.mkdir(parents=True, exist_ok=True)
        self._folder(name).fetch(manifest, folder)
        return folder

    def _folder(self, name: str) -> StoredFolder:
        if not _NAME.fullmatch(name):
            raise InvalidDatasetName(f"{name!r} cannot be the name of a data set.")
        return StoredFolder(self._store, f"{_PREFIX}{name}/")


def data_files(folder: Path) -> Iterator[Path]:
    """The files of a labelled folder that training reads, and crops that were extracted before."""
    prepared = is_prepared(folder)
    for name in _PREPARED if prepared else (METADATA_FILE,):
        if (folder / name).is_file():
            yield folder / name
    for name in (FACES_FOLDER,) if prepared else ("real", "fake", FACES_FOLDER):
        yield from sorted(
            path
            for path in (folder / name).glob("*")
            if path.is_file() and not path.name.startswith(".")
        )
