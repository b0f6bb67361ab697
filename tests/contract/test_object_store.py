"""What every object store promises, held against the local folder and a real S3 server."""

import errno
import hashlib
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from real_services import BUCKET, SeaweedServer, free_ports

from unmask_shared.errors import ObjectNotFound, ObjectStoreUnavailable
from unmask_shared.object_store import (
    LocalObjectStore,
    ObjectStore,
    S3ObjectStore,
    UnfinishedWrite,
    make_object_store,
)
from unmask_shared.settings import StoreSettings

MIB = 1024 * 1024
PART = 5 * MIB
BYTES = "application/octet-stream"

ODD_KEYS = [
    "videos/a b/with space.png",
    "videos/ünï/書-🎬.json",
    "videos/plus+and%2Fpercent%20",
    "videos/query?x=1&y=2#fragment",
    "videos/quotes'\"`<>|*/$HOME ~",
    "videos/.hidden/..two-dots/...",
    "-rf",
]
IMPOSSIBLE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "../outside",
    "videos/../../outside",
    "videos/..",
    "videos/./a",
    "videos//a",
    "videos\\a",
    "videos/",
    "videos/nul\0",
    "videos/line\nbreak",
]


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return found


class Reader:
    """A stream of pseudo-random bytes that may break in the middle."""

    def __init__(self, size: int, *, error: BaseException | None = None) -> None:
        self._left = size
        self._error = error
        self._random = random.Random(size)
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        if not self._left and self._error:
            raise self._error
        chunk = self._random.randbytes(min(size, self._left))
        self._left -= len(chunk)
        self._hash.update(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


# --- one object ------------------------------------------------------------------------------


def test_what_was_put_is_got(store: ObjectStore) -> None:
    store.put("videos/1/record.json", b'{"id": 1}', content_type="application/json")
    assert store.get("videos/1/record.json") == b'{"id": 1}'
    assert store.exists("videos/1/record.json")


def test_put_replaces_a_longer_object_whole(store: ObjectStore) -> None:
    store.put("a", b"long " * 1000, content_type=BYTES)
    store.put("a", b"short", content_type=BYTES)
    assert store.get("a") == b"short"


def test_an_empty_object_exists(store: ObjectStore) -> None:
    store.put("empty", b"", content_type=BYTES)
    assert store.exists("empty")
    assert store.get("empty") == b""


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 20 * MIB])
def test_a_stream_of_unknown_length_arrives_byte_for_byte(
    store: ObjectStore, tmp_path: Path, size: int
) -> None:
    reader = Reader(size)
    store.put_stream("videos/1/source", reader, content_type="video/mp4")
    target = tmp_path / "downloaded"
    store.download("videos/1/source", target)
    assert target.stat().st_size == size
    assert hashlib.sha256(target.read_bytes()).hexdigest() == reader.sha256


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (0, 3_000_000), (1_500_000, 1), (1_048_575, 2), (2_999_999, 1), (2_999_990, 500)],
)
def test_a_stretch_is_read_exactly_and_in_pieces(
    store: ObjectStore, start: int, length: int
) -> None:
    content = bytes(range(250)) * 12_000
    store.put("a", content, content_type=BYTES)
    pieces = list(store.read_range("a", start=start, length=length))
    assert b"".join(pieces) == content[start : start + length]
    assert max(map(len, pieces)) <= 1024 * 1024


def test_a_stretch_need_not_be_read_to_its_end(store: ObjectStore) -> None:
    store.put("a", bytes(3_000_000), content_type=BYTES)
    for _ in range(30):  # more often than there are connections
        pieces = store.read_range("a", start=0, length=3_000_000)
        next(pieces)
        pieces.close()
    assert store.get("a") == bytes(3_000_000)


def test_download_replaces_the_file_that_was_there(store: ObjectStore, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"something much longer")
    store.put("a", b"short", content_type=BYTES)
    store.download("a", target)
    assert target.read_bytes() == b"short"


