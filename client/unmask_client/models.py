"""What the API returns, as immutable values.

Fields that a newer server adds are ignored. Where words may be added to a list, as with reasons
and codes, the type is `str`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Status(StrEnum):
    """Where a video stands; it only moves down this list, and ends in one of the last three."""

    QUEUED = "queued"
    PREPROCESSING = "preprocessing"
    INFERRING = "inferring"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self in {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


class Verdict(StrEnum):
    """What Unmask says of a video."""

    REAL = "real"
    FAKE = "fake"
    INCONCLUSIVE = "inconclusive"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


FaceMode = Literal["faces", "full_frame"]
"""What is judged: each face, or whole pictures."""


class AnalysisOptions(_Document):
    """What may be asked of an analysis; docs and `/openapi.json` tell what each does."""

    face_mode: FaceMode = "faces"
    keep_faceless_frames: bool = False
    landmark_overlays: bool = False
    heatmaps: bool = False
    model: str | None = None
    """NAME/VERSION of a published model, instead of the active one."""


class AnalysisChanges(_Document):
    """What a second analysis does otherwise than the first; None is as before.

    Only `model` is not kept: where none is named, the active one judges.
    """

    model: str | None = None
    face_mode: FaceMode | None = None
    keep_faceless_frames: bool | None = None
    landmark_overlays: bool | None = None
    heatmaps: bool | None = None


class Source(_Document):
    """The file that was sent; what decoding tells of it is None until it is known."""

    filename: str
    bytes: int
    sha256: str
    duration_s: float | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None


class ModelRef(_Document):
    """A version of a model."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class BoundingBox(_Document):
    """An upright rectangle in pixels of the displayed frame."""

    x: float
    y: float
    width: float
    height: float


class Segment(_Document):
    """The score of one face over one stretch of time; `reason` says why there is none."""

    start_s: float
    end_s: float
    fake_probability: float | None
    reason: str | None = None


class Heatmap(_Document):
    """Where the network saw signs of a forgery; `picture` is a path of the API."""

    picture: str
    frame: int
    time_s: float
    box: BoundingBox


class Face(_Document):
    """One person's face over the whole video; `reason` says why it has no score."""

    track_id: int
    fake_probability: float | None
    reason: str | None = None
    start_s: float
    end_s: float
    segments: tuple[Segment, ...]
    thumbnail: str | None = None
    landmarks: str | None = None
    heatmaps: tuple[Heatmap, ...] = ()


class Coverage(_Document):
    """How much of a video was looked at."""

    policy: str
    clips: int
    frames: int
    missing_frames: int
    sampled_s: float
    longest_gap_s: float


class Result(_Document):
    """The verdict on a video; `fake_probability` is that of its most suspicious face."""

    verdict: Verdict
    fake_probability: float | None
    reason: str | None = None
    faces: tuple[Face, ...]
    coverage: Coverage | None = None


class Failure(_Document):
    """Why a video has no result."""

    code: str
    title: str
    detail: str
    action: str
    retryable: bool


class Timings(_Document):
    """How long a video waited and was worked on, in milliseconds; None where it is not known."""

    queued: int | None = None
    preprocessing: int | None = None
    inferring: int | None = None


class Video(_Document):
    """A video, where it stands, and what came out."""

    id: str
    status: Status
    progress: float
    created_at: datetime
    source: Source
    options: AnalysisOptions = AnalysisOptions()
    model: ModelRef | None = None
    analysis_of: str | None = None
    result: Result | None = None
    failure: Failure | None = None
    timings_ms: Timings = Timings()

    def as_json(self) -> dict[str, Any]:
        """The video as the API gives it, for programs that read JSON."""
        return self.model_dump(mode="json")


class VideoSummary(_Document):
    """A video in a list."""

    id: str
    status: Status
    progress: float
    created_at: datetime
    filename: str
    bytes: int
    verdict: Verdict | None
    fake_probability: float | None
    model: ModelRef | None


class VideoPage(_Document):
    """Some videos of a list, and where it goes on."""

    videos: tuple[VideoSummary, ...]
    next_cursor: str | None


class FileAnalysis(_Document):
    """What came out of a file that was analysed here, without a server."""

    file: str
    status: Status
    source: Source
    model: ModelRef
    result: Result | None = None
    failure: Failure | None = None
