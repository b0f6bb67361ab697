"""Sending a video twice by mistake: gateway processes, a real Valkey and a real S3 server."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway, settings_of
from real_services import SeaweedServer, ValkeyServer

from unmask_gateway.idempotency import IdempotencyKeys
from unmask_shared.artifacts import record_key, source_key
from unmask_shared.erasure import erase_video
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import LocalObjectStore, ObjectStore

VIDEO = b"GIF89a" + bytes(range(256)) * 1000
KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


@pytest.fixture
def gateway(
    tmp_path_factory: pytest.TempPathFactory,
    redis_url: str,
    s3_server: SeaweedServer,
    s3_store: ObjectStore,
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=redis_url,
        shutdown_grace_s=1,
        **settings_of(s3_server.settings()),
    ) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        yield client


def submit(
    client: httpx.Client,
    content: bytes = VIDEO,
    *,
    name: str = "clip.gif",
    headers: dict[str, str] = KEY,
    **options: str,
) -> httpx.Response:
    return client.post(
        "/videos", data=options, files={"file": (name, content, "image/gif")}, headers=headers
    )


def videos(store: ObjectStore) -> set[str]:
    return {key.split("/")[1] for key in store.keys("videos/")}


def test_the_same_request_again_brings_the_same_video(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    first = submit(client, heatmaps="true")
    assert first.status_code == 202, first.text
    assert "idempotency-replayed" not in first.headers
    again = submit(client, heatmaps="true")
    assert again.status_code == 202, again.text
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["id"] == first.json()["id"]
    assert videos(s3_store) == {first.json()["id"]}


def test_without_a_key_or_with_another_one_the_video_is_new(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    for headers in (KEY, {"Idempotency-Key": "another"}, {}, {}):
        assert submit(client, headers=headers).status_code == 202
    assert len(videos(s3_store)) == 4


@pytest.mark.parametrize(
    "other",
    [{"content": VIDEO + b"x"}, {"name": "other.gif"}, {"heatmaps": "true"}],
    ids=lambda other: next(iter(other)),
)
def test_another_request_with_the_same_key_is_refused(
    client: httpx.Client, s3_store: ObjectStore, other: dict[str, Any]
) -> None:
    video_id = submit(client).json()["id"]
    refused = submit(client, **other)
    assert refused.status_code == 422, refused.text
    assert refused.json()["code"] == "idempotency_key_reused"
    assert video_id in refused.json()["detail"]
    assert videos(s3_store) == {video_id}


def test_the_same_request_many_times_at_once_is_one_video(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    together = threading.Barrier(6)

    def send() -> httpx.Response:
        together.wait()
        return submit(client)

    with ThreadPoolExecutor(6) as pool:
        answers = [task.result() for task in [pool.submit(send) for _ in range(6)]]
    assert {answer.status_code for answer in answers} == {202}
    [video_id] = {answer.json()["id"] for answer in answers}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert videos(s3_store) == {video_id}


def test_a_key_outlives_the_gateway_and_all_that_redis_knew(
    client: httpx.Client, gateway: GatewayProcess, valkey: ValkeyServer
) -> None:
    video_id = submit(client).json()["id"]
    assert gateway.stop() == -signal.SIGTERM
    valkey.flush()
    gateway.run()
    again = submit(client)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == video_id


def test_a_request_that_broke_off_before_the_record_is_completed_by_the_next(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    video_id = submit(client).json()["id"]
    # What a gateway leaves that ends after it bound the key.
    s3_store.delete_prefix(record_key(video_id))
    again = submit(client)
    assert again.json()["id"] == video_id
    assert s3_store.exists(record_key(video_id))
    assert s3_store.get(source_key(video_id)) == VIDEO


def test_a_key_whose_video_is_gone_is_refused(client: httpx.Client, s3_store: ObjectStore) -> None:
    video_id = submit(client).json()["id"]
    s3_store.delete_prefix(f"videos/{video_id}/")
    refused = submit(client)
    assert refused.status_code == 409
    assert refused.json()["code"] == "idempotency_key_spent"
    assert videos(s3_store) == set()


def test_deleting_a_video_sets_its_key_free(
    client: httpx.Client, s3_store: ObjectStore, job_store: RedisJobStore
) -> None:
    first = submit(client).json()["id"]
    erase_video(s3_store, job_store, first)
    assert list(s3_store.keys("")) == []
    again = submit(client)
    assert again.status_code == 202
    assert again.json()["id"] != first


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "k\u00e9y"])
def test_keys_that_are_none_are_refused(
    client: httpx.Client, s3_store: ObjectStore, key: str
) -> None:
    refused = submit(client, headers={"Idempotency-Key": key.encode()})  # type: ignore[dict-item] # not ASCII
    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid_request"
    assert videos(s3_store) == set()


def test_callers_do_not_meet_each_others_keys() -> None:
    names = {IdempotencyKeys.name("key", owner) for owner in (None, "one", "two")}
    assert len(names) == 3
    assert IdempotencyKeys.name(None, "one") is None


def test_keys_expire(local_store: LocalObjectStore) -> None:
    local_store.put("idempotency/aa.json", b"{}", content_type="application/json")
    keys = IdempotencyKeys(local_store)
    assert keys.erase_expired(timedelta(hours=1)) == 0
    assert keys.erase_expired(timedelta(seconds=-1)) == 1
    assert list(local_store.keys("")) == []