@pytest.mark.parametrize(
    "read",
    [
        lambda store, path: store.get("videos/1/missing"),
        lambda store, path: list(store.read_range("videos/1/missing", start=0, length=1)),
        lambda store, path: store.download("videos/1/missing", path / "file"),
        lambda store, path: store.get("videos"),  # the folder of others, not an object
    ],
)
def test_reading_what_is_not_there_names_the_key(
    store: ObjectStore, tmp_path: Path, read: Callable[[ObjectStore, Path], object]
) -> None:
    store.put("videos/1/there", b"x", content_type=BYTES)
    with pytest.raises(ObjectNotFound, match="'videos"):
        read(store, tmp_path)


def test_neither_a_missing_key_nor_the_folder_of_others_exists(store: ObjectStore) -> None:
    store.put("videos/1/there", b"x", content_type=BYTES)
    assert not store.exists("videos/1/missing")
    assert not store.exists("videos/1")
    assert not store.exists("videos/1/there/below")


def test_a_copy_is_an_object_of_its_own(store: ObjectStore) -> None:
    reader = Reader(PART + 1000)
    store.put_stream("videos/1/source", reader, content_type="video/mp4")
    store.put("videos/2/source", b"before", content_type=BYTES)
    for _ in range(2):  # it may be made again
        store.copy("videos/1/source", "videos/2/source")
    assert hashlib.sha256(store.get("videos/2/source")).hexdigest() == reader.sha256
    store.put("videos/1/source", b"changed", content_type=BYTES)
    store.delete_prefix("videos/1/")
    assert hashlib.sha256(store.get("videos/2/source")).hexdigest() == reader.sha256
    assert list(store.keys("")) == ["videos/2/source"]


def test_copying_what_is_not_there_leaves_the_target_as_it_was(store: ObjectStore) -> None:
    store.put("videos/2/source", b"before", content_type=BYTES)
    with pytest.raises(ObjectNotFound, match="'videos/1/source'"):
        store.copy("videos/1/source", "videos/2/source")
    assert store.get("videos/2/source") == b"before"


def test_a_local_folder_that_knows_no_second_names_copies_the_bytes(
    local_store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    local_store.put("a", b"x" * 3_000_000, content_type=BYTES)
    local_store.copy("a", "b/c")
    assert local_store.get("b/c") == local_store.get("a")


# --- streams that fail -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, PART + 1000, 3 * PART])
@pytest.mark.parametrize(
    "error", [RuntimeError("the client went away"), ConnectionResetError("the client went away")]
)
def test_a_stream_that_fails_leaves_nothing_and_its_own_error(
    request: pytest.FixtureRequest, store: ObjectStore, size: int, error: Exception
) -> None:
    with pytest.raises(type(error), match="the client went away"):
        store.put_stream("videos/1/source", Reader(size, error=error), content_type="video/mp4")
    assert not store.exists("videos/1/source")
    assert list(store.keys("")) == []
    assert _remains(request, store) == []


def test_a_stream_that_fails_leaves_the_object_of_before(store: ObjectStore) -> None:
    store.put("a", b"before", content_type=BYTES)
    with pytest.raises(RuntimeError):
        store.put_stream("a", Reader(PART + 1, error=RuntimeError()), content_type=BYTES)
    assert store.get("a") == b"before"


def _remains(request: pytest.FixtureRequest, store: ObjectStore) -> list[str]:
    """What an aborted transfer may leave where no key shows it."""
    if isinstance(store, LocalObjectStore):
        root: Path = request.getfixturevalue("tmp_path") / "store"
        return [str(path) for path in root.rglob("*") if path.is_file()]
    server: SeaweedServer = request.getfixturevalue("s3_server")
    client = server.client()
    uploads = []
    for bucket in client.list_buckets():
        listed = client._list_multipart_uploads(bucket.name)  # the client has no public way
        uploads += [upload.object_name for upload in listed.uploads]
    return uploads


# --- keys ------------------------------------------------------------------------------------


def test_keys_are_those_that_begin_with_the_prefix(store: ObjectStore) -> None:
    keys = {"videos/10/b", "videos/1/z", "videos/1/a/2", "videos/1/a.json", "videos/2/c", "other"}
    for key in keys:
        store.put(key, b"x", content_type=BYTES)
    assert set(store.keys("")) == keys
    assert set(store.keys("videos/")) == keys - {"other"}
    assert set(store.keys("videos/1/")) == {"videos/1/a.json", "videos/1/a/2", "videos/1/z"}
    assert set(store.keys("videos/1")) == {*store.keys("videos/1/"), "videos/10/b"}
    assert list(store.keys("videos/1/a.")) == ["videos/1/a.json"]
    assert list(store.keys("nothing/here")) == []


def test_videos_are_listed_in_the_order_of_their_ids(store: ObjectStore) -> None:
    ids = [str(uuid.UUID(int=random.Random(seed).getrandbits(128))) for seed in range(30)]
    for video_id in ids:
        store.put(f"videos/{video_id}/record.json", b"x", content_type=BYTES)
        store.put(f"videos/{video_id}/faces/0000.zip", b"x", content_type=BYTES)
    listed = [key.split("/")[1] for key in store.keys("videos/")]
    assert listed == [video_id for video_id in sorted(ids) for _ in range(2)]


def test_keys_are_complete_beyond_one_page_of_a_listing(store: ObjectStore) -> None:
    keys = [f"videos/{number:04d}/record.json" for number in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"x", content_type=BYTES), keys))
    assert list(store.keys("videos/")) == keys


