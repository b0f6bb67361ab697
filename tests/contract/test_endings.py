"""Cancelling and erasing videos, on both object stores and a real Valkey."""

from collections.abc import Callable
from pathlib import Path

import pytest
from real_services import ValkeyServer
from sample_documents import FAILURE, record_of, result_of

from unmask_shared.artifacts import (
    cancellation_key,
    crops_key,
    faces_key,
    failure_key,
    record_key,
    result_key,
    source_key,
    video_prefix,
)
from unmask_shared.cancellation import cancel_video
from unmask_shared.erasure import erase_video
from unmask_shared.errors import (
    JobStoreUnavailable,
    ObjectStoreUnavailable,
    VideoAlreadyEnded,
    VideoNotFound,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import LocalObjectStore, ObjectStore
from unmask_shared.records import restore_view, write_document
from unmask_shared.videos import Status

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8058"


@pytest.fixture(params=["local_store", "s3_store"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(request.param)
    return found


def accept(store: ObjectStore, jobs: RedisJobStore, video_id: str = ID) -> None:
    store.put(source_key(video_id), b"source", content_type="video/mp4")
    write_document(store, record_key(video_id), record_of(video_id))
    jobs.accept(record_of(video_id))


def preprocessed(store: ObjectStore, jobs: RedisJobStore) -> None:
    store.put(crops_key(ID, 0), b"crops", content_type="application/zip")
    store.put(faces_key(ID), b"{}", content_type="application/json")
    jobs.advance(ID, Status.PREPROCESSING, 0.5)


def completed(store: ObjectStore, jobs: RedisJobStore) -> None:
    preprocessed(store, jobs)
    write_document(store, result_key(ID), result_of(ID))
    jobs.complete(ID, result_of(ID))


def failed(store: ObjectStore, jobs: RedisJobStore) -> None:
    write_document(store, failure_key(ID), FAILURE)
    jobs.fail(ID, FAILURE)


def cancelled(store: ObjectStore, jobs: RedisJobStore) -> None:
    cancel_video(store, jobs, ID)


def queued(store: ObjectStore, jobs: RedisJobStore) -> None:
    """Nothing more has happened."""


Reach = Callable[[ObjectStore, RedisJobStore], None]


def keys_of(store: ObjectStore, video_id: str = ID) -> list[str]:
    return list(store.keys(video_prefix(video_id)))


# --- erasing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [queued, preprocessed, completed, failed, cancelled])
def test_a_video_is_erased_at_any_stage_and_no_other(
    store: ObjectStore, job_store: RedisJobStore, reach: Reach
) -> None:
    accept(store, job_store)
    accept(store, job_store, OTHER)
    reach(store, job_store)
    assert erase_video(store, job_store, ID)
    assert keys_of(store) == []
    assert job_store.get(ID) is None
    assert restore_view(store, job_store, ID) is None
    assert not erase_video(store, job_store, ID)
    assert keys_of(store, OTHER) == [record_key(OTHER), source_key(OTHER)]
    assert job_store.get(OTHER) is not None


def test_what_an_erasure_left_that_broke_off_is_erased_by_the_next(
    store: ObjectStore, job_store: RedisJobStore
) -> None:
    store.put(source_key(ID), b"source", content_type="video/mp4")
    assert erase_video(store, job_store, ID)
    assert keys_of(store) == []


def test_a_view_without_objects_is_erased(store: ObjectStore, job_store: RedisJobStore) -> None:
    job_store.accept(record_of(ID))
    assert erase_video(store, job_store, ID)
    assert job_store.get(ID) is None


def test_ids_that_nobody_knows_take_no_room(
    local_store: LocalObjectStore, job_store: RedisJobStore
) -> None:
    assert not erase_video(local_store, job_store, ID)
    assert not job_store.is_closed(ID)


def test_nothing_is_erased_while_redis_cannot_keep_workers_away(
    local_store: LocalObjectStore, job_store: RedisJobStore, valkey: ValkeyServer
) -> None:
    accept(local_store, job_store)
    with valkey.stopped(), pytest.raises(JobStoreUnavailable):
        erase_video(local_store, job_store, ID)
    assert keys_of(local_store) == [record_key(ID), source_key(ID)]
    assert erase_video(local_store, job_store, ID)


def test_a_video_that_could_not_be_erased_is_still_seen(
    local_store: LocalObjectStore, job_store: RedisJobStore, tmp_path: Path
) -> None:
    class FailingStore(LocalObjectStore):
        def delete_prefix(self, prefix: str) -> None:
            raise ObjectStoreUnavailable("The disk is read-only.")

    failing = FailingStore(tmp_path / "store")
    accept(local_store, job_store)
    with pytest.raises(ObjectStoreUnavailable):
        erase_video(failing, job_store, ID)
    assert restore_view(local_store, job_store, ID) is not None
    assert erase_video(local_store, job_store, ID)


# --- cancelling ------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [queued, preprocessed])
def test_an_unfinished_video_is_cancelled_for_good(
    store: ObjectStore, job_store: RedisJobStore, valkey: ValkeyServer, reach: Reach
) -> None:
    accept(store, job_store)
    reach(store, job_store)
    for _ in range(2):
        cancel_video(store, job_store, ID)
        state = job_store.get(ID)
        assert state is not None
        assert state.status is Status.CANCELLED
    valkey.flush()
    state = restore_view(store, job_store, ID)
    assert state is not None
    assert state.status is Status.CANCELLED
    assert source_key(ID) in keys_of(store)


@pytest.mark.parametrize("reach", [completed, failed])
@pytest.mark.parametrize("forgotten", [False, True])
def test_an_outcome_cannot_be_cancelled(
    store: ObjectStore,
    job_store: RedisJobStore,
    valkey: ValkeyServer,
    reach: Reach,
    forgotten: bool,
) -> None:
    accept(store, job_store)
    reach(store, job_store)
    if forgotten:
        valkey.flush()
    with pytest.raises(VideoAlreadyEnded, match=f"{reach.__name__} already"):
        cancel_video(store, job_store, ID)
    assert cancellation_key(ID) not in keys_of(store)


def test_a_worker_that_is_faster_than_whoever_cancels_wins(
    local_store: LocalObjectStore, job_store: RedisJobStore, tmp_path: Path
) -> None:
    class RacedStore(LocalObjectStore):
        def put(self, key: str, data: bytes, *, content_type: str) -> None:
            super().put(key, data, content_type=content_type)
            if key == cancellation_key(ID):
                completed(local_store, job_store)

    accept(local_store, job_store)
    with pytest.raises(VideoAlreadyEnded):
        cancel_video(RacedStore(tmp_path / "store"), job_store, ID)
    assert cancellation_key(ID) not in keys_of(local_store)
    state = restore_view(local_store, job_store, ID)
    assert state is not None
    assert state.status is Status.COMPLETED


def test_a_video_that_is_erased_while_it_is_cancelled_leaves_nothing(
    local_store: LocalObjectStore, job_store: RedisJobStore, tmp_path: Path
) -> None:
    class RacedStore(LocalObjectStore):
        def put(self, key: str, data: bytes, *, content_type: str) -> None:
            erase_video(local_store, job_store, ID)
            super().put(key, data, content_type=content_type)

    accept(local_store, job_store)
    with pytest.raises(VideoNotFound):
        cancel_video(RacedStore(tmp_path / "store"), job_store, ID)
    assert keys_of(local_store) == []


def test_an_unknown_video_cannot_be_cancelled(
    local_store: LocalObjectStore, job_store: RedisJobStore
) -> None:
    with pytest.raises(VideoNotFound):
        cancel_video(local_store, job_store, ID)
    assert keys_of(local_store) == []
