"""Any part may break at any moment: each video ends once, as it would have, and nothing is left.

One stack of real processes serves all tests; each leaves it whole.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any

import httpx
import psutil
import pytest
import redis
from breakable_stack import FINAL, BreakableStack, breakable_stack, comparable
from one_second_clips import Clip, make_clips
from pydantic import SecretStr

from unmask_gateway.fsck.check import Check, Patience
from unmask_shared.artifacts import (
    crops_key,
    faces_key,
    failure_key,
    heatmap_key,
    record_key,
    result_key,
    video_prefix,
)
from unmask_shared.broker import make_celery
from unmask_shared.job_store import make_job_store
from unmask_shared.settings import JobSettings
from unmask_shared.sweeper import enqueue

PATIENCE = Patience(
    remains=timedelta(0), write=timedelta(0), upload=timedelta(0), between_looks_s=0.1
)
LIMIT_S = 120.0
MORE_FDS = 40


class World:
    """The stack, and what it does when nothing is broken."""

    def __init__(self, stack: BreakableStack, clips: dict[str, Clip]) -> None:
        self.stack = stack
        self.clips = clips
        self.undisturbed = {name: comparable(stack.wait_for(self.submit(name))) for name in clips}
        self.fds = {name: part.usage()[0] for name, part in stack.parts.items()}
        self.job_settings = JobSettings(
            redis_url=SecretStr(stack.valkey.url), lease_ttl_s=3, visibility_timeout_s=6
        )

    def submit(self, name: str) -> str:
        return self.stack.submit(self.clips[name].path, **self.clips[name].options)

    def assert_ends_well(self, video_id: str, name: str) -> None:
        """Wait for the end of a video, which has to be the only one, and as undisturbed."""
        state = self.stack.wait_for(video_id, limit_s=LIMIT_S)
        assert comparable(state) == self.undisturbed[name], self.log
        store = self.stack.store
        assert store.exists(result_key(video_id)) != store.exists(failure_key(video_id))

    def send_again(self, *video_ids: str) -> None:
        """Put more messages about videos into the queue."""
        with (
            closing(make_celery(self.job_settings)) as celery,
            closing(make_job_store(self.job_settings)) as jobs,
        ):
            for video_id in video_ids:
                enqueue(celery, jobs, video_id)

    def complaints(self) -> list[str]:
        with (
            closing(make_celery(self.job_settings)) as celery,
            closing(make_job_store(self.job_settings)) as jobs,
        ):
            check = Check(
                store=self.stack.store,
                jobs=jobs,
                celery=celery,
                settings=self.job_settings,
                patience=PATIENCE,
                deep=True,
            )
            return [f"{found.kind} {found.subject} {found.detail}" for found in check.findings()]

    def outcomes_counted(self) -> float:
        """How many videos came to an end so far, as `/metrics` tells."""
        lines = self.stack.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("unmask_videos_"))

    @property
    def log(self) -> str:
        return self.stack.log_file.read_text()[-20_000:]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    clips = {clip.name: clip for clip in make_clips(tmp_path_factory.mktemp("clips"))}
    with breakable_stack(tmp_path_factory.mktemp("stack")) as stack:
        wanted = ("two faces", "one face, pictures", "cut off")
        yield World(stack, {name: clips[name] for name in wanted})


@pytest.fixture(autouse=True)
def nothing_is_left(world: World) -> Iterator[None]:
    yield
    world.stack.wait_until(world.stack.is_ready)
    # The sweeper may have to come: a store that hung takes what was given up long ago.
    deadline = time.monotonic() + 60
    while (complaints := world.complaints()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert complaints == []
    for name, part in world.stack.parts.items():
        assert part.usage()[0] < world.fds[name] + MORE_FDS, name


# --- kill -9 of a worker, at each stage ----------------------------------------------------------


def has(world: World, video_id: str, key: str) -> bool:
    return world.stack.store.exists(key)


Reached = Callable[[World, str], bool]


def is_at(status: str) -> Reached:
    return lambda world, video_id: world.stack.get(video_id)["status"] == status


def between(first: Callable[[str], str], then: Callable[[str], str]) -> Reached:
    """Whether the one object is there, and the other is not."""
    return lambda world, video_id: (
        world.stack.store.exists(first(video_id)) and not world.stack.store.exists(then(video_id))
    )


STAGES: dict[str, tuple[str, str, Reached]] = {
    "before the first write": ("preprocessor", "two faces", is_at("preprocessing")),
    "in the middle of the crops": (
        "preprocessor",
        "two faces",
        between(lambda id_: crops_key(id_, 0), faces_key),
    ),
    "after the manifest": ("preprocessor", "two faces", between(faces_key, result_key)),
    "during inference": ("inference", "two faces", is_at("inferring")),
    "before the result": (
        "inference",
        "one face, pictures",
        between(lambda id_: heatmap_key(id_, 0, 0), result_key),
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_is_killed(world: World, stage: str) -> None:
    victim, clip, reached = STAGES[stage]
    part = world.stack.parts[victim]

    def hit() -> bool:
        # Slow, so that there is time to hit the moment.
        with world.stack.proxy.slow(0.1):
            video_id = world.submit(clip)
            world.stack.wait_until(lambda: reached(world, video_id), pause_s=0.002)
            with part.frozen():
                is_hit = reached(world, video_id)
                if is_hit:
                    part.kill()
        world.assert_ends_well(video_id, clip)
        return is_hit

    assert any(hit() for _ in range(5)), "the moment was never hit"


def test_a_worker_that_hangs_wakes_up_beside_the_work_of_another(world: World) -> None:
    before = world.outcomes_counted()
    video_id = world.submit("one face, pictures")
    world.stack.wait_until(lambda: is_at("inferring")(world, video_id), pause_s=0.002)
    with world.stack.parts["inference"].frozen():
        time.sleep(4.5)  # its lease is over, and the sweeper has queued the video again
    world.assert_ends_well(video_id, "one face, pictures")
    time.sleep(1)
    assert world.outcomes_counted() == before + 1


# --- messages ------------------------------------------------------------------------------------


def test_messages_come_many_times(world: World) -> None:
    before = world.outcomes_counted()
    video_id = world.submit("two faces")
    world.send_again(*[video_id] * 5)
    world.stack.wait_for(video_id, "inferring", "completed")
    world.send_again(*[video_id] * 5)
    world.assert_ends_well(video_id, "two faces")
    stored = world.stack.store.get(result_key(video_id))
    world.send_again(*[video_id] * 5)
    other = world.submit("two faces")
    world.assert_ends_well(other, "two faces")
    assert world.stack.store.get(result_key(video_id)) == stored
    assert world.outcomes_counted() == before + 2


# --- a video that kills whoever touches it -------------------------------------------------------


def test_a_video_that_kills_its_worker_fails_alone(world: World) -> None:
    worker = world.stack.parts["preprocessor"]
    kills = 0
    with redis.Redis.from_url(world.stack.valkey.url) as client:
        poison = world.submit("one face, pictures")
        other = world.submit("two faces")

        def ended() -> bool:
            nonlocal kills
            starts = client.hget(f"unmask:video:{poison}", "attempts:preprocessing")
            if worker.is_alive and int(starts or 0) > kills and kills < 3:
                worker.kill()
                kills += 1
            return bool(world.stack.get(poison)["status"] in FINAL)

        world.stack.wait_until(ended, limit_s=LIMIT_S, pause_s=0.002)
    state = world.stack.get(poison)
    assert state["failure"]["code"] == "processing_crashed"
    assert "3 times" in state["failure"]["detail"]
    world.assert_ends_well(other, "two faces")


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGSEGV, "decoder_crashed"), (signal.SIGKILL, "decoder_killed")]
)
def test_a_video_that_kills_its_decoder_fails_with_a_reason(
    world: World, signum: int, code: str
) -> None:
    """What decodes is a grandchild of the pool's process; whoever appears there is ended."""
    worker = world.stack.parts["preprocessor"]
    world.assert_ends_well(world.submit("two faces"), "two faces")  # now all of them are there
    known = {child.pid for child in worker.process.children(recursive=True)}
    stop = threading.Event()

    def kill_decoders() -> None:
        while not stop.is_set():
            for child in worker.process.children(recursive=True):
                if child.pid not in known:
                    with suppress(psutil.NoSuchProcess):
                        child.send_signal(signum)
            time.sleep(0.002)

    killer = threading.Thread(target=kill_decoders)
    killer.start()
    try:
        state = world.stack.wait_for(world.submit("two faces"), limit_s=LIMIT_S)
    finally:
        stop.set()
        killer.join()
    assert state["status"] == "failed"
    assert state["failure"]["code"] == code
    world.assert_ends_well(world.submit("two faces"), "two faces")


