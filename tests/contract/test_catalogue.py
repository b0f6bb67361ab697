"""Lists of videos in a real Valkey: whole, in order, and of bounded cost."""

from datetime import datetime, timedelta

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_services import ValkeyServer
from sample_documents import CREATED_AT, FAILURE, record_of, result_of

from unmask_shared.artifacts import record_key, result_key
from unmask_shared.erasure import erase_video
from unmask_shared.job_store import SCAN_BUDGET, Position, RedisJobStore, VideoSummary, Wanted
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import restore_view, write_document
from unmask_shared.videos import ModelRef, Status, Verdict

EVERYTHING = Wanted()


def walk(
    jobs: RedisJobStore, wanted: Wanted = EVERYTHING, *, limit: int = 10, owner: str | None = None
) -> list[str]:
    """Ids of all pages."""
    found: list[str] = []
    place = None
    while True:
        page = jobs.catalogue.page(wanted, limit=limit, after=place, owner=owner)
        assert len(page.videos) <= limit
        found += [video.id for video in page.videos]
        place = page.next_place
        if place is None:
            return found


def only(jobs: RedisJobStore) -> VideoSummary:
    (video,) = jobs.catalogue.page(EVERYTHING, limit=10).videos
    return video


def seconds(count: float) -> datetime:
    return CREATED_AT + timedelta(seconds=count)


# --- what is shown ---------------------------------------------------------------------------


def test_a_video_is_listed_from_its_acceptance_to_its_verdict(job_store: RedisJobStore) -> None:
    job_store.accept(record_of("a", filename="Bär.mp4"))
    expected = VideoSummary(
        id="a",
        status=Status.QUEUED,
        progress=0.0,
        created_at=CREATED_AT,
        filename="Bär.mp4",
        bytes=1,
        verdict=None,
        fake_probability=None,
        model=None,
    )
    assert only(job_store) == expected
    job_store.advance("a", Status.INFERRING, 0.7)
    assert (only(job_store).status, only(job_store).progress) == (Status.INFERRING, 0.7)
    job_store.advance("a", Status.PREPROCESSING, 0.9)  # by a worker that is late
    assert (only(job_store).status, only(job_store).progress) == (Status.INFERRING, 0.7)
    result = result_of("a")
    scored = result.result.model_copy(
        update={"verdict": Verdict.FAKE, "fake_probability": 0.1 + 0.2, "reason": None}
    )
    job_store.complete("a", result.model_copy(update={"result": scored}))
    video = only(job_store)
    assert (video.status, video.progress) == (Status.COMPLETED, 1.0)
    assert (video.verdict, video.fake_probability) == (Verdict.FAKE, 0.1 + 0.2)
    assert video.model == ModelRef(name="resnet-lstm", version="1")


def test_a_finished_video_is_listed_though_its_view_has_expired(
    job_store: RedisJobStore, local_store: LocalObjectStore, redis_url: str
) -> None:
    write_document(local_store, record_key("a"), record_of("a"))
    write_document(local_store, result_key("a"), result_of("a"))
    restore_view(local_store, job_store, "a")
    before = only(job_store)
    with redis.Redis.from_url(redis_url) as client:
        assert client.delete("unmask:video:a")
        assert client.ttl("unmask:summary:a") == -1
    assert only(job_store) == before
    finished = Position(status=Status.COMPLETED, progress=1.0)
    assert job_store.catalogue.positions(["a", "b"]) == [finished, None]
    restore_view(local_store, job_store, "a")
    assert only(job_store) == before


def test_an_erased_video_is_listed_no_more(
    job_store: RedisJobStore, local_store: LocalObjectStore, redis_url: str
) -> None:
    for video_id in ("a", "b"):
        job_store.accept(record_of(video_id, owner="k1"))
    erase_video(local_store, job_store, "a")
    job_store.accept(record_of("a", owner="k1"))
    assert walk(job_store) == walk(job_store, owner="k1") == ["b"]
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists("unmask:summary:a")


def test_a_view_without_its_record_is_not_listed(job_store: RedisJobStore) -> None:
    job_store.advance("a", Status.INFERRING, 0.7)
    assert walk(job_store) == []
    assert job_store.catalogue.positions(["a"]) == [None]
    job_store.accept(record_of("a"))
    assert (only(job_store).status, only(job_store).progress) == (Status.INFERRING, 0.7)


# --- order and pages -------------------------------------------------------------------------


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.integers(0, 5), max_size=25),
    limit=st.integers(1, 7),
    erased=st.sets(st.integers(0, 24)),
)
def test_pages_hold_each_video_once_newest_first(
    job_store: RedisJobStore,
    valkey: ValkeyServer,
    moments: list[int],
    limit: int,
    erased: set[int],
) -> None:
    valkey.flush()
    videos = [(seconds(moment), f"{number:02d}") for number, moment in enumerate(moments)]
    for created_at, video_id in videos:
        job_store.accept(record_of(video_id, created_at=created_at))
    for number in erased:
        job_store.erase(f"{number:02d}")
    left = [video for video in videos if int(video[1]) not in erased]
    assert walk(job_store, limit=limit) == [video_id for _, video_id in sorted(left, reverse=True)]


