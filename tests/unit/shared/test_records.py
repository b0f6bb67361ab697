"""The documents of a video, and the live view that is rebuilt from them."""

import json

import pytest
from sample_documents import FAILURE, record_of, result_of

from unmask_shared.artifacts import failure_key, record_key, result_key
from unmask_shared.errors import DamagedDocument
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import close_view, read_document, restore_view, write_document
from unmask_shared.videos import Failure, Status, VideoRecord, VideoResult

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_documents_come_back_as_they_were_written(local_store: LocalObjectStore) -> None:
    for key, document in (
        (record_key(ID), record_of(ID)),
        (result_key(ID), result_of(ID)),
        (failure_key(ID), FAILURE),
    ):
        assert read_document(local_store, key, type(document)) is None
        write_document(local_store, key, document)
        assert read_document(local_store, key, type(document)) == document


def test_documents_from_before_options_and_coverage_are_still_read(
    local_store: LocalObjectStore,
) -> None:
    record = record_of(ID).model_dump(mode="json", exclude={"options"})
    result = result_of(ID).model_dump(mode="json", exclude={"result": {"coverage"}})
    for key, old in ((record_key(ID), record), (result_key(ID), result)):
        local_store.put(key, json.dumps(old).encode(), content_type="application/json")
    assert read_document(local_store, record_key(ID), VideoRecord) == record_of(ID)
    assert read_document(local_store, result_key(ID), VideoResult) == result_of(ID)


@pytest.mark.parametrize("stored", [b"", b"{", b"\xff\xfe", b"{}", b'{"id": 7, "more": 1}'])
def test_what_is_no_document_is_named_with_its_key(
    local_store: LocalObjectStore, stored: bytes
) -> None:
    local_store.put(record_key(ID), stored, content_type="application/json")
    with pytest.raises(DamagedDocument, match=f"videos/{ID}/record.json is no valid VideoRecord"):
        read_document(local_store, record_key(ID), VideoRecord)


@pytest.mark.parametrize(
    ("key", "document", "status"),
    [
        (result_key(ID), result_of(ID), Status.COMPLETED),
        (failure_key(ID), FAILURE, Status.FAILED),
    ],
)
def test_a_lost_view_is_restored_with_its_outcome(
    local_store: LocalObjectStore,
    job_store: RedisJobStore,
    key: str,
    document: VideoResult | Failure,
    status: Status,
) -> None:
    write_document(local_store, record_key(ID), record_of(ID))
    write_document(local_store, key, document)
    state = restore_view(local_store, job_store, ID)
    assert state is not None
    assert (state.record, state.status) == (record_of(ID), status)
    assert document in (state.result, state.failure)


def test_a_video_without_a_record_was_never_accepted(
    local_store: LocalObjectStore, job_store: RedisJobStore
) -> None:
    local_store.put(f"videos/{ID}/source", b"half an upload", content_type="video/mp4")
    assert restore_view(local_store, job_store, ID) is None
    assert job_store.get(ID) is None


def test_a_result_counts_more_than_a_failure(
    local_store: LocalObjectStore, job_store: RedisJobStore
) -> None:
    # Both exist when a worker failed that had lost its lease to one that did not.
    write_document(local_store, record_key(ID), record_of(ID))
    write_document(local_store, failure_key(ID), FAILURE)
    write_document(local_store, result_key(ID), result_of(ID))
    state = restore_view(local_store, job_store, ID)
    assert state is not None
    assert state.status is Status.COMPLETED


def test_a_view_without_an_outcome_stays_open(
    local_store: LocalObjectStore, job_store: RedisJobStore
) -> None:
    write_document(local_store, record_key(ID), record_of(ID))
    job_store.accept(record_of(ID))
    assert not close_view(local_store, job_store, ID)
    assert job_store.active(idle_s=0) == [ID]
