"""What the registry of models promises, held against the local folder and a real S3 server."""

import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from unmask_shared.errors import (
    DamagedModel,
    InvalidCheckpoint,
    InvalidModelRef,
    ModelNotFound,
    ModelVersionTaken,
    NothingToRollBack,
    ObjectStoreUnavailable,
)
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import ACTIVE_KEYS, REMEMBERED_ACTIVATIONS, version_key
from unmask_shared.object_store import ByteStream, ObjectStore

NAME = "resnet-lstm"
FILES = ("card.json", "weights.safetensors", "figures/loss.png")
WEIGHTS = "weights.safetensors"
BYTES = "application/octet-stream"


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def registry(store: ObjectStore) -> ModelRegistry:
    return ModelRegistry(store)


def make_folder(folder: Path, content: str = "one") -> Path:
    for file in FILES:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content} {file}")
    return folder


def files_in(folder: Path, files: Iterable[str] = FILES) -> dict[str, Path]:
    return {file: folder / file for file in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "checkpoint")


class BreakingStore:
    """A store whose connection breaks when this file is put; everything else is real."""

    def __init__(self, store: ObjectStore, breaks_at: str) -> None:
        self._store = store
        self._breaks_at = breaks_at

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        self._break(key)
        self._store.put(key, data, content_type=content_type)

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        self._break(key)
        self._store.put_stream(key, stream, content_type=content_type)

    def _break(self, key: str) -> None:
        if key.endswith(self._breaks_at):
            raise ObjectStoreUnavailable(f"broke at {key}")


# --- publishing ------------------------------------------------------------------------------


