"""A finished video as a gateway finds it: two faces, 16 segments each."""

import uuid_utils
from sample_documents import record_of, result_of

from unmask_shared.artifacts import Coverage, record_key, result_key
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import write_document
from unmask_shared.videos import FaceResult, Result, Segment, Verdict

SEGMENTS = 16


def keep_queued_video(store: ObjectStore, jobs: RedisJobStore) -> str:
    """Store a video that waits; returns its id."""
    record = record_of(str(uuid_utils.uuid7()))
    write_document(store, record_key(record.id), record)
    jobs.accept(record)
    return record.id


def keep_finished_video(store: ObjectStore, jobs: RedisJobStore) -> str:
    """Store a video with its result; returns its id."""
    video_id = keep_queued_video(store, jobs)
    outcome = result_of(video_id).model_copy(update={"result": _result()})
    write_document(store, result_key(video_id), outcome)
    jobs.complete(video_id, outcome)
    return video_id


def _result() -> Result:
    return Result(
        verdict=Verdict.FAKE,
        fake_probability=0.97,
        reason=None,
        faces=tuple(_face(number) for number in range(2)),
        coverage=Coverage(
            policy="clips",
            clips=SEGMENTS,
            frames=16 * SEGMENTS,
            missing_frames=0,
            sampled_s=8.533,
            longest_gap_s=1.467,
        ),
    )


def _face(number: int) -> FaceResult:
    return FaceResult(
        track_id=number,
        fake_probability=0.97 / (number + 1),
        start_s=0.0,
        end_s=32.0,
        segments=tuple(
            Segment(start_s=2.0 * i, end_s=2.0 * i + 0.533, fake_probability=0.9871 - i / 100)
            for i in range(SEGMENTS)
        ),
    )