def test_what_comes_and_goes_between_pages_moves_no_other_video(job_store: RedisJobStore) -> None:
    for number in range(6):
        job_store.accept(record_of(str(number), created_at=seconds(number)))
    first = job_store.catalogue.page(EVERYTHING, limit=2)
    assert [video.id for video in first.videos] == ["5", "4"]
    job_store.accept(record_of("6", created_at=seconds(6)))
    job_store.erase("4")  # the one that the page ended with
    job_store.erase("3")
    second = job_store.catalogue.page(EVERYTHING, limit=2, after=first.next_place)
    assert [video.id for video in second.videos] == ["2", "1"]


def test_the_last_page_is_known_to_be_the_last(job_store: RedisJobStore) -> None:
    for number in range(4):
        job_store.accept(record_of(str(number), created_at=seconds(number)))
    page = job_store.catalogue.page(EVERYTHING, limit=2)
    assert page.next_place is not None
    assert job_store.catalogue.page(EVERYTHING, limit=2, after=page.next_place).next_place is None


def test_a_page_costs_the_same_however_few_videos_are_wanted(
    job_store: RedisJobStore, redis_url: str
) -> None:
    count = 2 * SCAN_BUDGET + 10
    for number in range(count):
        name = "needle.mp4" if number == 3 else "hay.mp4"
        job_store.accept(record_of(f"{number:05d}", created_at=seconds(number), filename=name))
    needle = Wanted(filename="NEEDLE")
    sizes: list[int] = []
    place: str | None = None
    with redis.Redis.from_url(redis_url) as client:
        while not sizes or place:
            before = client.info("commandstats").get("cmdstat_hgetall", {}).get("calls", 0)
            page = job_store.catalogue.page(needle, limit=5, after=place)
            after = client.info("commandstats")["cmdstat_hgetall"]["calls"]
            assert after - before <= SCAN_BUDGET
            sizes.append(len(page.videos))
            place = page.next_place
    assert sizes == [0, 0, 1]


# --- filters ---------------------------------------------------------------------------------


@pytest.fixture
def mixed(job_store: RedisJobStore) -> RedisJobStore:
    """Videos a to e, one a second, in different states."""
    names = {"a": "Holiday.MP4", "b": "straße.mp4", "c": "x.mp4", "d": "x.mp4", "e": "x.mp4"}
    for number, (video_id, name) in enumerate(names.items()):
        owner = "k1" if video_id in "ac" else None
        job_store.accept(
            record_of(video_id, created_at=seconds(number), filename=name, owner=owner)
        )
    job_store.complete("a", result_of("a"))
    job_store.fail("b", FAILURE)
    job_store.cancel("c")
    job_store.advance("d", Status.PREPROCESSING, 0.2)
    return job_store


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(statuses=frozenset({Status.FAILED})), "b"),
        (Wanted(statuses=frozenset({Status.CANCELLED, Status.PREPROCESSING})), "dc"),
        (Wanted(verdicts=frozenset({Verdict.INCONCLUSIVE})), "a"),
        (Wanted(verdicts=frozenset({Verdict.FAKE})), ""),
        (Wanted(filename="holi"), "a"),
        (Wanted(filename="STRASSE"), "b"),
        (Wanted(created_after=seconds(2)), "edc"),
        (Wanted(created_before=seconds(2)), "ba"),
        (Wanted(created_after=seconds(1), created_before=seconds(3)), "cb"),
        (Wanted(created_after=seconds(3), created_before=seconds(1)), ""),
        (Wanted(created_after=datetime.min.replace(tzinfo=CREATED_AT.tzinfo)), "edcba"),
        (Wanted(created_before=datetime.max.replace(tzinfo=CREATED_AT.tzinfo)), "edcba"),
        (Wanted(filename="x", statuses=frozenset({Status.QUEUED})), "e"),
    ],
)
def test_filters_let_through_what_they_name(
    mixed: RedisJobStore, wanted: Wanted, expected: str
) -> None:
    for limit in (1, 10):
        assert "".join(walk(mixed, wanted, limit=limit)) == expected


def test_owners_have_lists_of_their_own(mixed: RedisJobStore) -> None:
    assert walk(mixed, owner="k1") == ["c", "a"]
    assert walk(mixed, owner="k2") == []


def test_the_oldest_are_found_up_to_a_moment(mixed: RedisJobStore) -> None:
    assert mixed.catalogue.oldest(created_before=seconds(2), limit=10) == ["a", "b"]
    assert mixed.catalogue.oldest(created_before=seconds(2), limit=1) == ["a"]
    assert mixed.catalogue.oldest(created_before=CREATED_AT, limit=10) == []
