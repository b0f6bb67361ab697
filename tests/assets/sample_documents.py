"""Documents of videos that never were, valid in every respect."""

from datetime import UTC, datetime

from unmask_shared.artifacts import VideoInfo
from unmask_shared.errors import UnreadableVideo
from unmask_shared.videos import (
    Failure,
    ModelRef,
    Reason,
    Result,
    Timings,
    Upload,
    Verdict,
    VideoRecord,
    VideoResult,
)

FAILURE = Failure.of(UnreadableVideo("The video ends in its header."))


CREATED_AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def record_of(
    video_id: str,
    *,
    created_at: datetime = CREATED_AT,
    filename: str = "clip.mp4",
    owner: str | None = None,
) -> VideoRecord:
    return VideoRecord(
        id=video_id,
        created_at=created_at,
        upload=Upload(filename=filename, content_type="video/mp4", bytes=1, sha256="0" * 64),
        owner=owner,
    )


def result_of(video_id: str) -> VideoResult:
    return VideoResult(
        video_id=video_id,
        video=VideoInfo(duration_s=1, fps=25, width=64, height=48, frames=25, codec="h264"),
        model=ModelRef(name="resnet-lstm", version="1"),
        result=Result(
            verdict=Verdict.INCONCLUSIVE,
            fake_probability=None,
            reason=Reason.NO_FACE_FOUND,
            faces=(),
        ),
        timings_ms=Timings(queued=1, preprocessing=None, inferring=2),
    )
