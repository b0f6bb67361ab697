"""The registry: published versions of models in the object store, and which of them judges.

It moves files and hashes and never opens a network, so the gateway can use it too. What makes a
checkpoint a good one is checked by `unmask_shared.model.rehearsal`, before it is published or
activated and by each worker that loads it.
"""

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import (
    DamagedModel,
    ModelNotFound,
    ModelVersionTaken,
    NothingToRollBack,
    ObjectNotFound,
    UnmaskError,
)
from unmask_shared.model_files import JSON, content_type_of, describe_file, describe_files
from unmask_shared.model_versions import (
    ACTIVE_KEYS,
    BUILT_IN_KEY,
    KINDS,
    MANIFEST_FILE,
    MODELS_PREFIX,
    REFUSAL_FILE,
    ActiveModel,
    BuiltInModel,
    Refusal,
    StoredFile,
    VersionManifest,
    version_key,
    version_of_manifest,
)
from unmask_shared.object_store import ObjectStore

log = logging.getLogger(__name__)

_Document = TypeVar("_Document", bound=BaseModel)


class ModelRegistry:
    """Versions that are whole and never change, and a pointer to the one that judges.

    Every method raises `ObjectStoreUnavailable` when the store does not answer, and
    `InvalidModelRef` for a name or a version that no card can have.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def publish(self, name: str, version: str, files: Mapping[str, Path]) -> VersionManifest:
        """Store the files of a version; it can be seen when all of them are there.

        Publishing the same files again is no error, and repairs what was damaged in the store.

        Args:
            name: Of the model.
            version: Of the checkpoint.
            files: Where they are now, by their paths in the version.

        Raises:
            InvalidCheckpoint: A path in the version leads out of it or is reserved, or a file
                cannot be read.
            ModelVersionTaken: Other files were published under this name and version.
            DamagedModel: Somebody else published the version at the same moment. One of both can
                publish it again.
        """
        described = describe_files(files)
        published = self._read(version_key(name, version, MANIFEST_FILE), VersionManifest)
        if published is not None and published.files != described:
            changed = sorted(
                path
                for path in published.files.keys() | described.keys()
                if published.files.get(path) != described.get(path)
            )
            raise ModelVersionTaken(
                f"{name} {version} was published at {published.published_at:%Y-%m-%d %H:%M} UTC "
                f"with other content of {', '.join(changed)}."
            )
        for path, expected in described.items():
            key = version_key(name, version, path)
            if published is None or not self._is_stored(key, expected):
                with files[path].open("rb") as stream:
                    self._store.put_stream(key, stream, content_type=content_type_of(path))
        if published is None:
            published = VersionManifest(
                name=name, version=version, published_at=datetime.now(UTC), files=described
            )
            self._write(version_key(name, version, MANIFEST_FILE), published)
        self.verify(name, version)
        return published

    def versions(self) -> list[tuple[str, str]]:
        """Names and versions of all that is published whole, sorted as text."""
        found = map(version_of_manifest, self._store.keys(MODELS_PREFIX))
        return sorted(version for version in found if version is not None)

    def manifest(self, name: str, version: str) -> VersionManifest:
        """What was published.

        Raises:
            ModelNotFound: Nothing was, or not all of it.
            DamagedModel: The manifest cannot be read.
        """
        manifest = self._read(version_key(name, version, MANIFEST_FILE), VersionManifest)
        if manifest is None:
            raise ModelNotFound(f"{name} {version} is not published.")
        return manifest

    def fetch(self, name: str, version: str, folder: Path) -> VersionManifest:
        """Copy a version to a folder, byte for byte what was published.

        Raises:
            ModelNotFound: There is no such version.
            DamagedModel: A file is missing in the store, or is not the one that was published.
            OSError: The folder cannot be written to.
        """
        manifest = self.manifest(name, version)
        for path, expected in manifest.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            key = version_key(name, version, path)
            try:
                self._store.download(key, target)
            except ObjectNotFound as error:
                raise DamagedModel(f"{key} is gone from the object store.") from error
            found = describe_file(target)
            if found != expected:
                raise DamagedModel(
                    f"{key} has SHA-256 {found.sha256} and {found.bytes} bytes; published was "
                    f"{expected.sha256} with {expected.bytes} bytes."
                )
        return manifest

    def read(self, name: str, version: str, file: str) -> bytes:
        """One file of a version, such as `card.json`, as it was published.

        Raises:
            ModelNotFound: There is no such version, or no such file in it.
            DamagedModel: It is missing in the store, or is not the one that was published.
        """
        expected = self.manifest(name, version).files.get(file)
        if expected is None:
            raise ModelNotFound(f"{name} {version} has no file {file!r}.")
        key = version_key(name, version, file)
        try:
            data = self._store.get(key)
        except ObjectNotFound as error:
            raise DamagedModel(f"{key} is gone from the object store.") from error
        if hashlib.sha256(data).hexdigest() != expected.sha256:
            raise DamagedModel(f"{key} is not what was published.")
        return data

    def verify(self, name: str, version: str) -> VersionManifest:
        """Read all of a version and compare it with what was published.

        Raises:
            ModelNotFound: There is no such version.
            DamagedModel: A file is missing in the store, or is not the one that was published.
        """
        with tempfile.TemporaryDirectory(prefix="unmask-model-") as folder:
            return self.fetch(name, version, Path(folder))

    def active(self, face_mode: FaceMode = "faces") -> ActiveModel | None:
        """What judges faces, or whole pictures; None as long as nothing was activated for them.

        Raises:
            DamagedModel: The document cannot be read.
        """
        return self._read(ACTIVE_KEYS[face_mode], ActiveModel)

    def activate(self, name: str, version: str, *, face_mode: FaceMode = "faces") -> ActiveModel:
        """Make a version the one that judges. Of two that do so at once, one prevails.

        Args:
            name: Of the model.
            version: Of the checkpoint.
            face_mode: What it learned to judge, by its card.

        Raises:
            ModelNotFound: There is no such version.
            DamagedModel: Its files are not those that were published.
        """
        self.verify(name, version)
        try:
            current = self.active(face_mode)
        except DamagedModel as error:
            # Activating is what repairs it; only the history is lost.
            log.warning("%s It is replaced, without its history.", error.detail)
            current = None
        active = ActiveModel.after(current, name=name, version=version, at=datetime.now(UTC))
        self._write(ACTIVE_KEYS[face_mode], active)
        return active

    def rollback(self, face_mode: FaceMode = "faces") -> ActiveModel | None:
        """Undo the last activation of a version for faces, or for whole pictures.

        Returns:
            What judges now; None for the checkpoint that came with the workers, after the first
            activation was undone.

        Raises:
            NothingToRollBack: Nothing is active.
            ModelNotFound: The version to go back to is gone.
            DamagedModel: Its files are not those that were published.
        """
        current = self.active(face_mode)
        if current is None:
            raise NothingToRollBack(f"No published version is active for {KINDS[face_mode]}.")
        if not current.previous:
            self._store.delete_prefix(ACTIVE_KEYS[face_mode])
            return None
        target, *older = current.previous
        self.verify(target.name, target.version)
        active = ActiveModel(
            name=target.name,
            version=target.version,
            activated_at=datetime.now(UTC),
            previous=tuple(older),
        )
        self._write(ACTIVE_KEYS[face_mode], active)
        return active

    def announce_built_in(
        self, name: str, version: str, files: Mapping[str, Path], *, worker: str
    ) -> None:
        """Publish what came with a worker, and say that it judges as long as nothing is active.

        A version that is published already is compared by its manifest alone: workers do this
        whenever they start.

        Raises:
            InvalidCheckpoint: A file is missing.
            ModelVersionTaken: Other files were published under this name and version.
            DamagedModel: The manifest cannot be read, or somebody else publishes at this moment.
        """
        published = self._read(version_key(name, version, MANIFEST_FILE), VersionManifest)
        if published is None or published.files != describe_files(files):
            self.publish(name, version, files)
        current = self._read(BUILT_IN_KEY, BuiltInModel)
        if current is None or (current.name, current.version) != (name, version):
            announced = BuiltInModel(
                name=name, version=version, worker=worker, announced_at=datetime.now(UTC)
            )
            self._write(BUILT_IN_KEY, announced)

    def built_in(self) -> BuiltInModel | None:
        """What judges as long as nothing is active; None before a worker has said so.

        Raises:
            DamagedModel: The document cannot be read.
        """
        return self._read(BUILT_IN_KEY, BuiltInModel)

    def refuse(self, name: str, version: str, error: UnmaskError, *, worker: str) -> None:
        """Let operators see that a worker did not take a version, and why."""
        refusal = Refusal(
            code=error.code, detail=error.detail, worker=worker, refused_at=datetime.now(UTC)
        )
        self._write(version_key(name, version, REFUSAL_FILE), refusal)

    def refusal(self, name: str, version: str) -> Refusal | None:
        """Why a worker did not take this version, if the last one that tried did not.

        Raises:
            DamagedModel: The document cannot be read.
        """
        return self._read(version_key(name, version, REFUSAL_FILE), Refusal)

    def clear_refusal(self, name: str, version: str) -> None:
        """Forget a refusal: a worker took the version."""
        self._store.delete_prefix(version_key(name, version, REFUSAL_FILE))

    def _is_stored(self, key: str, expected: StoredFile) -> bool:
        with tempfile.TemporaryDirectory(prefix="unmask-model-") as folder:
            target = Path(folder, "file")
            try:
                self._store.download(key, target)
            except ObjectNotFound:
                return False
            return describe_file(target) == expected

    def _write(self, key: str, document: BaseModel) -> None:
        data = document.model_dump_json(indent=1).encode()
        self._store.put(key, data, content_type=JSON)

    def _read(self, key: str, kind: type[_Document]) -> _Document | None:
        try:
            return kind.model_validate_json(self._store.get(key))
        except ObjectNotFound:
            return None
        except ValidationError as error:
            first = error.errors()[0]
            raise DamagedModel(
                f"{key} is no valid {kind.__name__}: {first['loc']}: {first['msg']}."
            ) from error
