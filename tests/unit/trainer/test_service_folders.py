"""Folders in the object store: sent once, whole or not at all, and safe to fetch."""

import hashlib
import json
from pathlib import Path

import pytest
from prepared_crops import prepared_crops
from pydantic import ValidationError

from unmask_shared.errors import InvalidRequest, ObjectStoreUnavailable
from unmask_shared.object_store import LocalObjectStore
from unmask_trainer.datasets.labelled import read_labelled_videos
from unmask_trainer.service.errors import (
    DamagedFolder,
    DatasetNameTaken,
    DatasetNotFound,
    InvalidDatasetName,
)
from unmask_trainer.service.stored_data import StoredData
from unmask_trainer.service.stored_folders import FolderManifest, StoredFolder, describe


class CountingStore(LocalObjectStore):
    """Counts what is sent and fetched, and may break off."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.sent: list[str] = []
        self.fetched: list[str] = []
        self.breaks_after: int | None = None

    def put_stream(self, key, stream, *, content_type):
        if self.breaks_after is not None and len(self.sent) >= self.breaks_after:
            raise ObjectStoreUnavailable
        self.sent.append(key)
        super().put_stream(key, stream, content_type=content_type)

    def download(self, key, path):
        self.fetched.append(key)
        super().download(key, path)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "store")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name in ("a.txt", ".faces/b.npy", "real/Ünïcode 1.mp4", "real/copy of a.txt"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a" if "a.txt" in name else name)
        found[name] = path
    return found


def object_of(text: str) -> str:
    return f"f/objects/{hashlib.sha256(text.encode()).hexdigest()}"


def test_a_folder_comes_back_as_it_was(store, files, tmp_path):
    folder, described = StoredFolder(store, "f/"), describe(files)
    assert folder.manifest() is None
    folder.upload(files, described)

    folder.fetch(folder.manifest(), tmp_path / "target")

    for name, path in files.items():
        assert (tmp_path / "target" / name).read_bytes() == path.read_bytes()
    assert folder.read("real/Ünïcode 1.mp4") == files["real/Ünïcode 1.mp4"].read_bytes()
    assert folder.manifest().digest() == described.digest()


def test_an_upload_that_breaks_off_shows_nothing_and_goes_on(store, files):
    folder, described = StoredFolder(store, "f/"), describe(files)
    store.breaks_after = 1
    with pytest.raises(ObjectStoreUnavailable):
        folder.upload(files, described)
    assert folder.manifest() is None

    store.breaks_after, first = None, list(store.sent)
    folder.upload(files, described)

    assert not set(first) & set(store.sent[len(first) :])
    assert folder.manifest() == described


def test_what_is_there_is_not_fetched_again_unless_it_is_another(store, files, tmp_path):
    folder, target = StoredFolder(store, "f/"), tmp_path / "target"
    folder.upload(files, describe(files))
    folder.fetch(folder.manifest(), target)
    store.fetched.clear()
    (target / "a.txt").write_text("b")

    folder.fetch(folder.manifest(), target)

    assert store.fetched == [object_of("a")]
    assert (target / "a.txt").read_text() == "a"


def test_damage_is_found_and_repaired(store, files, tmp_path):
    folder, described = StoredFolder(store, "f/"), describe(files)
    folder.upload(files, described)
    store.put(object_of("a"), b"b", content_type="")
    store.delete_prefix(object_of(".faces/b.npy"))
    for path in ("a.txt", ".faces/b.npy"):
        one = FolderManifest(files={path: described.files[path]})
        with pytest.raises(DamagedFolder):
            folder.fetch(one, tmp_path / "target")
        assert not (tmp_path / "target" / path).exists()

    folder.upload(files, described, verify=True)

    folder.fetch(described, tmp_path / "target")


def test_files_of_the_folder_before_are_erased(store, files):
    folder = StoredFolder(store, "f/")
    folder.upload(files, describe(files))
    rest = {"a.txt": files["a.txt"]}
    folder.upload(rest, describe(rest))
    assert list(store.keys("f/objects/")) == [object_of("a")]


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\\b", "", "a//b", "x\n"])
def test_no_manifest_leads_out_of_the_folder(store, path):
    with pytest.raises(ValidationError):
        FolderManifest.model_validate({"files": {path: {"sha256": "0" * 64, "bytes": 1}}})
    document = {"schema_version": 1, "files": {path: {"sha256": "0" * 64, "bytes": 1}}}
    store.put("f/manifest.json", json.dumps(document).encode(), content_type="")
    with pytest.raises(DamagedFolder):
        StoredFolder(store, "f/").manifest()


# --- Data sets ---------------------------------------------------------------------------------


def test_a_prepared_data_set_is_stored_without_what_training_does_not_read(store, tmp_path):
    folder = prepared_crops(tmp_path / "made")
    (folder / ".lock").touch()
    (folder / "survey.jsonl").touch()
    (folder / ".faces" / ".x.1.partial.npy").touch()

    StoredData(store).upload(folder, "Crops-1")
    fetched = StoredData(store).fetch("Crops-1", tmp_path / "data")

    assert fetched.name == "Crops-1"
    assert read_labelled_videos(fetched) == read_labelled_videos(folder)
    crops = {path.name for path in (folder / ".faces").iterdir()} - {".x.1.partial.npy"}
    assert {path.name for path in (fetched / ".faces").iterdir()} == crops
    assert {path.name for path in fetched.iterdir()} == {"metadata.csv", "prepared.json", ".faces"}


def test_videos_are_stored_by_their_classes(store, tmp_path):
    for name in ("real/a.mp4", "fake/a.mp4", "other/b.mp4"):
        path = tmp_path / "plain" / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    (tmp_path / "plain" / "metadata.csv").write_text("id,label,person\na,real,p\na,fake,p\n")

    stored = StoredData(store).upload(tmp_path / "plain", "plain")

    assert set(stored.files) == {"real/a.mp4", "fake/a.mp4", "metadata.csv"}


def test_a_data_set_never_changes(store, tmp_path):
    folder = prepared_crops(tmp_path / "made")
    data = StoredData(store)
    first = data.upload(folder, "crops")
    sent = len(store.sent)
    assert data.upload(folder, "crops") == first
    assert len(store.sent) == sent

    (folder / "splits.json").write_text("{}")
    with pytest.raises(DatasetNameTaken):
        data.upload(folder, "crops")
    assert data.manifest("crops") == first


def test_only_data_sets_are_uploaded_and_only_whole_ones_found(store, tmp_path):
    data = StoredData(store)
    with pytest.raises(InvalidRequest, match="is not a folder"):
        data.upload(tmp_path / "nowhere", "x")
    for name in ("", "../x", "a/b", ".hidden", "x" * 65):
        with pytest.raises(InvalidDatasetName):
            data.manifest(name)
    with pytest.raises(DatasetNotFound):
        data.fetch("x", tmp_path)
