"""Storing what must not be there yet, and listing with sizes: a folder and a real S3 server."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from real_services import SeaweedServer

from unmask_shared.errors import ObjectStoreUnavailable
from unmask_shared.object_store import ObjectEntry, ObjectStore, make_object_store

JSON = "application/json"


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return found


def test_what_is_created_is_there_and_never_replaced(store: ObjectStore) -> None:
    assert store.create("keys/a.json", b"first", content_type=JSON)
    assert not store.create("keys/a.json", b"second", content_type=JSON)
    assert store.get("keys/a.json") == b"first"


def test_whoever_creates_the_same_again_has_created_it(store: ObjectStore) -> None:
    assert store.create("keys/a.json", b"same", content_type=JSON)
    assert store.create("keys/a.json", b"same", content_type=JSON)


def test_what_was_erased_can_be_created_again(store: ObjectStore) -> None:
    store.create("keys/a.json", b"first", content_type=JSON)
    store.delete_prefix("keys/a.json")
    assert store.create("keys/a.json", b"second", content_type=JSON)


def test_of_many_at_the_same_time_one_creates(store: ObjectStore) -> None:
    contents = [str(number).encode() for number in range(16)]
    for round_ in range(3):
        key = f"keys/{round_}.json"
        with ThreadPoolExecutor(len(contents)) as pool:
            created = list(
                pool.map(lambda data, key=key: store.create(key, data, content_type=JSON), contents)
            )
        assert created.count(True) == 1
        assert store.get(key) == contents[created.index(True)]


def test_creating_in_a_bucket_that_is_missing_names_it(s3_server: SeaweedServer) -> None:
    lost = make_object_store(s3_server.settings("missing-bucket"))
    with pytest.raises(ObjectStoreUnavailable, match="missing-bucket"):
        lost.create("keys/a.json", b"x", content_type=JSON)


def test_entries_tell_sizes_and_times(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    store.put("keys/a", b"12345", content_type=JSON)
    store.put("keys/deep/b", b"", content_type=JSON)
    store.put("other", b"x", content_type=JSON)
    found: dict[str, ObjectEntry] = {entry.key: entry for entry in store.entries("keys/")}
    assert {key: entry.bytes for key, entry in found.items()} == {"keys/a": 5, "keys/deep/b": 0}
    for entry in found.values():
        assert before < entry.modified_at < datetime.now(UTC) + timedelta(seconds=2)
    assert list(store.entries("nothing/")) == []