def test_what_was_published_comes_back_byte_for_byte(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    published = registry.publish(NAME, "1.0", files_in(folder))
    assert registry.fetch(NAME, "1.0", tmp_path / "fetched") == published
    for file in FILES:
        assert (tmp_path / "fetched" / file).read_bytes() == (folder / file).read_bytes()
    assert set(published.files) == set(FILES)


def test_versions_are_listed_of_all_models(registry: ModelRegistry, folder: Path) -> None:
    assert registry.versions() == []
    for name, version in (("b", "2"), ("b", "1+cuda"), ("a", "0.1")):
        registry.publish(name, version, files_in(folder))
    registry.activate("b", "2")
    assert registry.versions() == [("a", "0.1"), ("b", "1+cuda"), ("b", "2")]


@pytest.mark.parametrize("breaks_at", [*FILES, "manifest.json"])
def test_a_version_cannot_be_seen_before_it_is_whole(
    store: ObjectStore, folder: Path, breaks_at: str
) -> None:
    registry = ModelRegistry(store)
    with pytest.raises(ObjectStoreUnavailable, match=breaks_at):
        ModelRegistry(BreakingStore(store, breaks_at)).publish(NAME, "1.0", files_in(folder))  # type: ignore[arg-type] # it delegates the rest
    assert registry.versions() == []
    with pytest.raises(ModelNotFound):
        registry.activate(NAME, "1.0")

    registry.publish(NAME, "1.0", files_in(folder))
    assert registry.versions() == [(NAME, "1.0")]


def test_publishing_the_same_files_again_changes_nothing(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    first = registry.publish(NAME, "1.0", files_in(folder))
    assert registry.publish(NAME, "1.0", files_in(make_folder(tmp_path / "copy"))) == first


def test_a_published_version_never_changes(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    registry.publish(NAME, "1.0", files_in(folder))
    other = make_folder(tmp_path / "other")
    (other / WEIGHTS).write_text("retrained")
    with pytest.raises(ModelVersionTaken, match=WEIGHTS):
        registry.publish(NAME, "1.0", files_in(other))
    with pytest.raises(ModelVersionTaken, match=r"figures/loss\.png"):
        registry.publish(NAME, "1.0", files_in(folder, FILES[:2]))
    registry.fetch(NAME, "1.0", tmp_path / "fetched")
    assert (tmp_path / "fetched" / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize("damage", [b"other", b"", None])
def test_damage_is_found_and_repaired_by_publishing_again(
    store: ObjectStore, registry: ModelRegistry, folder: Path, tmp_path: Path, damage: bytes | None
) -> None:
    registry.publish(NAME, "1.0", files_in(folder))
    key = version_key(NAME, "1.0", WEIGHTS)
    if damage is None:
        store.delete_prefix(key)
    else:
        store.put(key, damage, content_type=BYTES)
    for use in (registry.verify, registry.activate):
        with pytest.raises(DamagedModel, match=WEIGHTS):
            use(NAME, "1.0")
    assert registry.active() is None

    registry.publish(NAME, "1.0", files_in(folder))
    registry.verify(NAME, "1.0")


def test_of_two_who_publish_different_files_at_once_one_can_make_the_version_whole(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    other = make_folder(tmp_path / "other", "two")
    start = threading.Barrier(2)

    def publish_at_once(source: Path, version: str) -> None:
        start.wait()
        with suppress(DamagedModel, ModelVersionTaken):
            registry.publish(NAME, version, files_in(source))

    for version in "12345":
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(publish_at_once, (folder, other), version * 2))
        refused = 0
        for source in (folder, other):
            try:
                registry.publish(NAME, version, files_in(source))
            except ModelVersionTaken:
                refused += 1
        assert refused == 1
        registry.verify(NAME, version)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "figures/../../x", "", ".hidden", "manifest.json", "a\\b"]
)
def test_files_that_lead_out_of_the_folder_are_refused(
    store: ObjectStore, folder: Path, path: str
) -> None:
    with pytest.raises(InvalidCheckpoint):
        ModelRegistry(store).publish(NAME, "1.0", files_in(folder, [*FILES, path]))
    assert list(store.keys("")) == []


def test_a_missing_file_is_named(registry: ModelRegistry, folder: Path) -> None:
    with pytest.raises(InvalidCheckpoint, match=r"roc\.png"):
        registry.publish(NAME, "1.0", files_in(folder, [*FILES, "figures/roc.png"]))


@pytest.mark.parametrize(
    ("name", "version"),
    [("../x", "1"), ("a/b", "1"), ("", "1"), ("active.json", "1"), (NAME, ".."), (NAME, "1/2")],
)
def test_impossible_names_never_become_keys(
    registry: ModelRegistry, folder: Path, name: str, version: str
) -> None:
    with pytest.raises(InvalidModelRef):
        registry.publish(name, version, files_in(folder))
    with pytest.raises(InvalidModelRef):
        registry.activate(name, version)


def test_a_manifest_that_leads_out_of_the_folder_is_not_followed(
    store: ObjectStore, registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    registry.publish(NAME, "1.0", files_in(folder))
    key = version_key(NAME, "1.0", "manifest.json")
    hostile = store.get(key).replace(b'"card.json"', b'"../../card.json"')
    store.put(key, hostile, content_type=BYTES)
    with pytest.raises(DamagedModel, match=r"manifest\.json"):
        registry.fetch(NAME, "1.0", tmp_path / "a" / "b")


@pytest.mark.parametrize("damage", [b"other", None])
def test_one_file_is_read_as_it_was_published_or_not_at_all(
    store: ObjectStore, registry: ModelRegistry, folder: Path, damage: bytes | None
) -> None:
    registry.publish(NAME, "1.0", files_in(folder))
    assert registry.read(NAME, "1.0", "card.json") == (folder / "card.json").read_bytes()
    for file in ("figures/roc.png", "../active.json"):
        with pytest.raises(ModelNotFound, match=re.escape(file)):
            registry.read(NAME, "1.0", file)
    key = version_key(NAME, "1.0", "card.json")
    if damage is None:
        store.delete_prefix(key)
    else:
        store.put(key, damage, content_type=BYTES)
    with pytest.raises(DamagedModel, match=r"card\.json"):
        registry.read(NAME, "1.0", "card.json")


# --- activation ------------------------------------------------------------------------------


@pytest.fixture
def three(registry: ModelRegistry, folder: Path) -> ModelRegistry:
    """A registry with the versions 1, 2 and 3."""
    for version in "123":
        registry.publish(NAME, version, files_in(folder))
    return registry


def active_version(registry: ModelRegistry) -> str | None:
    active = registry.active()
    return active.version if active else None


def test_nothing_is_active_before_the_first_activation(three: ModelRegistry) -> None:
    assert three.active() is None
    with pytest.raises(NothingToRollBack):
        three.rollback()


def test_rollbacks_undo_one_activation_after_the_other(three: ModelRegistry) -> None:
    for version in "123":
        assert three.activate(NAME, version) == three.active()
        assert active_version(three) == version
    seen = []
    while (active := three.rollback()) is not None:
        seen.append(active.version)
        assert three.active() == active
    assert seen == ["2", "1"]
    assert three.active() is None


def test_activating_the_active_version_again_is_not_remembered_twice(three: ModelRegistry) -> None:
    three.activate(NAME, "1")
    first = three.activate(NAME, "2")
    again = three.activate(NAME, "2")
    assert again.activated_at > first.activated_at
    assert [activation.version for activation in again.previous] == ["1"]


def test_the_history_is_bounded(three: ModelRegistry) -> None:
    for number in range(REMEMBERED_ACTIVATIONS + 3):
        three.activate(NAME, "12"[number % 2])
    active = three.active()
    assert active is not None
    assert len(active.previous) == REMEMBERED_ACTIVATIONS


def test_a_version_that_is_not_published_cannot_be_activated(three: ModelRegistry) -> None:
    three.activate(NAME, "1")
    with pytest.raises(ModelNotFound, match="4"):
        three.activate(NAME, "4")
    assert active_version(three) == "1"


def test_a_rollback_to_a_damaged_version_leaves_what_is_active(
    store: ObjectStore, three: ModelRegistry
) -> None:
    three.activate(NAME, "1")
    three.activate(NAME, "2")
    store.put(version_key(NAME, "1", WEIGHTS), b"x", content_type=BYTES)
    with pytest.raises(DamagedModel):
        three.rollback()
    assert active_version(three) == "2"


def test_two_activations_at_once_end_in_one_of_both(three: ModelRegistry) -> None:
    three.activate(NAME, "3")
    start, stop = threading.Barrier(3), threading.Event()
    seen: set[str | None] = set()

    def look() -> None:
        start.wait()
        while not stop.is_set():
            seen.add(active_version(three))

    def activate(version: str) -> None:
        start.wait()
        for _ in range(5):
            three.activate(NAME, version)

    with ThreadPoolExecutor(3) as pool:
        looking = pool.submit(look)
        for done in [pool.submit(activate, version) for version in "12"]:
            done.result()
        stop.set()
        looking.result()
    assert active_version(three) in {"1", "2"}
    assert seen <= {"1", "2", "3"}


def test_a_damaged_pointer_is_reported_and_replaced_by_the_next_activation(
    store: ObjectStore, three: ModelRegistry
) -> None:
    store.put(ACTIVE_KEYS["faces"], b'{"name": "resnet', content_type=BYTES)
    with pytest.raises(DamagedModel, match=r"active\.json"):
        three.active()
    three.activate(NAME, "2")
    assert active_version(three) == "2"


def test_a_refusal_is_kept_until_a_worker_takes_the_version(three: ModelRegistry) -> None:
    assert three.refusal(NAME, "1") is None
    three.refuse(NAME, "1", DamagedModel("the weights are cut"), worker="host:7")
    refusal = three.refusal(NAME, "1")
    assert refusal is not None
    assert (refusal.code, refusal.detail, refusal.worker) == (
        "damaged_model",
        "the weights are cut",
        "host:7",
    )
    assert three.versions() == [(NAME, "1"), (NAME, "2"), (NAME, "3")]
    three.clear_refusal(NAME, "1")
    three.clear_refusal(NAME, "1")
    assert three.refusal(NAME, "1") is None
