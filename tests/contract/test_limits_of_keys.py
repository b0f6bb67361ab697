"""What one key may use: a gateway with small limits, a real Valkey, a folder as store."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis
from gateway_process import GatewayProcess, running_gateway
from pydantic import SecretStr
from real_services import ValkeyServer

from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import Scope
from unmask_shared.errors import NoVideoStream
from unmask_shared.job_store import RedisJobStore, Want, make_job_store
from unmask_shared.messages import PREPROCESSOR_QUEUE
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.settings import JobSettings
from unmask_shared.videos import Failure

ADMIN_KEY = "0123456789abcdef" * 3
VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
REQUESTS, UPLOADS, UNFINISHED = 20, 6, 3


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        access="keys",
        admin_key=ADMIN_KEY,
        requests_per_minute=REQUESTS,
        uploads_per_minute=UPLOADS,
        unfinished_videos_per_key=UNFINISHED,
        stored_bytes_per_key=5 * len(VIDEO) + 2000,
        shutdown_grace_s=1,
    ) as process:
        yield process


def client_of(gateway: GatewayProcess) -> httpx.Client:
    keys = KeyStore(LocalObjectStore(gateway.data_dir / "store"))
    _, presented = keys.create("test", frozenset({Scope.READ, Scope.SUBMIT}))
    headers = {"Authorization": f"Bearer {presented}"}
    return httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=20)


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with client_of(gateway) as client:
        yield client


@pytest.fixture
def jobs(redis_url: str) -> RedisJobStore:
    return make_job_store(JobSettings(redis_url=SecretStr(redis_url)))


def submit(client: httpx.Client, content: bytes = VIDEO) -> httpx.Response:
    return client.post("/videos", files={"file": ("clip.mp4", content, "video/mp4")})


def ask(client: httpx.Client) -> httpx.Response:
    return client.get(f"/videos/{UNKNOWN_ID}")


def remaining(response: httpx.Response) -> dict[str, int]:
    """What is left of each limit, as the header tells it."""
    fields = re.findall(r'"(\w+)";r=(\d+);t=\d+(?:, |$)', response.headers["ratelimit"])
    return {name: int(left) for name, left in fields}


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.json()["action"]


def test_answers_say_how_much_is_left(client: httpx.Client) -> None:
    first, second = ask(client), ask(client)
    assert first.headers["ratelimit-policy"] == f'"requests";q={REQUESTS};w=60'
    assert re.fullmatch(r'"requests";r=\d+;t=([1-9]|[1-5]\d|60)', first.headers["ratelimit"])
    assert remaining(first)["requests"] == REQUESTS - 1
    assert remaining(second)["requests"] == REQUESTS - 2
    sent = submit(client)
    assert sent.headers["ratelimit-policy"].endswith(f', "uploads";q={UPLOADS};w=60')
    assert remaining(sent) == {"requests": REQUESTS - 3, "uploads": UPLOADS - 1}


def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    answers = [ask(client) for _ in range(REQUESTS + 1)]
    assert [answer.status_code for answer in answers[:-1]] == [404] * REQUESTS
    assert_refused(answers[-1], 429, "too_many_requests")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert remaining(answers[-1])["requests"] == 0
    with client_of(gateway) as other:
        assert ask(other).status_code == 404
    assert client.get("/healthz").status_code == 200


def test_uploads_have_a_limit_of_their_own(client: httpx.Client) -> None:
    answers = [submit(client, b"no video") for _ in range(UPLOADS + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {415}
    assert_refused(answers[-1], 429, "too_many_requests")
    assert "uploads" in answers[-1].json()["detail"]
    assert ask(client).status_code == 404


def test_a_key_waits_until_some_of_its_videos_are_finished(
    client: httpx.Client, jobs: RedisJobStore
) -> None:
    accepted = [submit(client) for _ in range(UNFINISHED)]
    assert {answer.status_code for answer in accepted} == {202}
    refused = submit(client)
    assert_refused(refused, 429, "too_many_unfinished_videos")
    assert int(refused.headers["retry-after"]) > 0
    jobs.fail(accepted[0].json()["id"], Failure.of(NoVideoStream()))
    assert submit(client).status_code == 202


def test_a_key_fills_its_room_and_no_more(client: httpx.Client, jobs: RedisJobStore) -> None:
    ids = []
    for _ in range(5):
        accepted = submit(client)
        assert accepted.status_code == 202, accepted.text
        ids.append(accepted.json()["id"])
        jobs.fail(ids[-1], Failure.of(NoVideoStream()))
    assert_refused(submit(client), 403, "storage_quota_exceeded")
    assert client.delete(f"/videos/{ids[0]}").status_code == 204


FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'


def send_together(client: httpx.Client, count: int) -> list[httpx.Response]:
    """Send videos that all begin to arrive before one of them is whole."""
    together = threading.Barrier(count)

    def body() -> Iterator[bytes]:
        yield (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'
            + VIDEO
        )
        together.wait(20)
        time.sleep(0.2)
        yield b"\r\n--x--\r\n"

    def send() -> httpx.Response:
        return client.post(
            "/videos", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )

    with ThreadPoolExecutor(count) as pool:
        return [task.result() for task in [pool.submit(send) for _ in range(count)]]


def test_videos_that_arrive_at_the_same_time_share_what_a_key_may_have(
    client: httpx.Client, jobs: RedisJobStore
) -> None:
    answers = send_together(client, UPLOADS)
    assert sorted(answer.status_code for answer in answers) == [202] * UNFINISHED + [429] * 3
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 429}
    assert codes == {"too_many_unfinished_videos"}
    # Nothing stays reserved for those that were refused.
    for answer in answers:
        if answer.status_code == 202:
            jobs.fail(answer.json()["id"], Failure.of(NoVideoStream()))
    owner = client.headers["authorization"].split("_")[1]
    room = jobs.rooms.reserve(owner, "probe", size=1, most_bytes=0, most_unfinished=UNFINISHED)
    assert (room.wanting, room.unfinished) == (Want.NOTHING, 0)


def test_a_file_of_unknown_size_counts_whole_once_it_is_here(
    client: httpx.Client, jobs: RedisJobStore
) -> None:
    def body() -> Iterator[bytes]:
        yield FORM + VIDEO + bytes(6 * len(VIDEO))
        yield b"\r\n--x--\r\n"

    refused = client.post(
        "/videos", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert_refused(refused, 403, "storage_quota_exceeded")
    assert submit(client).status_code == 202


def test_room_is_free_again_after_a_deletion(client: httpx.Client, jobs: RedisJobStore) -> None:
    big = VIDEO + bytes(4 * len(VIDEO))
    accepted = submit(client, big)
    assert accepted.status_code == 202
    video_id = accepted.json()["id"]
    jobs.fail(video_id, Failure.of(NoVideoStream()))
    assert_refused(submit(client), 403, "storage_quota_exceeded")
    assert client.delete(f"/videos/{video_id}").status_code == 204
    assert submit(client).status_code == 202


def test_operators_are_not_limited(gateway: GatewayProcess, redis_url: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.Client(base_url=gateway.url, headers=headers, trust_env=False) as admin:
        answers = [ask(admin) for _ in range(REQUESTS + 2)]
    assert {answer.status_code for answer in answers} == {404}
    assert "ratelimit" not in answers[-1].headers


def test_nothing_is_limited_while_redis_is_away(
    client: httpx.Client, valkey: ValkeyServer, gateway: GatewayProcess
) -> None:
    assert submit(client).status_code == 202
    with valkey.stopped():
        answers = [submit(client) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {202}
        assert "ratelimit" not in answers[-1].headers


def test_the_description_tells_of_limits(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    refusals = paths["/videos"]["post"]["responses"]
    examples = refusals["429"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"too_many_requests", "too_many_unfinished_videos"}
    examples = refusals["403"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"missing_scope", "storage_quota_exceeded"}
    assert "429" in paths["/videos/{video_id}"]["get"]["responses"]


def test_nobody_adds_to_a_queue_that_is_full(tmp_path: Path, valkey: ValkeyServer) -> None:
    # A database of its own: the other gateway of this module queues its videos again.
    redis_url = valkey.url.removesuffix("0") + "3"
    settings = {"waiting_videos": 2, "shutdown_grace_s": 1}
    with (
        running_gateway(tmp_path, redis_url=redis_url, **settings) as gateway,
        httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client,
    ):
        accepted = [submit(client) for _ in range(2)]
        assert {answer.status_code for answer in accepted} == {202}
        before = gateway.stored_keys()
        refused = submit(client)
        assert_refused(refused, 503, "queue_full")
        assert int(refused.headers["retry-after"]) > 0
        again = client.post(f"/videos/{accepted[0].json()['id']}/analyses", json={})
        assert_refused(again, 503, "queue_full")
        assert gateway.stored_keys() == before
        # A worker takes one.
        assert redis.Redis.from_url(redis_url).lpop(PREPROCESSOR_QUEUE) is not None
        assert submit(client).status_code == 202