# --- the gateway ---------------------------------------------------------------------------------


def test_the_gateway_is_killed_right_after_its_answer(world: World) -> None:
    video_ids = []
    for _ in range(2):
        video_ids.append(world.submit("two faces"))
        world.stack.parts["gateway"].kill()
        world.stack.wait_until(world.stack.is_ready)
    for video_id in video_ids:
        world.assert_ends_well(video_id, "two faces")


def test_the_gateway_is_killed_before_it_could_queue_what_it_took(world: World) -> None:
    with world.stack.valkey.stopped():
        video_id = world.submit("two faces")
        world.stack.parts["gateway"].kill()
    world.assert_ends_well(video_id, "two faces")


def half_an_upload(url: str) -> Iterator[bytes]:
    yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.gif"\r\n\r\nGIF89a'
    for _ in range(20):
        yield bytes(1024 * 1024)
    while True:
        time.sleep(0.2)
        yield bytes(10_000)


def test_the_gateway_is_killed_during_an_upload(world: World) -> None:
    stack = world.stack

    def send() -> None:
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        with suppress(httpx.TransportError):
            httpx.post(
                f"{stack.client.base_url}/videos",
                content=half_an_upload(str(stack.client.base_url)),
                headers=headers,
                trust_env=False,
                timeout=60,
            )

    sender = threading.Thread(target=send)
    sender.start()
    stack.wait_until(lambda: bool(list(stack.store.unfinished())))
    stack.parts["gateway"].kill()
    sender.join(30)
    assert list(stack.store.unfinished()) != []
    stack.wait_until(lambda: not list(stack.store.unfinished()), limit_s=60)
    assert not sender.is_alive()


