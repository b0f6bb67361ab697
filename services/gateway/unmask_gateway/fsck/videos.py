"""Checks one video: its documents against each other, and Redis against them."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel

from unmask_gateway.fsck.findings import Finding, Kind
from unmask_gateway.fsck.mending import Mender, view_of
from unmask_gateway.fsck.stored import StoredVideo, read
from unmask_gateway.webhooks.documents import Delivery
from unmask_shared.artifacts import (
    FacesManifest,
    cancellation_key,
    faces_key,
    failure_key,
    record_key,
    result_key,
    source_key,
    video_prefix,
    webhook_key,
    webhook_log_key,
)
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.videos import Cancellation, Failure, Status, VideoRecord, VideoResult

_OVERDUE = timedelta(hours=1)
_SINGLE = ("record.json", "source", "faces.json", "result.json", "failure.json", "cancelled.json")


class VideoCheck:
    """Looks at videos one by one."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        jobs: RedisJobStore,
        mender: Mender,
        in_broker: Callable[[], set[str]],
        stuck_after: timedelta,
        remains_patience: timedelta,
        deep: bool,
    ) -> None:
        """Prepare to look.

        Args:
            store: Has the videos.
            jobs: Their live views.
            mender: Mends them.
            in_broker: Tells which videos have a message.
            stuck_after: By then the sweeper has queued what nobody works on.
            remains_patience: By then an upload has its record.
            deep: Whether sources are read and compared with their hashes.
        """
        self._store = store
        self._jobs = jobs
        self._mender = mender
        self._in_broker = in_broker
        self._stuck_after = stuck_after
        self._remains_patience = remains_patience
        self._deep = deep

    def look(self, video: StoredVideo) -> Iterator[Finding]:
        """Yield what is wrong with a video at this moment."""
        if record_key(video.id) not in video.objects:
            yield from self._without_record(video)
            return
        record = read(self._store, record_key(video.id), VideoRecord)
        if record.damage:
            yield Finding(
                kind=Kind.RECORD_UNREADABLE,
                subject=video.id,
                detail=record.damage,
                mend=partial(self._mender.write_record, video.id),
            )
        if record.document is None:
            return
        damaged = list(self._damaged_outcomes(video))
        yield from damaged
        yield from self._source(video, record.document)
        status, result = self._ending(video)
        yield from self._webhook(video, record.document, ended=status is not None)
        if not self._jobs.is_leased(video.id):
            yield from self._faces(video, status, result)
            if not damaged:
                yield from self._in_redis(video, record.document, status)

    def _without_record(self, video: StoredVideo) -> Iterator[Finding]:
        if video.age < self._remains_patience or self._jobs.is_leased(video.id):
            return
        if source_key(video.id) in video.objects and view_of(self._jobs, video.id) is not None:
            yield Finding(
                kind=Kind.RECORD_MISSING,
                subject=video.id,
                detail="The record is gone, though Redis and the file are there.",
                mend=partial(self._mender.write_record, video.id),
            )
            return
        yield Finding(
            kind=Kind.REMAINS,
            subject=video.id,
            detail=f"{len(video.objects)} objects without a record.",
            mend=partial(self._mender.erase_remains, video.id),
        )

    def _damaged_outcomes(self, video: StoredVideo) -> Iterator[Finding]:
        kinds: dict[str, type[BaseModel]] = {
            cancellation_key(video.id): Cancellation,
            result_key(video.id): VideoResult,
            failure_key(video.id): Failure,
        }
        for key, kind in kinds.items():
            if key not in video.objects or not (damage := read(self._store, key, kind).damage):
                continue
            yield Finding(
                kind=Kind.OUTCOME_UNREADABLE,
                subject=video.id,
                detail=damage,
                # That it is there says all that it can say.
                mend=partial(
                    self._mender.write_cancellation, video.id, video.objects[key].modified_at
                )
                if kind is Cancellation
                else partial(self._mender.replace_outcome, video.id, key),
            )

    def _ending(self, video: StoredVideo) -> tuple[Status | None, VideoResult | None]:
        if cancellation_key(video.id) in video.objects:
            return Status.CANCELLED, None
        if result := read(self._store, result_key(video.id), VideoResult).document:
            return Status.COMPLETED, result
        if read(self._store, failure_key(video.id), Failure).document:
            return Status.FAILED, None
        return None, None

    def _source(self, video: StoredVideo, record: VideoRecord) -> Iterator[Finding]:
        entry = video.objects.get(source_key(video.id))
        if entry is None:
            yield Finding(
                kind=Kind.SOURCE_MISSING,
                subject=video.id,
                detail=f"The file {record.upload.filename!r} is gone.",
            )
            return
        wrong = None
        if entry.bytes != record.upload.bytes:
            wrong = f"The file has {entry.bytes} bytes, {record.upload.bytes} were sent."
        elif self._deep and self._sha256(entry.key, entry.bytes) != record.upload.sha256:
            wrong = "The file's SHA-256 is not that of what was sent."
        if wrong:
            yield Finding(kind=Kind.SOURCE_DIFFERS, subject=video.id, detail=wrong)

    def _sha256(self, key: str, size: int) -> str:
        digest = hashlib.sha256()
        for piece in self._store.read_range(key, start=0, length=size):
            digest.update(piece)
        return digest.hexdigest()

    def _faces(
        self, video: StoredVideo, status: Status | None, result: VideoResult | None
    ) -> Iterator[Finding]:
        prefix = video_prefix(video.id)
        strange = [
            key
            for key in video.objects
            if key.removeprefix(prefix) not in {*_SINGLE, "webhook.json"}
            and not key.startswith((f"{prefix}faces/", f"{prefix}heatmaps/"))
        ]
        for key in strange:
            yield Finding(kind=Kind.ORPHANED_OBJECT, subject=key, detail="Nothing names it.")
        if faces_key(video.id) not in video.objects:
            return
        manifest = read(self._store, faces_key(video.id), FacesManifest)
        named: set[str | None] = set()
        if manifest.document:
            for track in manifest.document.tracks:
                named |= {track.crops, track.thumbnail, track.landmarks}
        missing = sorted(key for key in named if key is not None and key not in video.objects)
        damage = manifest.damage or (f"It names {missing[0]}, which is gone." if missing else None)
        if damage:
            # What failed or was cancelled needs no faces any more.
            if status in {None, Status.COMPLETED}:
                again = partial(self._mender.start_again, video.id, without=(faces_key(video.id),))
                yield Finding(
                    kind=Kind.FACES_INCOMPLETE,
                    subject=video.id,
                    detail=damage,
                    mend=again if status is None else None,
                )
            return
        if result:
            named |= {map_.picture for face in result.result.faces for map_ in face.heatmaps}
        ours = (f"{prefix}faces/", f"{prefix}heatmaps/") if result else (f"{prefix}faces/",)
        orphans = [key for key in video.objects if key.startswith(ours) and key not in named]
        if orphans:
            yield Finding(
                kind=Kind.ORPHANED_OBJECT,
                subject=video.id,
                detail=f"{len(orphans)} pictures that nothing names, such as {orphans[0]}.",
                mend=partial(self._mender.erase_objects, video.id, orphans),
            )

    def _webhook(
        self, video: StoredVideo, record: VideoRecord, *, ended: bool
    ) -> Iterator[Finding]:
        if record.webhook_url is None:
            return
        log_key = webhook_log_key(video.id)
        delivery = read(self._store, log_key, Delivery)
        if delivery.document and delivery.document.next_attempt_at is None:
            return
        if delivery.damage or not self._store.exists(webhook_key(video.id)):
            yield Finding(
                kind=Kind.WEBHOOK_LOST,
                subject=video.id,
                detail=delivery.damage or "A message is to be sent, and no gateway knows.",
                mend=partial(
                    self._mender.expect_webhook,
                    video.id,
                    without=(log_key,) if delivery.damage else (),
                ),
            )
            return
        due = delivery.document.next_attempt_at if delivery.document else None
        waiting = datetime.now(UTC) - due if due else video.age
        if ended and waiting > _OVERDUE:
            yield Finding(
                kind=Kind.WEBHOOK_OVERDUE,
                subject=video.id,
                detail=f"Its message is due for {waiting.total_seconds() / 3600:.0f} h: run a "
                "gateway with UNMASK_WEBHOOK_SECRET.",
            )

    def _in_redis(
        self, video: StoredVideo, record: VideoRecord, ending: Status | None
    ) -> Iterator[Finding]:
        is_young = video.age < self._stuck_after
        [position] = self._jobs.catalogue.positions([video.id])
        view = view_of(self._jobs, video.id)
        shown = {at.status for at in (position, view) if at is not None}
        told = ", ".join(sorted(shown)) or "nothing"
        final = sorted(status for status in shown if status.is_final)
        if ending is None and final:
            if Status.CANCELLED in final:
                mend = partial(self._mender.write_cancellation, video.id, datetime.now(UTC))
            else:
                mend = partial(self._mender.write_outcome, video.id)
            yield Finding(
                kind=Kind.OUTCOME_MISSING,
                subject=video.id,
                detail=f"Redis says {told}, the store has no outcome.",
                mend=mend,
            )
            return
        is_listed = position is not None and self._jobs.catalogue.holds(record)
        agrees = shown == {ending} if ending else len(shown) <= 1
        if (not is_listed and not is_young) or (shown and not agrees):
            yield Finding(
                kind=Kind.VIEW_DISAGREES,
                subject=video.id,
                detail=f"Redis says {told}, the store {ending or 'that it has not ended'}."
                if is_listed
                else "No list shows it.",
                mend=partial(self._mender.show_again, video.id),
            )
        if ending is None and not is_young:
            yield from self._stuck(video)

    def _stuck(self, video: StoredVideo) -> Iterator[Finding]:
        idle_s = self._jobs.idle_s(video.id)
        if idle_s is not None and idle_s < self._stuck_after.total_seconds():
            return
        if video.id in self._in_broker():
            return
        yield Finding(
            kind=Kind.JOB_STUCK,
            subject=video.id,
            detail="It has not ended, nobody works on it, and no message is about it.",
            mend=partial(self._mender.queue, video.id),
        )
