"""The form of what the API returns."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from unmask_shared.job_store import (
    MARK_ACCEPTED,
    MARK_INFERRING,
    MARK_PREPROCESSED,
    MARK_PREPROCESSING,
    JobState,
)
from unmask_shared.videos import (
    AnalysisOptions,
    FaceResult,
    Failure,
    ModelRef,
    Result,
    Status,
    Timings,
    VideoRecord,
)

EXAMPLE_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"

_UNTIL_KNOWN = "Null until it is known, from the end of preprocessing on."

QUEUED_EXAMPLE: Final[dict[str, Any]] = {
    "id": EXAMPLE_ID,
    "status": "queued",
    "progress": 0.0,
    "created_at": "2026-05-04T09:30:00Z",
    "source": {
        "filename": "clip.mp4",
        "bytes": 1843200,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "duration_s": None,
        "fps": None,
        "width": None,
        "height": None,
        "frames": None,
    },
    "options": {
        "face_mode": "faces",
        "keep_faceless_frames": False,
        "landmark_overlays": True,
        "heatmaps": True,
        "model": None,
    },
    "model": {"name": "resnet-lstm", "version": "0.2.0"},
    "analysis_of": None,
    "result": None,
    "failure": None,
    "timings_ms": {"queued": None, "preprocessing": None, "inferring": None},
}

COMPLETED_EXAMPLE: Final[dict[str, Any]] = QUEUED_EXAMPLE | {
    "status": "completed",
    "progress": 1.0,
    "source": QUEUED_EXAMPLE["source"]
    | {"duration_s": 10.0, "fps": 30.0, "width": 1280, "height": 720, "frames": 300},
    "result": {
        "verdict": "fake",
        "fake_probability": 0.97,
        "reason": None,
        "faces": [
            {
                "track_id": 0,
                "fake_probability": 0.97,
                "reason": None,
                "start_s": 0.0,
                "end_s": 10.0,
                "segments": [
                    {"start_s": 0.0, "end_s": 0.533, "fake_probability": 0.98, "reason": None},
                    {
                        "start_s": 2.367,
                        "end_s": 2.9,
                        "fake_probability": None,
                        "reason": "faces_too_blurred",
                    },
                ],
                "thumbnail": f"/videos/{EXAMPLE_ID}/faces/0/thumbnail",
                "landmarks": f"/videos/{EXAMPLE_ID}/faces/0/landmarks",
                "heatmaps": [
                    {
                        "picture": f"/videos/{EXAMPLE_ID}/heatmaps/0/0",
                        "frame": 9,
                        "time_s": 0.3,
                        "box": {"x": 512.0, "y": 180.5, "width": 210.0, "height": 210.0},
                    }
                ],
            }
        ],
        "coverage": {
            "policy": "clips",
            "clips": 5,
            "frames": 80,
            "missing_frames": 0,
            "sampled_s": 2.667,
            "longest_gap_s": 1.833,
        },
    },
    "timings_ms": {"queued": 40, "preprocessing": 2150, "inferring": 1310},
}

FAILED_EXAMPLE: Final[dict[str, Any]] = QUEUED_EXAMPLE | {
    "status": "failed",
    "progress": 0.1,
    "failure": {
        "code": "no_video_stream",
        "title": "The file has no video stream",
        "detail": "The file holds 1 stream: audio.",
        "action": "Send a file with pictures; sound alone cannot be analysed.",
        "retryable": False,
    },
}


CANCELLED_EXAMPLE: Final[dict[str, Any]] = QUEUED_EXAMPLE | {
    "status": "cancelled",
    "progress": 0.3,
    "timings_ms": {"queued": 40, "preprocessing": None, "inferring": None},
}


class Source(BaseModel):
    """The uploaded file, and what decoding found out about it."""

    model_config = ConfigDict(frozen=True)

    filename: str
    bytes: int
    sha256: str
    duration_s: Annotated[float | None, Field(description=_UNTIL_KNOWN)]
    fps: Annotated[float | None, Field(description=_UNTIL_KNOWN)]
    width: Annotated[int | None, Field(description=_UNTIL_KNOWN)]
    height: Annotated[int | None, Field(description=_UNTIL_KNOWN)]
    frames: Annotated[int | None, Field(description=_UNTIL_KNOWN)]


class Video(BaseModel):
    """A video, where it stands, and what came out."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={"examples": [QUEUED_EXAMPLE, COMPLETED_EXAMPLE, FAILED_EXAMPLE]},
    )

    id: str
    status: Status
    progress: Annotated[float, Field(ge=0, le=1, description="It only grows.")]
    created_at: datetime
    source: Source
    options: Annotated[AnalysisOptions, Field(description="What was asked for.")]
    model: Annotated[
        ModelRef | None,
        Field(
            description="The model that judges it: the one that was chosen, or that was active "
            "when the video was accepted. If the workers have refused that one since, the one that "
            "judged instead. Null where no model was known yet."
        ),
    ]
    analysis_of: Annotated[
        str | None,
        Field(description="Id of the video whose file is analysed again; null for an upload."),
    ]
    result: Annotated[Result | None, Field(description="Set when the status is `completed`.")]
    failure: Annotated[Failure | None, Field(description="Set when the status is `failed`.")]
    timings_ms: Timings

    @classmethod
    def of(cls, state: JobState) -> Self:
        """The video as its live view describes it."""
        outcome = state.result
        record, upload = state.record, state.record.upload
        info = outcome.video if outcome else state.info
        return cls(
            id=record.id,
            status=state.status,
            progress=state.progress,
            created_at=record.created_at,
            source=Source(
                filename=upload.filename,
                bytes=upload.bytes,
                sha256=upload.sha256,
                duration_s=info.duration_s if info else None,
                fps=info.fps if info else None,
                width=info.width if info else None,
                height=info.height if info else None,
                frames=info.frames if info else None,
            ),
            options=record.options,
            model=outcome.model if outcome else record.model,
            analysis_of=record.analysis_of,
            result=_with_pictures(record.id, outcome.result) if outcome else None,
            failure=state.failure,
            timings_ms=outcome.timings_ms if outcome else _timings(state.marks),
        )

    @classmethod
    def just_accepted(cls, record: VideoRecord) -> Self:
        """The video as it stands right after its upload."""
        return cls.of(
            JobState(record=record, status=Status.QUEUED, progress=0.0, marks={}, waiting=False)
        )


