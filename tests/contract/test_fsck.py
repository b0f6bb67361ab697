"""`fsck` finds what was planted, mends what can be mended, and then finds it no more."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from minio import Minio
from real_services import BUCKET, SeaweedServer, ValkeyServer
from sample_documents import FAILURE, record_of, result_of

from unmask_gateway.access.key_store import KEYS_PREFIX, KeyStore
from unmask_gateway.access.keys import Scope
from unmask_gateway.direct_uploads import DirectUpload
from unmask_gateway.fsck.check import Check, Patience
from unmask_gateway.fsck.findings import Finding, Kind, LeftAloneError
from unmask_gateway.idempotency import BoundKey
from unmask_gateway.webhooks.documents import Delivery, DeliveryStatus
from unmask_shared.artifacts import (
    BoundingBox,
    Coverage,
    FaceFrame,
    FacesManifest,
    TrackManifest,
    VideoInfo,
    cancellation_key,
    crops_key,
    faces_key,
    failure_key,
    heatmap_key,
    idempotency_key,
    record_key,
    result_key,
    source_key,
    thumbnail_key,
    upload_key,
    webhook_key,
    webhook_log_key,
)
from unmask_shared.broker import make_celery, queued_videos
from unmask_shared.job_store import RedisJobStore, Wanted
from unmask_shared.object_store import LocalObjectStore, ObjectStore, make_object_store
from unmask_shared.records import read_document, restore_view, write_document
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_shared.videos import Status, Upload, VideoRecord, VideoResult

BYTES = "application/octet-stream"
FILE = b"not really a video"
SHA256 = hashlib.sha256(FILE).hexdigest()
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
HASTE = Patience(
    remains=timedelta(0), write=timedelta(0), upload=timedelta(hours=24), between_looks_s=0.05
)


class System:
    """The stores, and what the services would leave in them."""

    def __init__(
        self, store: ObjectStore, jobs: RedisJobStore, celery: Celery, settings: JobSettings
    ) -> None:
        self.store, self.jobs, self.celery, self.settings = store, jobs, celery, settings

    def check(self, *, deep: bool = False, patience: Patience = HASTE) -> Check:
        return Check(
            store=self.store,
            jobs=self.jobs,
            celery=self.celery,
            settings=self.settings,
            patience=patience,
            deep=deep,
        )

    def findings(self, **options: Any) -> list[Finding]:
        return list(self.check(**options).findings())

    def record(self, video_id: str, **changes: Any) -> VideoRecord:
        record = record_of(video_id).model_copy(
            update={
                "upload": Upload(
                    filename="a.mp4", content_type="video/mp4", bytes=len(FILE), sha256=SHA256
                ),
                **changes,
            }
        )
        self.store.put(source_key(video_id), FILE, content_type="video/mp4")
        write_document(self.store, record_key(video_id), record)
        self.jobs.accept(record)
        return record

    def completed(self, video_id: str, **changes: Any) -> None:
        self.record(video_id, **changes)
        write_document(self.store, result_key(video_id), result_of(video_id))
        self.jobs.complete(video_id, result_of(video_id))

    def faces(self, video_id: str) -> None:
        keys = crops_key(video_id, 0), thumbnail_key(video_id, 0)
        box = BoundingBox(x=0, y=0, width=9, height=9)
        track = TrackManifest(
            track_id=0,
            crops=keys[0],
            thumbnail=keys[1],
            frames=(FaceFrame(frame=0, time_s=0, clip=0, box=box, landmarks=None, detected=True),),
        )
        manifest = FacesManifest(
            video=VideoInfo(duration_s=1, fps=1, width=9, height=9, frames=1, codec="h264"),
            detector="none",
            crop_size=9,
            crop_margin=0,
            clip_length=1,
            coverage=Coverage(
                policy="clips",
                clips=1,
                frames=1,
                missing_frames=0,
                sampled_s=1,
                longest_gap_s=0,
            ),
            tracks=(track,),
        )
        for key in keys:
            self.store.put(key, b"picture", content_type=BYTES)
        write_document(self.store, faces_key(video_id), manifest)

    def damage(self, key: str) -> None:
        self.store.put(key, b'{"half": ', content_type="application/json")

    def let_jobs_get_stuck(self) -> None:
        time.sleep(3 * self.settings.visibility_timeout_s + 0.2)

    @property
    def listed(self) -> set[str]:
        return {video.id for video in self.jobs.catalogue.page(Wanted(), limit=100).videos}


@pytest.fixture
def celery(job_settings: JobSettings) -> Iterator[Celery]:
    with closing(make_celery(job_settings)) as app:
        yield app


@pytest.fixture(params=["local", "s3"])
def system(
    request: pytest.FixtureRequest,
    job_store: RedisJobStore,
    celery: Celery,
    job_settings: JobSettings,
) -> System:
    store: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return System(store, job_store, celery, job_settings)


@pytest.fixture
def local(
    local_store: LocalObjectStore,
    job_store: RedisJobStore,
    celery: Celery,
    job_settings: JobSettings,
) -> System:
    return System(local_store, job_store, celery, job_settings)


def abandon_a_write(system: System, s3_client: Callable[[], Minio]) -> str:
    """Leave what a gateway leaves that is killed during an upload."""
    if isinstance(system.store, LocalObjectStore):
        (system.store._incoming / "tmpdead").write_bytes(b"half a video")
        return "tmpdead"
    client = s3_client()
    key = source_key("v-killed")
    transfer = client._create_multipart_upload(BUCKET, key, {})
    client._upload_part(BUCKET, key, FILE, None, transfer, 1)
    return key


def plant(system: System, redis_client: "redis.Redis") -> dict[Kind, str]:
    """Plant one of each kind beside videos that are well; returns the subjects."""
    store, jobs = system.store, system.jobs
    system.completed("well-1")
    system.faces("well-1")
    system.record("well-2")
    write_document(store, failure_key("well-2"), FAILURE)
    jobs.fail("well-2", FAILURE)
    planted = {}

    name = idempotency_key("a" * 64)
    record = system.record("v-record", idempotency=name)
    bound = BoundKey(fingerprint="f", record=record)
    write_document(store, name, bound)
    jobs.forget("v-record")
    system.damage(record_key("v-record"))
    planted[Kind.RECORD_UNREADABLE] = "v-record"

    system.record("v-no-record")
    store.delete_prefix(record_key("v-no-record"))
    planted[Kind.RECORD_MISSING] = "v-no-record"

    system.completed("v-outcome")
    system.damage(result_key("v-outcome"))
    planted[Kind.OUTCOME_UNREADABLE] = "v-outcome"

    system.completed("v-no-outcome")
    store.delete_prefix(result_key("v-no-outcome"))
    planted[Kind.OUTCOME_MISSING] = "v-no-outcome"

    system.record("v-faces")
    system.faces("v-faces")
    store.delete_prefix(crops_key("v-faces", 0))
    planted[Kind.FACES_INCOMPLETE] = "v-faces"

    system.completed("v-no-source")
    store.delete_prefix(source_key("v-no-source"))
    planted[Kind.SOURCE_MISSING] = "v-no-source"

    system.completed("v-source")
    store.put(source_key("v-source"), FILE[::-1], content_type="video/mp4")
    planted[Kind.SOURCE_DIFFERS] = "v-source"

    system.completed("v-view")
    redis_client.delete("unmask:summary:v-view", "unmask:video:v-view")
    planted[Kind.VIEW_DISAGREES] = "v-view"

    system.record("v-stuck")
    planted[Kind.JOB_STUCK] = "v-stuck"

    jobs.accept(record_of("v-ghost"))
    jobs.fail("v-ghost", FAILURE)
    planted[Kind.GHOST] = "v-ghost"

    store.put(source_key("v-remains"), FILE, content_type="video/mp4")
    planted[Kind.REMAINS] = "v-remains"

    system.completed("v-orphan")
    system.faces("v-orphan")
    store.put(crops_key("v-orphan", 7), b"of an attempt before", content_type=BYTES)
    store.put(heatmap_key("v-orphan", 0, 0), b"of another one", content_type=BYTES)
    planted[Kind.ORPHANED_OBJECT] = "v-orphan"

    upload = DirectUpload(
        id="u-expired",
        created_at=LONG_AGO,
        expires_at=LONG_AGO,
        owner=None,
        filename="a.mp4",
        content_type="video/mp4",
        bytes=9,
        part_bytes=9,
        transfer="gone",
    )
    write_document(store, upload_key("u-expired"), upload)
    planted[Kind.UPLOAD_EXPIRED] = "u-expired"

    dangling = idempotency_key("b" * 64)
    write_document(store, dangling, BoundKey(fingerprint="f", record=record_of("v-nowhere")))
    planted[Kind.IDEMPOTENCY_DANGLING] = dangling

    system.completed("v-hook-lost", webhook_url="https://example.com/")
    planted[Kind.WEBHOOK_LOST] = "v-hook-lost"

    delivery = Delivery(
        id="msg",
        event="video.completed",
        url="https://example.com/",
        created_at=LONG_AGO,
        next_attempt_at=LONG_AGO,
    )
    system.completed("v-hook-due", webhook_url="https://example.com/")
    store.put(webhook_key("v-hook-due"), b"", content_type=BYTES)
    write_document(store, webhook_log_key("v-hook-due"), delivery)
    planted[Kind.WEBHOOK_OVERDUE] = "v-hook-due"

    system.completed("v-hook-stale", webhook_url="https://example.com/")
    store.put(webhook_key("v-hook-stale"), b"", content_type=BYTES)
    done = delivery.model_copy(update={"status": DeliveryStatus.DELIVERED, "next_attempt_at": None})
    write_document(store, webhook_log_key("v-hook-stale"), done)
    planted[Kind.WEBHOOK_STALE] = webhook_key("v-hook-stale")

    KeyStore(store).create("newsroom", frozenset({Scope.READ}))
    planted[Kind.KEY_UNREADABLE] = f"{KEYS_PREFIX}{'0' * 16}.json"
    store.put(planted[Kind.KEY_UNREADABLE], b"{", content_type="application/json")
    return planted


FOR_A_PERSON = {
    Kind.SOURCE_MISSING,
    Kind.SOURCE_DIFFERS,
    Kind.WEBHOOK_OVERDUE,
    Kind.KEY_UNREADABLE,
}


def test_each_kind_is_found_mended_and_found_no_more(
    system: System, redis_url: str, s3_server: SeaweedServer
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        planted = plant(system, client)
    planted[Kind.WRITE_ABANDONED] = abandon_a_write(system, s3_server.client)
    system.let_jobs_get_stuck()
    assert set(planted) == set(Kind)

    found = system.findings(deep=True)
    seen = {(finding.kind, finding.subject) for finding in found}
    # That a job is stuck whose crops are lost is said, too.
    also = {(Kind.JOB_STUCK, "v-faces")}
    assert seen - also == set(planted.items())
    assert {finding.kind for finding in found if finding.mend is None} == FOR_A_PERSON
    for finding in found:
        if finding.mend is not None:
            assert finding.mend()

    left = {(finding.kind, finding.subject) for finding in system.findings(deep=True)}
    assert left == {(kind, planted[kind]) for kind in FOR_A_PERSON}
    unfinished = {"v-stuck", "v-faces", "v-record", "v-no-record"}
    assert queued_videos(system.celery) == unfinished
    assert not system.store.exists(faces_key("v-faces"))
    for video_id in ("v-record", "v-no-record"):
        record = read_document(system.store, record_key(video_id), VideoRecord)
        assert record is not None
        assert record.upload.sha256 == SHA256
    for video_id in ("v-outcome", "v-no-outcome"):
        result = read_document(system.store, result_key(video_id), VideoResult)
        assert result == result_of(video_id)
    assert list(system.store.unfinished()) == []
    assert list(system.store.keys("videos/v-remains/")) == []
    assert system.store.exists(crops_key("v-orphan", 0))
    assert not system.store.exists(crops_key("v-orphan", 7))
    assert {"v-view", "v-record", "well-1"} <= system.listed
    assert "v-ghost" not in system.listed


def test_a_result_that_nobody_remembers_is_worked_out_again(local: System) -> None:
    local.completed("a")
    local.jobs.forget("a")
    restore_view(local.store, local.jobs, "a")
    local.damage(result_key("a"))
    with closing(redis_of(local)) as client:
        client.delete("unmask:video:a")  # as after a week
    (finding,) = local.findings()
    assert finding.kind is Kind.OUTCOME_UNREADABLE
    assert finding.mend is not None
    assert finding.mend() == "queued again"
    assert queued_videos(local.celery) == {"a"}
    state = local.jobs.get("a")
    assert state is not None
    assert state.status is Status.QUEUED
    assert local.store.get(source_key("a")) == FILE


def redis_of(system: System) -> "redis.Redis":
    return redis.Redis.from_url(system.settings.redis_url.get_secret_value())


def test_a_cancellation_that_cannot_be_read_stays_one(local: System) -> None:
    local.record("a")
    local.jobs.cancel("a")
    local.damage(cancellation_key("a"))
    (finding,) = local.findings()
    assert finding.kind is Kind.OUTCOME_UNREADABLE
    assert finding.mend is not None
    finding.mend()
    assert local.findings() == []
    state = restore_view(local.store, local.jobs, "a")
    assert state is not None
    assert state.status is Status.CANCELLED


def test_after_redis_lost_everything_all_is_shown_and_queued_again(
    local: System, valkey: ValkeyServer
) -> None:
    local.completed("a")
    local.record("b", owner="somebody")
    time.sleep(3 * local.settings.visibility_timeout_s + 0.2)
    valkey.flush()
    found = local.findings()
    assert [(finding.kind, finding.subject) for finding in found] == [
        (Kind.VIEW_DISAGREES, "a"),
        (Kind.VIEW_DISAGREES, "b"),
        (Kind.JOB_STUCK, "b"),
    ]
    for finding in found:
        assert finding.mend is not None
        finding.mend()
    assert local.findings() == []
    assert local.listed == {"a", "b"}
    room = local.jobs.rooms.reserve("somebody", "c", size=1, most_bytes=0, most_unfinished=9)
    assert room.unfinished == 1
    assert queued_videos(local.celery) == {"b"}


def test_what_is_on_its_way_is_no_finding(local: System) -> None:
    patience = Patience(
        remains=timedelta(minutes=10),
        write=timedelta(hours=1),
        upload=timedelta(hours=24),
        between_looks_s=0.05,
    )
    local.store.put(source_key("arriving"), FILE, content_type="video/mp4")
    local.record("accepted")
    record = record_of("not-shown-yet")
    local.store.put(source_key(record.id), b"1", content_type="video/mp4")
    write_document(local.store, record_key(record.id), record)
    # Its worker has stored the result and is about to say so.
    local.record("ending")
    local.jobs.acquire_lease("ending", "worker", 30)
    write_document(local.store, result_key("ending"), result_of("ending"))
    (Path(str(local.store._incoming)) / "tmp1").write_bytes(b"half")  # type: ignore[attr-defined]  # the local store
    assert local.findings(patience=patience) == []


def test_a_video_is_left_alone_while_a_worker_is_at_it(local: System) -> None:
    local.record("a")
    local.let_jobs_get_stuck()
    (finding,) = local.findings()
    local.jobs.acquire_lease("a", "worker", 30)
    assert finding.mend is not None
    with pytest.raises(LeftAloneError):
        finding.mend()
    assert queued_videos(local.celery) == set()


def test_a_record_that_nobody_remembers_is_left_with_its_file(local: System) -> None:
    local.completed("a")
    local.jobs.forget("a")
    local.damage(record_key("a"))
    (finding,) = local.findings()
    assert finding.mend is not None
    with pytest.raises(LeftAloneError, match="backup"):
        finding.mend()
    assert local.store.get(source_key("a")) == FILE
    assert local.store.exists(result_key("a"))


# --- the command -------------------------------------------------------------------------------


def run_fsck(
    store: StoreSettings, redis_url: str, *options: str, **settings: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        "UNMASK_REDIS_URL": redis_url,
        "UNMASK_OBJECT_STORE": store.object_store,
        "UNMASK_DATA_DIR": str(store.data_dir),
        "UNMASK_S3_ENDPOINT": store.s3_endpoint,
        "UNMASK_S3_ACCESS_KEY": store.s3_access_key.get_secret_value(),
        "UNMASK_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
        "UNMASK_S3_BUCKET": store.s3_bucket,
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "unmask_gateway", "fsck", *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_the_command_tells_by_its_exit_code_and_line_by_line(
    kind: str,
    redis_url: str,
    job_store: RedisJobStore,
    celery: Celery,
    job_settings: JobSettings,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings = StoreSettings(object_store="local", data_dir=tmp_path)
    if kind == "s3":
        request.getfixturevalue("s3_store")
        settings = request.getfixturevalue("s3_server").settings()
    system = System(make_object_store(settings), job_store, celery, job_settings)
    system.completed("a")
    clean = run_fsck(settings, redis_url)
    assert (clean.returncode, clean.stdout) == (0, "1 videos looked at: 0 findings, 0 mended.\n")

    job_store.accept(record_of("ghost"))
    job_store.fail("ghost", FAILURE)
    found = run_fsck(settings, redis_url)
    assert found.returncode == 1, found.stderr
    assert found.stdout.startswith("ghost  ghost  Redis shows it")
    assert "[--repair mends it]" in found.stdout

    mended = run_fsck(settings, redis_url, "--repair", "--json")
    assert mended.returncode == 1
    first, summary = map(json.loads, mended.stdout.splitlines())
    assert first["kind"] == "ghost"
    assert first["mended"] == "no list shows it any more"
    assert summary == {"summary": {"videos": 1, "found": 1, "mended": 1}}
    assert run_fsck(settings, redis_url).returncode == 0


def test_the_command_says_that_it_could_not_look(tmp_path: Path) -> None:
    settings = StoreSettings(object_store="local", data_dir=tmp_path)
    done = run_fsck(settings, "redis://127.0.0.1:1/0")
    assert done.returncode == 2
    assert "Redis failed" in done.stderr
