"""Many videos at once: gateway processes, a real Valkey, a folder as store, files to fetch."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
import redis
from file_server import FileServer, file_server, sends
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer
from sample_documents import FAILURE, result_of
from standardwebhooks.webhooks import Webhook

from unmask_client import AnalysisOptions, Client, NewItem, NotFound
from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import Scope
from unmask_gateway.batches.view import ItemStatus
from unmask_shared.artifacts import BATCHES_PREFIX, OPEN_BATCHES_PREFIX, batch_key, record_key
from unmask_shared.job_store import RedisJobStore
from unmask_shared.messages import BATCH, PREPROCESSOR_QUEUE, lists_of
from unmask_shared.object_store import LocalObjectStore, ObjectStore
from unmask_shared.records import read_document
from unmask_shared.videos import Status, VideoRecord

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
VIDEO = b"GIF89a" + bytes(range(256)) * 100
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
ADMIN_KEY = "0123456789abcdef" * 3


@pytest.fixture(scope="module")
def served() -> Iterator[FileServer]:
    with file_server() as server:
        server.answers |= {f"/{number}.gif": sends(VIDEO + bytes([number])) for number in range(30)}
        server.answers["/text"] = sends(b"no video")
        server.answers["/hook"] = sends(status=204)
        yield server


@pytest.fixture
def files(served: FileServer) -> Iterator[FileServer]:
    """A server with videos, as others would find it."""
    answers = dict(served.answers)
    yield served
    served.answers = answers
    served.received.clear()


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer, served: FileServer
) -> Iterator[GatewayProcess]:
    port = served.port
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        access="keys",
        admin_key=ADMIN_KEY,
        unfinished_videos_per_key=4,
        open_batches_per_key=3,
        webhook_secret=SECRET,
        **{
            f"{what}_{name}": value
            for what in ("webhook", "source_url")
            for name, value in (("allow_private", "true"), ("allowed_ports", port))
        },
        shutdown_grace_s=1,
    ) as process:
        yield process


@pytest.fixture(autouse=True)
def store(gateway: GatewayProcess, redis_url: str) -> Iterator[ObjectStore]:
    """Where the gateway keeps everything; empty after each test."""
    store = LocalObjectStore(gateway.data_dir / "store")
    yield store
    for key in list(store.keys("")):
        store.delete_prefix(key)


@pytest.fixture
def admin(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def limited(gateway: GatewayProcess, store: ObjectStore) -> Iterator[httpx.Client]:
    _, key = KeyStore(store).create("test", frozenset({Scope.READ, Scope.SUBMIT}))
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def items(files: FileServer, *paths: str) -> list[dict[str, Any]]:
    return [{"source_url": files.url(path)} for path in paths]


def gifs(files: FileServer, count: int) -> list[dict[str, Any]]:
    return items(files, *(f"/{number}.gif" for number in range(count)))


def send(client: httpx.Client, wanted: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    headers = more.pop("headers", {})
    answer = client.post("/batches", json={"items": wanted, **more}, headers=headers)
    assert answer.status_code == 202, answer.text
    batch: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/batches/{batch['id']}"
    return batch


def wait_for(
    client: httpx.Client, batch_id: str, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    deadline = time.monotonic() + 40
    while True:
        answer = client.get(f"/batches/{batch_id}")
        assert answer.status_code == 200, answer.text
        batch: dict[str, Any] = answer.json()
        if condition(batch):
            return batch
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)


def wait_until_none_is_open(store: ObjectStore) -> None:
    """The gateway notes the end of a batch a little after its last item has one."""
    deadline = time.monotonic() + 20
    while list(store.keys(OPEN_BATCHES_PREFIX)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def nothing_pends(batch: dict[str, Any]) -> bool:
    return bool(batch["counts"]["pending"] == 0)


def video_ids(batch: dict[str, Any]) -> list[str]:
    return [item["video_id"] for item in batch["items"] if item["video_id"]]


def stored_videos(store: ObjectStore) -> set[str]:
    return {key.split("/")[1] for key in store.keys("videos/") if key.endswith("/record.json")}


def test_every_item_becomes_a_video_or_a_problem(
    admin: httpx.Client, files: FileServer, store: ObjectStore, job_store: RedisJobStore
) -> None:
    wanted = [
        {"source_url": files.url("/0.gif"), "heatmaps": True},
        *items(files, "/text", "/missing", "/1.gif"),
        {"upload_id": UNKNOWN_ID},
        {"source_url": "http://127.0.0.1:9/x.gif"},
        {"source_url": files.url("/2.gif"), "model": "resnet-lstm/9.9.9"},
    ]
    batch = send(admin, wanted)
    assert (batch["total"], sum(batch["counts"].values())) == (7, 7)
    batch = wait_for(admin, batch["id"], nothing_pends)
    assert [item["status"] for item in batch["items"]] == [
        *("queued", "refused", "refused", "queued"),
        *("refused", "refused", "refused"),
    ]
    problems = [item["problem"]["code"] for item in batch["items"] if item["problem"]]
    assert problems == [
        *("not_a_video", "source_url_unreachable"),
        # Direct uploads are off here.
        *("direct_uploads_off", "url_refused", "unknown_model"),
    ]
    assert stored_videos(store) == set(video_ids(batch))
    video = admin.get(f"/videos/{batch['items'][0]['video_id']}").json()
    assert video["options"]["heatmaps"] is True
    first, second = video_ids(batch)
    job_store.complete(first, result_of(first))
    assert not wait_for(admin, batch["id"], lambda b: b["counts"]["completed"] == 1)["is_ended"]
    job_store.fail(second, FAILURE)
    ended = wait_for(admin, batch["id"], lambda b: b["is_ended"])
    assert ended["counts"] == dict.fromkeys(ItemStatus, 0) | {
        "refused": 5,
        "completed": 1,
        "failed": 1,
    }
    wait_until_none_is_open(store)


def test_items_come_in_pages(admin: httpx.Client, files: FileServer) -> None:
    batch_id = send(admin, gifs(files, 7))["id"]
    seen: list[int] = []
    cursor: int | None = 0
    while cursor is not None:
        page = admin.get(f"/batches/{batch_id}", params={"limit": 3, "cursor": cursor}).json()
        seen += [item["number"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == list(range(7))


def test_the_same_request_again_brings_the_same_batch(
    admin: httpx.Client, files: FileServer, store: ObjectStore
) -> None:
    key = {"Idempotency-Key": "once"}
    batch = send(admin, gifs(files, 2), headers=key)
    wait_for(admin, batch["id"], nothing_pends)
    again = admin.post("/batches", json={"items": gifs(files, 2)}, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == batch["id"]
    assert again.json()["counts"]["queued"] == 2
    other = admin.post("/batches", json={"items": gifs(files, 3)}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # A single video with the same key is another request.
    single = admin.post("/videos", json=gifs(files, 1)[0], headers=key)
    assert single.status_code == 202
    assert len(stored_videos(store)) == 3
    assert admin.delete(f"/batches/{batch['id']}").status_code == 204
    anew = send(admin, gifs(files, 2), headers=key)
    assert anew["id"] != batch["id"]


def test_a_killed_gateway_loses_no_item_and_brings_none_twice(
    gateway: GatewayProcess,
    admin: httpx.Client,
    files: FileServer,
    store: ObjectStore,
    valkey: ValkeyServer,
) -> None:
    arrived = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        arrived.set()
        time.sleep(0.3)
        sends(VIDEO)(handler)

    wanted = gifs(files, 12)
    for number in range(3, 12):
        files.answers[f"/{number}.gif"] = slow
    batch_id = send(admin, wanted)["id"]
    assert arrived.wait(20)
    gateway.kill()
    before = {key for key in store.keys(BATCHES_PREFIX) if "/items/" in key}
    assert len(before) < 12
    # One was bound and not recorded, as by a gateway that ended between the two.
    video_id = min(stored_videos(store))
    record = read_document(store, record_key(video_id), VideoRecord)
    assert record is not None
    store.delete_prefix(record_key(video_id))
    valkey.flush()
    gateway.run()
    batch = wait_for(admin, batch_id, nothing_pends)
    assert batch["counts"]["queued"] == 12
    assert len(set(video_ids(batch))) == 12
    assert video_id in video_ids(batch)
    assert stored_videos(store) == set(video_ids(batch))


def test_interactive_videos_go_before_those_of_batches(
    admin: httpx.Client, files: FileServer, job_store: RedisJobStore, redis_url: str
) -> None:
    batch = send(admin, gifs(files, 3))
    batch = wait_for(admin, batch["id"], lambda b: b["counts"]["queued"] == 3)
    assert admin.post("/videos", json=gifs(files, 1)[0]).status_code == 202
    interactive, bulk = lists_of(PREPROCESSOR_QUEUE)
    with redis.Redis.from_url(redis_url) as client:
        assert (client.llen(interactive), client.llen(bulk)) == (1, 3)
        message = json.loads(client.lrange(bulk, 0, -1)[0])
    assert message["properties"]["priority"] == BATCH
    assert job_store.queue_length(PREPROCESSOR_QUEUE) == 4


def test_a_batch_waits_for_room_instead_of_being_refused(
    limited: httpx.Client, files: FileServer, job_store: RedisJobStore
) -> None:
    batch_id = send(limited, gifs(files, 6))["id"]
    full = wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    assert full["counts"]["pending"] == 2
    for video_id in video_ids(full):
        job_store.fail(video_id, FAILURE)
    batch = wait_for(limited, batch_id, nothing_pends)
    assert (batch["counts"]["failed"], batch["counts"]["queued"]) == (4, 2)


def test_a_key_has_so_many_open_batches_and_no_more(
    limited: httpx.Client, admin: httpx.Client, files: FileServer, store: ObjectStore
) -> None:
    def ask() -> httpx.Response:
        return limited.post("/batches", json={"items": gifs(files, 6)})

    once = {"Idempotency-Key": "once"}
    first = send(limited, gifs(files, 6), headers=once)
    wait_for(limited, first["id"], lambda b: b["counts"]["queued"] == 4)
    before = set(store.keys(BATCHES_PREFIX))
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: ask(), range(5)))
    accepted = [answer.json() for answer in answers if answer.status_code == 202]
    assert len(accepted) <= 2  # those that come at the same time may keep each other out
    accepted += [send(limited, gifs(files, 6)) for _ in range(2 - len(accepted))]
    held = set(store.keys(""))
    full = limited.post(
        "/batches", json={"items": gifs(files, 6)}, headers={"Idempotency-Key": "x"}
    )
    assert (full.status_code, full.json()["code"]) == (429, "too_many_open_batches")
    assert full.headers["retry-after"] == "10"
    assert set(store.keys("")) == held
    assert len(set(store.keys(BATCHES_PREFIX)) - before) == 2

    again = limited.post("/batches", json={"items": gifs(files, 6)}, headers=once)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    send(admin, gifs(files, 1))  # whom no limit holds
    assert limited.post(f"/batches/{accepted[0]['id']}/cancel").status_code == 200
    deadline = time.monotonic() + 20
    while (answer := ask()).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert answer.status_code == 202, answer.text


def test_signed_urls_are_kept_until_their_last_use_and_no_longer(
    limited: httpx.Client, files: FileServer, store: ObjectStore, job_store: RedisJobStore
) -> None:
    def with_secret() -> set[str]:
        return {key for key in store.keys("") if b"s3cret" in store.get(key)}

    wanted = [{"source_url": f"{item['source_url']}?signature=s3cret"} for item in gifs(files, 6)]
    files.answers |= {f"/{n}.gif?signature=s3cret": sends(VIDEO) for n in range(6)}
    batch_id = send(limited, wanted, headers={"Idempotency-Key": "once"})["id"]
    full = wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    [waiting] = with_secret()
    assert waiting.startswith(f"{OPEN_BATCHES_PREFIX}{batch_id}.")
    for video_id in video_ids(full):
        job_store.fail(video_id, FAILURE)
    wait_for(limited, batch_id, nothing_pends)
    wait_until_none_is_open(store)
    assert with_secret() == set()
    assert limited.get(f"/batches/{batch_id}").json()["total"] == 6


def test_a_batch_that_an_earlier_version_accepted_goes_on(
    admin: httpx.Client, files: FileServer, store: ObjectStore
) -> None:
    document = {
        "schema_version": 1,
        "id": UNKNOWN_ID,
        "created_at": "2026-05-04T09:30:00Z",
        "owner": None,
        "is_limited": False,
        "items": gifs(files, 2),
        "webhook_url": None,
        "idempotency": None,
    }
    content = json.dumps(document).encode()
    store.put(f"{OPEN_BATCHES_PREFIX}{UNKNOWN_ID}", b"", content_type="application/octet-stream")
    store.put(batch_key(UNKNOWN_ID), content, content_type="application/json")
    batch = wait_for(admin, UNKNOWN_ID, nothing_pends)
    assert batch["counts"]["queued"] == batch["total"] == 2


def test_a_batch_whose_items_cannot_be_read_any_more_ends_all_the_same(
    limited: httpx.Client, files: FileServer, store: ObjectStore, job_store: RedisJobStore
) -> None:
    batch_id = send(limited, gifs(files, 6))["id"]
    full = wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    [items_key] = store.keys(f"{OPEN_BATCHES_PREFIX}{batch_id}")
    store.put(items_key, b"{", content_type="application/json")
    for video_id in video_ids(full):
        job_store.fail(video_id, FAILURE)
    batch = wait_for(limited, batch_id, lambda b: b["is_ended"])
    problems = [item["problem"]["code"] for item in batch["items"] if item["problem"]]
    assert problems == ["damaged_document"] * 2


def test_batches_are_listed_newest_first_in_pages_to_who_sent_them(
    limited: httpx.Client, admin: httpx.Client, files: FileServer, store: ObjectStore
) -> None:
    def listed(client: httpx.Client, **query: Any) -> dict[str, Any]:
        answer = client.get("/batches", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    assert listed(limited) == {"batches": [], "damaged": [], "next_cursor": None}
    open_one = send(limited, gifs(files, 6))["id"]
    wait_for(limited, open_one, lambda b: b["counts"]["queued"] == 4)
    ids = [send(admin, gifs(files, number))["id"] for number in (1, 2, 3)]
    for batch_id in ids:
        wait_for(admin, batch_id, nothing_pends)
    assert admin.post(f"/batches/{ids[2]}/cancel").status_code == 200
    [mine] = listed(limited)["batches"]
    assert (mine["id"], mine["total"], mine["is_open"]) == (open_one, 6, True)

    first = listed(admin, limit=3)
    assert [batch["id"] for batch in first["batches"]] == ids[::-1]
    assert [batch["total"] for batch in first["batches"]] == [3, 2, 1]
    assert [batch["is_cancelled"] for batch in first["batches"]] == [True, False, False]
    second = listed(admin, limit=3, cursor=first["next_cursor"])
    assert [batch["id"] for batch in second["batches"]] == [open_one]
    assert second["next_cursor"] is None

    store.put(batch_key(ids[1]), b"{", content_type="application/json")
    assert admin.delete(f"/batches/{ids[0]}").status_code == 204
    page = listed(admin)
    assert [batch["id"] for batch in page["batches"]] == [ids[2], open_one]
    assert page["damaged"] == [ids[1]]


def test_a_cancelled_batch_accepts_nothing_more(
    limited: httpx.Client, files: FileServer, job_store: RedisJobStore
) -> None:
    batch_id = send(limited, gifs(files, 6))["id"]
    full = wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    done = video_ids(full)[0]
    job_store.complete(done, result_of(done))
    cancelled = limited.post(f"/batches/{batch_id}/cancel").json()
    assert cancelled["is_cancelled"]
    batch = wait_for(limited, batch_id, lambda b: b["is_ended"])
    assert (batch["counts"]["completed"], batch["counts"]["cancelled"]) == (1, 5)


def test_a_deleted_batch_leaves_nothing(
    limited: httpx.Client, files: FileServer, store: ObjectStore
) -> None:
    before = set(store.keys(""))
    batch_id = send(limited, gifs(files, 6), webhook_url=files.url("/hook"))["id"]
    wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    assert limited.delete(f"/batches/{batch_id}").status_code == 204
    gone = limited.get(f"/batches/{batch_id}")
    assert (gone.status_code, gone.json()["code"]) == (404, "batch_not_found")
    time.sleep(3)  # what was under way ends
    assert set(store.keys("")) == before


def test_a_video_that_is_deleted_does_not_come_again(
    limited: httpx.Client, files: FileServer, job_store: RedisJobStore
) -> None:
    batch_id = send(limited, gifs(files, 6))["id"]
    full = wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    gone = video_ids(full)[0]
    assert limited.delete(f"/videos/{gone}").status_code == 204
    batch = wait_for(limited, batch_id, lambda b: b["counts"]["queued"] == 4)
    assert batch["counts"] == dict.fromkeys(ItemStatus, 0) | {
        "erased": 1,
        "queued": 4,
        "pending": 1,
    }
    [erased] = [item for item in batch["items"] if item["status"] == "erased"]
    assert (erased["video_id"], erased["filename"]) == (gone, None)


def test_one_message_tells_of_the_end_of_a_batch(
    gateway: GatewayProcess, admin: httpx.Client, files: FileServer, job_store: RedisJobStore
) -> None:
    batch_id = send(admin, gifs(files, 2), webhook_url=files.url("/hook"))["id"]
    batch = wait_for(admin, batch_id, nothing_pends)
    assert gateway.stop() == -signal.SIGTERM
    for video_id in video_ids(batch):
        job_store.fail(video_id, FAILURE)
    gateway.run()
    deadline = time.monotonic() + 20
    while not (messages := [one for one in files.received if one.path == "/hook"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [message] = messages
    event: dict[str, Any] = Webhook(SECRET).verify(message.body, message.headers)
    assert event["type"] == "batch.ended"
    assert (event["data"]["id"], event["data"]["counts"]["failed"]) == (batch_id, 2)


def test_batches_of_others_do_not_exist(
    limited: httpx.Client, admin: httpx.Client, files: FileServer, store: ObjectStore
) -> None:
    _, key = KeyStore(store).create("other", frozenset({Scope.READ, Scope.SUBMIT}))
    batch_id = send(limited, gifs(files, 1))["id"]
    wait_for(limited, batch_id, nothing_pends)
    for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
        answers = [
            limited.request(
                method, f"/batches/{name}{path}", headers={"Authorization": f"Bearer {key}"}
            )
            for name in (batch_id, UNKNOWN_ID)
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert answers[0].text.replace(batch_id, "ID") == answers[1].text.replace(UNKNOWN_ID, "ID")
    assert admin.get(f"/batches/{batch_id}").status_code == 200


def test_the_client_submits_follows_cancels_and_erases_batches(
    gateway: GatewayProcess, files: FileServer, store: ObjectStore
) -> None:
    _, key = KeyStore(store).create("client", frozenset({Scope.READ, Scope.SUBMIT}))
    with Client(gateway.url, api_key=str(key)) as client:
        item = NewItem(source_url=files.url("/0.gif"), options=AnalysisOptions(heatmaps=True))
        batch = client.submit_batch(
            [item, *(files.url(f"/{number}.gif") for number in range(1, 6))],
            idempotency_key="once",
        )
        assert batch.total == 6
        assert client.submit_batch([item], idempotency_key="other").id != batch.id
        deadline = time.monotonic() + 40
        while (first := client.batch(batch.id).items[0].video_id) is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.get(first).options.heatmaps is True
        assert client.cancel_batch(batch.id).is_cancelled
        client.delete_batch(batch.id)
        with pytest.raises(NotFound):
            client.batch(batch.id)
        assert [one.total for one in client.batches()] == [1]


def test_the_command_submits_follows_cancels_and_erases_batches(
    gateway: GatewayProcess, files: FileServer, store: ObjectStore, job_store: RedisJobStore
) -> None:
    _, key = KeyStore(store).create("command", frozenset({Scope.READ, Scope.SUBMIT}))
    environment = os.environ | {"UNMASK_URL": gateway.url, "UNMASK_API_KEY": str(key)}

    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "unmask_client", "batches", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    no_address = run("submit", "clip.mp4")
    assert (no_address.returncode, no_address.stdout) == (2, "")
    assert "unmask submit" in " ".join(no_address.stderr.replace("\u2502", "").split())
    listed = "\n".join(files.url(f"/{number}.gif") for number in range(2))
    sent = run("submit", files.url("/text"), "-", stdin=listed)
    assert sent.returncode == 0, sent.stderr
    batch_id = sent.stdout.strip()
    with Client(gateway.url, api_key=str(key)) as client:
        deadline = time.monotonic() + 40
        while (now := client.batch(batch_id)).counts["pending"]:
            assert time.monotonic() < deadline, now
            time.sleep(0.1)
    assert (now.counts["queued"], now.counts["refused"]) == (2, 1)
    late = run("watch", batch_id, "--timeout", "0.1")
    assert (late.returncode, late.stdout) == (6, "")
    assert "2 of 3 items" in late.stderr
    shown = json.loads(run("show", batch_id, "--json").stdout)
    assert (shown["id"], shown["total"]) == (batch_id, 3)
    first, second = video_ids(shown)
    job_store.complete(first, result_of(first))
    job_store.fail(second, FAILURE)
    ended = run("watch", batch_id, "--json")
    refused, *videos = map(json.loads, ended.stdout.splitlines())
    assert (ended.returncode, refused["problem"]["code"]) == (5, "not_a_video")
    assert [(one["id"], one["status"]) for one in videos] == [
        (first, "completed"),
        (second, "failed"),
    ]
    cancelled = run("cancel", batch_id, "--json")
    assert (cancelled.returncode, json.loads(cancelled.stdout)["is_cancelled"]) == (0, True)
    erased = run("delete", batch_id, "--yes")
    assert (erased.returncode, erased.stdout.strip()) == (0, f"{batch_id} is erased")
    gone = run("show", batch_id)
    assert gone.returncode == 1
    assert "There is no such batch" in gone.stderr


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"items": []}, "items"),
        ({"items": [{"source_url": "http://x/"}] * 201}, "items"),
        ({"items": [{}]}, "items.0"),
        ({"items": [{"source_url": "http://x/", "face_mode": "all"}]}, "items.0.face_mode"),
        ({"items": [{"source_url": "http://x/"}], "webhook_url": "file:///x"}, "file:///x"),
    ],
)
def test_batches_that_make_no_sense_are_refused_whole(
    admin: httpx.Client, store: ObjectStore, body: dict[str, Any], part: str
) -> None:
    refused = admin.post("/batches", json=body)
    assert refused.status_code == 422
    assert part in refused.json()["detail"]
    assert list(store.keys(BATCHES_PREFIX)) == []


def test_a_check_finds_nothing_wrong_with_batches(
    gateway: GatewayProcess, admin: httpx.Client, files: FileServer, redis_url: str
) -> None:
    batch = send(
        admin, gifs(files, 1), webhook_url=files.url("/hook"), headers={"Idempotency-Key": "once"}
    )
    wait_for(admin, batch["id"], nothing_pends)
    environment = os.environ | {
        "UNMASK_DATA_DIR": str(gateway.data_dir),
        "UNMASK_REDIS_URL": redis_url,
        "UNMASK_REMAINS_PATIENCE_S": "1",
    }
    time.sleep(2.5)  # until what stands for nothing counts as forgotten
    command = [sys.executable, "-m", "unmask_gateway", "fsck"]
    check = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_items_have_every_status_that_videos_have() -> None:
    assert {status.value for status in Status} < {status.value for status in ItemStatus}