def thumbnail_path(video_id: str, track_id: int) -> str:
    """URL path of the picture of one face."""
    return f"/videos/{video_id}/faces/{track_id}/thumbnail"


def landmarks_path(video_id: str, track_id: int) -> str:
    """URL path of the picture of one face with its landmarks."""
    return f"/videos/{video_id}/faces/{track_id}/landmarks"


def heatmap_path(video_id: str, track_id: int, number: int) -> str:
    """URL path of one heatmap of a face."""
    return f"/videos/{video_id}/heatmaps/{track_id}/{number}"


def _with_pictures(video_id: str, result: Result) -> Result:
    def with_pictures(face: FaceResult) -> FaceResult:
        paths: dict[str, Any] = {"thumbnail": thumbnail_path(video_id, face.track_id)}
        if face.landmarks is not None:
            paths["landmarks"] = landmarks_path(video_id, face.track_id)
        paths["heatmaps"] = tuple(
            one.model_copy(update={"picture": heatmap_path(video_id, face.track_id, number)})
            for number, one in enumerate(face.heatmaps)
        )
        return face.model_copy(update=paths)

    return result.model_copy(update={"faces": tuple(map(with_pictures, result.faces))})


def _timings(marks: dict[str, float]) -> Timings:
    """What is known of the timings before there is a result."""

    def between(start: str, end: str) -> int | None:
        if start not in marks or end not in marks:
            return None
        return max(0, round((marks[end] - marks[start]) * 1000))

    waits = [between(MARK_ACCEPTED, MARK_PREPROCESSING), between(MARK_PREPROCESSED, MARK_INFERRING)]
    known_waits = [wait for wait in waits if wait is not None]
    return Timings(
        queued=sum(known_waits) if known_waits else None,
        preprocessing=between(MARK_PREPROCESSING, MARK_PREPROCESSED),
        inferring=None,
    )
