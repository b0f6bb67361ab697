"""Files that go straight into the object store: a real S3 server, which has to refuse a lot."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway, settings_of
from real_services import SeaweedServer, ValkeyServer

from unmask_gateway.direct_uploads import DirectUploadService
from unmask_shared.artifacts import source_key
from unmask_shared.errors import DirectUploadsOff, UploadNotFound
from unmask_shared.object_store import ObjectStore
from unmask_shared.object_store.direct import DirectUploads, make_direct_uploads
from unmask_shared.settings import StoreSettings

PART = 5 * 1024 * 1024
VIDEO = b"GIF89a" + bytes(range(256)) * 4096 * 11  # 11 MiB and a bit
LIMIT = 32 * 1024 * 1024
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer, s3_server: SeaweedServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        s3_public_endpoint=f"http://{s3_server.endpoint}",
        direct_upload_part_bytes=PART,
        max_upload_bytes=LIMIT,
        **settings_of(s3_server.settings()),
    ) as process:
        yield process


@pytest.fixture
def client(
    gateway: GatewayProcess, redis_url: str, s3_store: ObjectStore
) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def store_settings(s3_server: SeaweedServer) -> StoreSettings:
    return s3_server.settings().model_copy(
        update={"s3_public_endpoint": f"http://{s3_server.endpoint}"}
    )


@pytest.fixture
def direct(store_settings: StoreSettings) -> DirectUploads:
    direct = make_direct_uploads(store_settings)
    assert direct is not None
    return direct


def begin(client: httpx.Client, content: bytes = VIDEO, name: str = "clip.gif") -> dict[str, Any]:
    answer = client.post("/uploads", json={"bytes": len(content), "filename": name})
    assert answer.status_code == 201, answer.text
    upload: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/uploads/{upload['id']}"
    return upload


def put(part: dict[str, Any], content: bytes = VIDEO, **changes: Any) -> httpx.Response:
    first = part["first_byte"]
    body = changes.get("body", content[first : first + part["bytes"]])
    return httpx.put(changes.get("url", part["url"]), content=body, trust_env=False, timeout=30)


def test_a_file_is_sent_in_parts_goes_on_after_a_break_and_becomes_a_video(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    upload = begin(client, name="../a clip.gif")
    assert [part["bytes"] for part in upload["parts"]] == [PART, PART, len(VIDEO) - 2 * PART]
    for part in (upload["parts"][2], upload["parts"][0]):
        assert put(part).status_code == 200
    early = client.post("/videos", json={"upload_id": upload["id"]})
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert "1 of 3 parts are missing: 2" in early.json()["detail"]

    asked = client.get(f"/uploads/{upload['id']}").json()
    assert [part["stored"] for part in asked["parts"]] == [True, False, True]
    assert not asked["complete"]
    assert put(asked["parts"][1]).status_code == 200
    assert client.get(f"/uploads/{upload['id']}").json()["complete"]
    answer = client.post("/videos", json={"upload_id": upload["id"], "heatmaps": True})
    assert answer.status_code == 202, answer.text
    video = answer.json()
    assert video["source"]["filename"] == "a clip.gif"
    assert video["source"]["bytes"] == len(VIDEO)
    assert video["options"]["heatmaps"]
    assert s3_store.get(source_key(video["id"])) == VIDEO
    assert list(s3_store.keys("uploads/")) == []
    assert client.get(f"/uploads/{upload['id']}").json()["code"] == "upload_not_found"

    again = client.post("/videos", json={"upload_id": upload["id"], "heatmaps": True})
    assert again.json()["id"] == video["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post("/videos", json={"upload_id": upload["id"]})
    assert other.json()["code"] == "idempotency_key_reused"


def test_the_store_takes_nothing_but_the_bytes_that_a_url_is_for(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    one = begin(client)["parts"][0]
    assert put(one, body=VIDEO[: PART + 1]).status_code == 403
    assert put(one, body=VIDEO[: PART - 1]).status_code == 403
    assert put(one, url=one["url"].replace("partNumber=1", "partNumber=7")).status_code == 403
    assert put(one, url=one["url"].replace("/file?", "/upload.json?")).status_code == 403
    assert put(one, url=one["url"].replace("partNumber=1&", "")).status_code == 403
    last = "0" if one["url"].endswith("1") else "1"
    for tampered in (
        one["url"].replace("Expires=", "Expires=9"),
        one["url"].replace("/unmask/", "/other/"),
        one["url"].rpartition("&X-Amz-Signature=")[0],
        one["url"][:-1] + last,
        one["url"].replace("content-length%3Bhost", "host"),
        f"{one['url']}&x-id=PutObject",
    ):
        assert tampered != one["url"]
        assert put(one, url=tampered).status_code in {400, 403, 404}, tampered
    assert httpx.get(one["url"], trust_env=False).status_code == 403
    assert httpx.delete(one["url"], trust_env=False).status_code == 403
    assert [part["stored"] for part in client.get(location(one)).json()["parts"]] == [False] * 3
    assert [key.rpartition("/")[2] for key in s3_store.keys("")] == ["upload.json"]


def location(part: dict[str, Any]) -> str:
    return "/uploads/" + urlsplit(part["url"]).path.split("/")[-2]


def test_a_url_expires(direct: DirectUploads, s3_store: ObjectStore) -> None:
    transfer = direct.begin("uploads/x/file", content_type="video/mp4")
    url = direct.url("uploads/x/file", transfer, 1, 5, timedelta(seconds=1))
    time.sleep(2.1)
    late = httpx.put(url, content=b"12345", trust_env=False)
    assert late.status_code == 403
    assert "expired" in late.text
    direct.abort("uploads/x/file", transfer)


def test_what_is_no_video_is_refused_and_kept_until_it_expires(
    client: httpx.Client, s3_store: ObjectStore
) -> None:
    text = b"just text " * 100
    upload = begin(client, text)
    [part] = upload["parts"]
    put(part, text)
    for _ in range(2):
        refused = client.post("/videos", json={"upload_id": upload["id"]})
        assert (refused.status_code, refused.json()["code"]) == (415, "not_a_video")
    assert list(s3_store.keys("videos/")) == []
    assert client.delete(f"/uploads/{upload['id']}").status_code == 204
    assert list(s3_store.keys("uploads/")) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"bytes": LIMIT + 1}, 413, "upload_too_large"),
        ({"bytes": 0}, 422, "invalid_request"),
        ({"bytes": 1, "size": 1}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
    ],
)
def test_uploads_that_can_never_be_taken_are_refused(
    client: httpx.Client, s3_store: ObjectStore, body: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/uploads", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert list(s3_store.keys("uploads/")) == []


def test_unknown_and_impossible_uploads_are_refused(client: httpx.Client) -> None:
    assert client.get(f"/uploads/{UNKNOWN_ID}").json()["code"] == "upload_not_found"
    assert client.get("/uploads/..%2Fvideos").status_code in {404, 422}
    assert client.get("/uploads/1").json()["code"] == "invalid_request"
    for body, code in (
        ({"upload_id": UNKNOWN_ID}, "upload_not_found"),
        ({"upload_id": "../videos"}, "invalid_request"),
        ({"upload_id": UNKNOWN_ID, "source_url": "https://example.com/"}, "invalid_request"),
        ({}, "invalid_request"),
    ):
        assert client.post("/videos", json=body).json()["code"] == code


def make_service(
    store: ObjectStore, direct: DirectUploads | None, ttl: timedelta
) -> DirectUploadService:
    return DirectUploadService(store=store, direct=direct, ttl=ttl, part_bytes=PART)


def test_uploads_that_nobody_uses_are_erased_with_their_parts(
    s3_store: ObjectStore, direct: DirectUploads
) -> None:
    service = make_service(s3_store, direct, timedelta(seconds=1))
    upload = service.begin(size=5, filename="a.gif", content_type="image/gif", owner=None)
    [part] = service.parts(upload)
    assert httpx.put(part.url, content=b"GIF89", trust_env=False).status_code == 200
    assert make_service(s3_store, direct, timedelta(hours=1)).erase_expired() == 0
    time.sleep(2.1)
    with pytest.raises(UploadNotFound):
        service.find(upload.id, None, sees_all=True)
    assert service.erase_expired() == 1
    assert list(s3_store.keys("")) == []
    assert httpx.put(part.url, content=b"GIF89", trust_env=False).status_code in {403, 404}


def test_callers_see_their_own_uploads_only(s3_store: ObjectStore, direct: DirectUploads) -> None:
    service = make_service(s3_store, direct, timedelta(hours=1))
    upload = service.begin(size=5, filename="a.gif", content_type="image/gif", owner="one")
    assert service.find(upload.id, "one", sees_all=False) == upload
    assert service.find(upload.id, "admin", sees_all=True) == upload
    with pytest.raises(UploadNotFound):
        service.find(upload.id, "two", sees_all=False)


def test_files_of_any_size_have_few_enough_parts(
    s3_store: ObjectStore, direct: DirectUploads
) -> None:
    service = make_service(s3_store, direct, timedelta(hours=1))
    size = PART * 1000 + 1
    upload = service.begin(size=size, filename="a.gif", content_type="image/gif", owner=None)
    assert len(upload.part_sizes()) <= 1000
    assert sum(upload.part_sizes()) == size


def test_where_clients_cannot_reach_the_store_they_are_told_so(
    local_store: ObjectStore, s3_server: SeaweedServer
) -> None:
    assert make_direct_uploads(StoreSettings()) is None
    assert make_direct_uploads(s3_server.settings()) is None
    service = make_service(local_store, None, timedelta(hours=1))
    assert service.erase_expired() == 0
    with pytest.raises(DirectUploadsOff, match="only through POST /videos"):
        service.begin(size=5, filename="a.gif", content_type="image/gif", owner=None)
    with pytest.raises(DirectUploadsOff):
        service.find(UNKNOWN_ID, None, sees_all=True)
