"""Following videos by server-sent events: a gateway process, a real Valkey, a folder as store."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import pytest
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer
from sample_documents import FAILURE, result_of

from unmask_shared.artifacts import result_key
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import write_document
from unmask_shared.videos import Status

VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
MOST = 5


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        max_event_streams=MOST,
        shutdown_grace_s=20,
    ) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def video_id(client: httpx.Client) -> str:
    answer = client.post("/videos", files={"file": ("clip.mp4", VIDEO, "video/mp4")})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@dataclass
class Stream:
    """One connection, read by a thread."""

    response: httpx.Response
    events: list[dict[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        event: dict[str, str] = {}
        try:
            for line in self.response.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    event[name or "comment"] = value.strip()
                elif event:
                    self.events.append(event)
                    event = {}
        except httpx.TransportError:
            return  # cut off, by one side or the other
        self.ended.set()

    @property
    def told(self) -> list[tuple[str, str, float]]:
        """Name of each event, status and progress."""
        found = []
        for event in self.events:
            if "data" in event:
                data = json.loads(event["data"])
                found.append((event["event"], data["status"], data["progress"]))
        return found

    def wait_for(self, condition: Callable[["Stream"], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition(self):
            assert time.monotonic() < deadline, self.events
            time.sleep(0.01)

    def wait_for_end(self) -> None:
        assert self.ended.wait(20), self.events


@contextmanager
def following(client: httpx.Client, video_id: str, last_id: str | None = None) -> Iterator[Stream]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    with client.stream("GET", f"/videos/{video_id}/events", headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        stream = Stream(response)
        reader = threading.Thread(target=stream.read, daemon=True)
        reader.start()
        try:
            yield stream
        finally:
            with suppress(OSError):
                connection = response.extensions["network_stream"].get_extra_info("socket")
                connection.shutdown(socket.SHUT_RDWR)
            reader.join(10)


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_video_is_followed_to_its_end(
    client: httpx.Client, job_store: RedisJobStore, video_id: str
) -> None:
    with following(client, video_id) as stream:
        stream.wait_for(lambda s: s.told == [("progress", "queued", 0.0)])
        assert int(stream.events[0]["retry"]) > 0
        job_store.advance(video_id, Status.PREPROCESSING, 0.25)
        stream.wait_for(lambda s: s.told[-1] == ("progress", "preprocessing", 0.25))
        job_store.advance(video_id, Status.INFERRING, 0.6)
        stream.wait_for(lambda s: s.told[-1] == ("progress", "inferring", 0.6))
        job_store.complete(video_id, result_of(video_id))
        stream.wait_for_end()
    assert stream.told[-1] == ("final", "completed", 1.0)
    assert len(stream.told) == 4
    ids = [event["id"] for event in stream.events if "id" in event]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    "end", [lambda jobs, video: jobs.fail(video, FAILURE), lambda jobs, video: jobs.cancel(video)]
)
def test_every_end_is_told(
    client: httpx.Client,
    job_store: RedisJobStore,
    video_id: str,
    end: Callable[[RedisJobStore, str], Any],
) -> None:
    with following(client, video_id) as stream:
        end(job_store, video_id)
        stream.wait_for_end()
    assert stream.told[-1][0] == "final"
    assert stream.told[-1][1] in {"failed", "cancelled"}


def test_who_comes_back_is_told_only_what_is_new(
    client: httpx.Client, job_store: RedisJobStore, video_id: str, valkey: ValkeyServer
) -> None:
    job_store.advance(video_id, Status.PREPROCESSING, 0.25)
    with following(client, video_id) as first:
        first.wait_for(lambda s: len(s.told) == 1)
    last_id = first.events[-1]["id"]
    with following(client, video_id, last_id) as second:
        job_store.advance(video_id, Status.PREPROCESSING, 0.3)
        second.wait_for(lambda s: len(s.told) > 0)
    assert second.told == [("progress", "preprocessing", 0.3)]
    # Whoever was away until after the end still hears of it, once.
    job_store.complete(video_id, result_of(video_id))
    with following(client, video_id, last_id) as third:
        third.wait_for_end()
    assert third.told == [("final", "completed", 1.0)]
    seen = {"Last-Event-ID": third.events[-1]["id"]}
    again = client.get(f"/videos/{video_id}/events", headers=seen)
    assert (again.status_code, again.content) == (204, b"")


def test_a_video_that_is_erased_ends_the_stream(client: httpx.Client, video_id: str) -> None:
    with following(client, video_id) as stream:
        stream.wait_for(lambda s: len(s.told) == 1)
        assert client.delete(f"/videos/{video_id}").status_code == 204
        stream.wait_for_end()
    assert stream.told[-1] == ("erased", None, None)
    assert problem_of(client.get(f"/videos/{video_id}/events")) == (404, "video_not_found")


def test_streams_survive_a_redis_that_goes_away(
    client: httpx.Client, job_store: RedisJobStore, video_id: str, valkey: ValkeyServer
) -> None:
    with following(client, video_id) as stream:
        stream.wait_for(lambda s: len(s.told) == 1)
        with valkey.stopped(), following(client, video_id) as meanwhile:
            meanwhile.wait_for(lambda s: s.told == [("progress", "queued", 0.0)])
        job_store.advance(video_id, Status.PREPROCESSING, 0.5)
        stream.wait_for(lambda s: s.told[-1] == ("progress", "preprocessing", 0.5))


def test_streams_survive_a_redis_that_forgets_everything(
    client: httpx.Client,
    gateway: GatewayProcess,
    job_store: RedisJobStore,
    video_id: str,
    valkey: ValkeyServer,
) -> None:
    store = LocalObjectStore(gateway.data_dir / "store")
    with following(client, video_id) as stream:
        stream.wait_for(lambda s: len(s.told) == 1)
        write_document(store, result_key(video_id), result_of(video_id))
        valkey.flush()
        stream.wait_for_end()
    assert stream.told[-1] == ("final", "completed", 1.0)


def test_many_clients_cost_no_threads_and_too_many_are_refused(
    client: httpx.Client, gateway: GatewayProcess, video_id: str
) -> None:
    def threads() -> int:
        return psutil.Process(gateway.pid).num_threads()

    streams = [following(client, video_id) for _ in range(MOST)]
    opened = [streams[0].__enter__()]
    opened[0].wait_for(lambda s: len(s.told) == 1)
    with_one = threads()
    for one in streams[1:]:
        opened.append(one.__enter__())
        opened[-1].wait_for(lambda s: len(s.told) == 1)
    assert threads() <= with_one + 1  # of the pool, for a request that came meanwhile
    refused = client.get(f"/videos/{video_id}/events")
    assert problem_of(refused) == (503, "too_many_event_streams")
    assert int(refused.headers["retry-after"]) > 0
    for one in streams:
        one.__exit__(None, None, None)
    deadline = time.monotonic() + 10
    while client.get(f"/videos/{video_id}").status_code == 200:
        with client.stream("GET", f"/videos/{video_id}/events") as response:
            if response.status_code == 200:
                break
        assert time.monotonic() < deadline, "the room was not given back"


def test_a_shutdown_lets_followers_go(
    client: httpx.Client, gateway: GatewayProcess, video_id: str
) -> None:
    with following(client, video_id) as stream:
        stream.wait_for(lambda s: len(s.told) == 1)
        assert gateway.stop() == -signal.SIGTERM
        stream.wait_for_end()  # not cut off, which would raise
    assert [event[0] for event in stream.told] == ["progress"]
    gateway.run()


def test_questions_that_make_no_sense_are_refused(client: httpx.Client, video_id: str) -> None:
    assert problem_of(client.get("/videos/1/events")) == (422, "malformed_video_id")
    assert problem_of(client.get(f"/videos/{UNKNOWN_ID}/events")) == (404, "video_not_found")
    long = client.get(f"/videos/{video_id}/events", headers={"Last-Event-ID": "x" * 65})
    assert problem_of(long) == (422, "invalid_request")