# --- Valkey --------------------------------------------------------------------------------------


def queued_and_running(world: World) -> list[str]:
    video_ids = [world.submit("two faces") for _ in range(3)]
    world.stack.wait_for(video_ids[0], "preprocessing", "inferring", "completed")
    return video_ids


def test_valkey_is_killed_and_comes_back_with_its_file(world: World) -> None:
    video_ids = queued_and_running(world)
    with world.stack.valkey.stopped():
        time.sleep(1)
    for video_id in video_ids:
        world.assert_ends_well(video_id, "two faces")


def test_valkey_comes_back_with_nothing(world: World) -> None:
    done = world.submit("two faces")
    world.assert_ends_well(done, "two faces")
    video_ids = queued_and_running(world)
    world.stack.lose_redis()
    for video_id in video_ids:
        world.assert_ends_well(video_id, "two faces")
    stored = {
        key.split("/")[1]
        for key in world.stack.store.keys("videos/")
        if key.endswith("/record.json")
    }

    def all_listed() -> bool:
        listed: set[str] = set()
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            query = {"limit": 50, **({"cursor": page["next_cursor"]} if listed else {})}
            page = world.stack.client.get("/videos", params=query).json()
            listed |= {video["id"] for video in page["videos"]}
        return listed == stored and bool(page["complete"])

    world.stack.wait_until(all_listed, limit_s=30)
    assert comparable(world.stack.get(done)) == world.undisturbed["two faces"]


# --- the object store ----------------------------------------------------------------------------


def assert_uploads_are_put_off(world: World) -> None:
    path = world.clips["two faces"].path
    answer = world.stack.client.post("/videos", files={"file": (path.name, path.read_bytes())})
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "object_store_unavailable"
    assert int(answer.headers["retry-after"]) > 0


def test_the_store_is_killed(world: World) -> None:
    video_ids = queued_and_running(world)
    world.stack.s3.kill()
    assert_uploads_are_put_off(world)
    assert world.stack.client.get("/readyz").status_code == 503
    world.stack.s3.run()
    for video_id in video_ids:
        world.assert_ends_well(video_id, "two faces")


def test_the_store_hangs(world: World) -> None:
    video_ids = queued_and_running(world)
    with world.stack.s3.frozen():
        assert_uploads_are_put_off(world)
    for video_id in video_ids:
        world.assert_ends_well(video_id, "two faces")


def test_the_store_is_slow_and_cuts_connections(world: World) -> None:
    with world.stack.proxy.slow(0.1):
        video_id = world.submit("two faces")
        for _ in range(5):
            time.sleep(0.3)
            world.stack.proxy.cut()
    world.assert_ends_well(video_id, "two faces")


# --- full disks ----------------------------------------------------------------------------------


def test_a_worker_without_room_waits_for_it(world: World) -> None:
    """A limit on the size of files fails like a disk that is full, and can be lifted."""
    pool, *_ = world.stack.parts["preprocessor"].process.children()
    before = pool.rlimit(psutil.RLIMIT_FSIZE)
    pool.rlimit(psutil.RLIMIT_FSIZE, (1000, before[1]))
    try:
        video_id = world.submit("two faces")
        time.sleep(6)  # tried more often than a video may crash
        assert world.stack.get(video_id)["status"] not in {"failed", "completed"}
    finally:
        pool.rlimit(psutil.RLIMIT_FSIZE, before)
    world.assert_ends_well(video_id, "two faces")


def test_all_parts_end_in_order_while_they_work(world: World) -> None:
    video_ids = queued_and_running(world)
    for name in ("inference", "preprocessor", "gateway"):
        assert world.stack.parts[name].stop() in {0, -signal.SIGTERM}
    for video_id in video_ids:
        world.assert_ends_well(video_id, "two faces")


def test_a_video_that_cannot_be_read_fails_once_whatever_breaks(world: World) -> None:
    video_id = world.submit("cut off")
    world.stack.parts["preprocessor"].kill()
    world.assert_ends_well(video_id, "cut off")
    assert world.stack.store.exists(record_key(video_id))
    assert sorted(world.stack.store.keys(video_prefix(video_id))) == sorted(
        [failure_key(video_id), record_key(video_id), f"{video_prefix(video_id)}source"]
    )
