"""The files of a version, as they are on disk before it is published and after it is fetched."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import TypeAdapter, ValidationError

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model_versions import MANIFEST_FILE, REFUSAL_FILE, FilePath, StoredFile

JSON: Final = "application/json"
_CONTENT_TYPES: Final = {
    ".json": JSON,
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
_PATHS: Final = TypeAdapter(frozenset[FilePath])
_OURS: Final = frozenset({MANIFEST_FILE, REFUSAL_FILE})


def describe_files(files: Mapping[str, Path]) -> dict[str, StoredFile]:
    """Size and hash of each file of a version, by its path in the version.

    Raises:
        InvalidCheckpoint: A path in the version leads out of it or is reserved, or a file cannot be
            read.
    """
    try:
        _PATHS.validate_python(frozenset(files))
    except ValidationError as error:
        wrong = sorted(str(item["input"]) for item in error.errors())
        raise InvalidCheckpoint(f"{wrong} cannot be files of a published checkpoint.") from error
    if reserved := _OURS.intersection(files):
        raise InvalidCheckpoint(f"{sorted(reserved)} are names that the registry needs itself.")
    try:
        return {path: describe_file(files[path]) for path in sorted(files)}
    except OSError as error:
        raise InvalidCheckpoint(f"{error.filename} cannot be read ({error.strerror}).") from error


def content_type_of(path: str) -> str:
    """Media type of a file of a version, by its name."""
    return _CONTENT_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")


def describe_file(path: Path) -> StoredFile:
    """Size and hash of one file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return StoredFile(sha256=digest, bytes=file.tell())