def test_delete_prefix_erases_that_and_no_more(store: ObjectStore) -> None:
    for key in ("videos/1/source", "videos/1/faces/0001.zip", "videos/10/source", "videos/2/a"):
        store.put(key, b"x", content_type=BYTES)
    store.delete_prefix("videos/1/")
    assert list(store.keys("")) == ["videos/10/source", "videos/2/a"]
    store.delete_prefix("videos/1/")
    store.put("videos/1/source", b"again", content_type=BYTES)
    assert store.get("videos/1/source") == b"again"


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_may_have_odd_characters(store: ObjectStore, tmp_path: Path, key: str) -> None:
    store.put_stream(key, Reader(10), content_type=BYTES)
    assert list(store.keys("")) == [key]
    assert list(store.keys(key[:-1])) == [key]
    assert store.exists(key)
    store.download(key, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == store.get(key) == Reader(10).read(10)
    store.delete_prefix(key)
    assert not store.exists(key)


@pytest.mark.parametrize("key", IMPOSSIBLE_KEYS)
def test_what_cannot_be_a_key_is_refused_by_every_method(
    store: ObjectStore, tmp_path: Path, key: str
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    for call in (
        lambda: store.put(key, b"x", content_type=BYTES),
        lambda: store.put_stream(key, Reader(1), content_type=BYTES),
        lambda: store.get(key),
        lambda: list(store.read_range(key, start=0, length=1)),
        lambda: store.exists(key),
        lambda: store.copy(key, "a"),
        lambda: store.copy("a", key),
        lambda: store.download(key, tmp_path / "file"),
    ):
        with pytest.raises(ValueError, match="not an object key"):
            call()
    assert outside.read_bytes() == b"secret"


@pytest.mark.parametrize("prefix", ["../", "/", "videos/../", "../outs", "videos//"])
def test_prefixes_cannot_leave_the_store(store: ObjectStore, tmp_path: Path, prefix: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    with pytest.raises(ValueError, match="not an object key"):
        list(store.keys(prefix))
    with pytest.raises(ValueError, match="not an object key"):
        store.delete_prefix(prefix)
    assert outside.read_bytes() == b"secret"


# --- many at once ----------------------------------------------------------------------------


def test_concurrent_puts_of_one_key_leave_one_of_them_whole(store: ObjectStore) -> None:
    contents = [bytes([number]) * 300_000 for number in range(8)]
    seen: set[bytes] = set()

    def put(data: bytes) -> None:
        store.put("contended", data, content_type=BYTES)
        seen.add(store.get("contended"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, contents))
    assert store.get("contended") in contents
    assert seen <= set(contents)


def test_puts_survive_the_erasing_of_their_neighbours(store: ObjectStore) -> None:
    def put(number: int) -> None:
        # Many folders, since the moment between making one and using it is what matters.
        store.put(f"videos/1/a/b/c/d/e/f/{number % 5}", b"x", content_type=BYTES)

    with ThreadPoolExecutor(6) as pool:
        done = [
            pool.submit(store.delete_prefix, "videos/1/") if n % 2 else pool.submit(put, n)
            for n in range(200)
        ]
    assert [future.exception() for future in done] == [None] * 200


def test_listing_goes_on_while_objects_are_erased(store: ObjectStore) -> None:
    for number in range(100):
        store.put(f"videos/{number}/record.json", b"x", content_type=BYTES)
    store.put("videos/kept/record.json", b"x", content_type=BYTES)

    def erase() -> None:
        for number in range(100):
            store.delete_prefix(f"videos/{number}/")

    with ThreadPoolExecutor(1) as pool:
        erasing = pool.submit(erase)
        while not erasing.done():
            assert "videos/kept/record.json" in store.keys("videos/")
    assert list(store.keys("videos/")) == ["videos/kept/record.json"]


# --- stores that fail ------------------------------------------------------------------------

CALLS: dict[str, Callable[[ObjectStore, Path], object]] = {
    "put": lambda store, path: store.put("a", b"x", content_type=BYTES),
    "put_stream": lambda store, path: store.put_stream("a", Reader(100), content_type=BYTES),
    "get": lambda store, path: store.get("a"),
    "read_range": lambda store, path: list(store.read_range("a", start=0, length=1)),
    "download": lambda store, path: store.download("a", path / "file"),
    "copy": lambda store, path: store.copy("a", "b"),
    "exists": lambda store, path: store.exists("a"),
    "keys": lambda store, path: list(store.keys("")),
    "delete_prefix": lambda store, path: store.delete_prefix("a"),
    "check": lambda store, path: store.check(),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@each_call
def test_an_s3_server_that_is_down_is_reported_within_seconds(
    tmp_path: Path, call: Callable[[ObjectStore, Path], object]
) -> None:
    [port] = free_ports(1)
    store = make_object_store(_s3_settings(f"127.0.0.1:{port}"))
    started_at = time.monotonic()
    with pytest.raises(ObjectStoreUnavailable, match="S3 endpoint failed"):
        call(store, tmp_path)
    assert time.monotonic() - started_at < 3


def test_an_s3_server_that_hangs_is_given_up_and_used_again(
    s3_server: SeaweedServer, s3_store: ObjectStore
) -> None:
    started_at = time.monotonic()
    with s3_server.frozen(), pytest.raises(ObjectStoreUnavailable, match="S3 endpoint failed"):
        s3_store.get("a")
    assert time.monotonic() - started_at < 15
    s3_store.put("a", b"x", content_type=BYTES)
    assert s3_store.get("a") == b"x"


@each_call
@pytest.mark.parametrize("wrong", ["s3_access_key", "s3_secret_key"])
def test_wrong_s3_credentials_name_the_settings_to_check(
    s3_server: SeaweedServer,
    tmp_path: Path,
    wrong: str,
    call: Callable[[ObjectStore, Path], object],
) -> None:
    settings = s3_server.settings().model_copy(update={wrong: SecretStr("wrong")})
    with pytest.raises(ObjectStoreUnavailable, match="UNMASK_S3_ACCESS_KEY") as caught:
        call(make_object_store(settings), tmp_path)
    assert s3_server.secret_key not in str(caught.value)


def test_a_missing_bucket_is_no_missing_object(s3_server: SeaweedServer) -> None:
    store = make_object_store(s3_server.settings("never-made"))
    with pytest.raises(ObjectStoreUnavailable, match="UNMASK_S3_BUCKET"):
        store.get("a")
    with pytest.raises(ObjectStoreUnavailable, match="UNMASK_S3_BUCKET"):
        store.exists("a")


def test_services_that_start_together_may_all_make_the_bucket(s3_server: SeaweedServer) -> None:
    stores = [make_object_store(s3_server.settings("made-together")) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda store: store.check(), stores))
    stores[0].put("a", b"x", content_type=BYTES)
    assert stores[1].get("a") == b"x"


@each_call
def test_a_local_folder_that_vanished_is_no_missing_object(
    local_store: LocalObjectStore, tmp_path: Path, call: Callable[[ObjectStore, Path], object]
) -> None:
    (tmp_path / "store").rename(tmp_path / "unmounted")
    with pytest.raises(ObjectStoreUnavailable, match="No such file"):
        call(local_store, tmp_path)


def test_a_local_object_that_is_a_folder_already_cannot_be_put(
    local_store: LocalObjectStore,
) -> None:
    local_store.put("a/b", b"x", content_type=BYTES)
    with pytest.raises(ObjectStoreUnavailable, match="Is a directory"):
        local_store.put("a", b"x", content_type=BYTES)
    with pytest.raises(ObjectStoreUnavailable, match="File exists"):
        local_store.put("a/b/c", b"x", content_type=BYTES)


def test_a_local_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ObjectStoreUnavailable, match="Not a directory"):
        make_object_store(StoreSettings(object_store="local", data_dir=tmp_path / "file"))


class LooksAround(Reader):
    """A stream that notes what is unfinished while it is read."""

    def __init__(self, size: int, store: ObjectStore) -> None:
        super().__init__(size)
        self.seen: list[UnfinishedWrite] = []
        self._store = store

    def read(self, size: int, /) -> bytes:
        self.seen = list(self._store.unfinished()) or self.seen
        return super().read(size)


def test_what_is_being_written_is_named_and_can_be_dropped_when_its_writer_is_dead(
    store: ObjectStore,
) -> None:
    assert list(store.unfinished()) == []
    begun_at = datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds
    reader = LooksAround(2 * PART, store)
    store.put_stream("videos/1/source", reader, content_type="video/mp4")
    (write,) = reader.seen
    assert write.key in {"videos/1/source", None}
    assert begun_at <= write.active_at <= datetime.now(UTC)
    assert list(store.unfinished()) == []
    store.drop_unfinished(write)
    assert hashlib.sha256(store.get("videos/1/source")).hexdigest() == reader.sha256

    class Killed(LooksAround):
        def read(self, size: int, /) -> bytes:
            data = super().read(size)
            if self.seen:
                store.drop_unfinished(self.seen[0])
            return data

    with pytest.raises(ObjectStoreUnavailable):
        store.put_stream("videos/2/source", Killed(2 * PART, store), content_type="video/mp4")
    assert list(store.unfinished()) == []
    assert not store.exists("videos/2/source")


def test_many_unfinished_uploads_are_listed_page_by_page(
    s3_server: SeaweedServer, s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = s3_server.client()
    begun = {client._create_multipart_upload(BUCKET, f"videos/{n}/source", {}) for n in range(7)}
    assert isinstance(s3_store, S3ObjectStore)
    ask = s3_store._uploads._ask
    monkeypatch.setattr(s3_store._uploads, "_ask", lambda query: ask({**query, "max-uploads": "2"}))
    listed = [write.name for write in s3_store.unfinished()]
    assert sorted(listed) == sorted(begun)


def _s3_settings(endpoint: str) -> StoreSettings:
    return StoreSettings(
        object_store="s3",
        s3_endpoint=endpoint,
        s3_access_key=SecretStr("key"),
        s3_secret_key=SecretStr("secret"),
    )
