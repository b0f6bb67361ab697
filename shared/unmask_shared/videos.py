"""The domain: a video, where it stands, and what was found out about its faces."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from unmask_shared.artifacts import BoundingBox, Coverage, FaceMode, VideoInfo
from unmask_shared.errors import UnmaskError

Probability = Annotated[float, Field(ge=0, le=1)]

MODEL_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,127}/[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}$"
"""A published version of a model, `NAME/VERSION`, as `unmask_shared.model_versions` allows it."""

MAX_MODEL_LENGTH: Final = 257


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


class Reason(StrEnum):
    """Why a verdict is inconclusive, or why a face or a segment was not judged."""

    NO_FACE_FOUND = "no_face_found"
    NO_FACE_MODEL = "no_face_model"
    NO_FULL_FRAME_MODEL = "no_full_frame_model"
    FACES_TOO_SMALL = "faces_too_small"
    FACES_TOO_BLURRED = "faces_too_blurred"
    TOO_LITTLE_USABLE = "too_little_usable"
    SCORE_IN_BAND = "score_in_band"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Upload(_Document):
    """The file as it was sent."""

    filename: Annotated[str, Field(max_length=255)]
    content_type: str
    bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ModelRef(_Document):
    """The checkpoint that judges, or has judged, a video."""

    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME/VERSION`, the form in which callers choose a model."""
        name, _, version = text.partition("/")
        return cls(name=name, version=version)

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class AnalysisOptions(_Document):
    """What the caller of POST /videos may choose."""

    face_mode: Annotated[
        FaceMode,
        Field(
            description="What is judged: aligned crops of each face (`faces`), or whole pictures "
            "(`full_frame`), which needs a checkpoint that was trained on them; without one the "
            "verdict is `inconclusive` with the reason `no_full_frame_model`.",
            examples=["faces", "full_frame"],
        ),
    ] = "faces"
    keep_faceless_frames: Annotated[
        bool,
        Field(
            description="With `face_mode=full_frame`, also judge pictures that show no face; they "
            "are left out otherwise. Accepted without effect with `face_mode=faces`.",
            examples=[False],
        ),
    ] = False
    landmark_overlays: Annotated[
        bool,
        Field(
            description="Draw the 68 landmarks of each face on a picture of it, unless the "
            "operator turned that off. They come from dlib's model, trained on iBUG 300-W, whose "
            "licence excludes commercial use. The verdict does not depend on them. Accepted "
            "without effect with `face_mode=full_frame`.",
            examples=[True],
        ),
    ] = False
    heatmaps: Annotated[
        bool,
        Field(
            description="Draw where the network sees signs of a forgery on the most telling frames "
            "of each face that is judged, unless the operator turned that off. The verdict does "
            "not depend on it.",
            examples=[True],
        ),
    ] = False
    model: Annotated[
        str | None,
        Field(
            pattern=MODEL_PATTERN,
            max_length=MAX_MODEL_LENGTH,
            description="Which published model judges, as `NAME/VERSION`; GET /models lists them. "
            "By default the one that is active when the video is accepted.",
            examples=["resnet-lstm/0.2.0"],
        ),
    ] = None


class VideoRecord(_Document):
    """`record.json`: the durable proof that a video was accepted."""

    id: str
    created_at: datetime
    upload: Upload
    options: AnalysisOptions = AnalysisOptions()
    owner: Annotated[
        str | None,
        Field(description="Id of the API key that it came with; None where none was asked for."),
    ] = None
    idempotency: Annotated[
        str | None,
        Field(
            description="Object key of what says that an Idempotency-Key, or an item of a batch, "
            "stands for it."
        ),
    ] = None
    webhook_url: Annotated[
        str | None, Field(description="Where a message is sent when it has ended.")
    ] = None
    model: Annotated[
        ModelRef | None,
        Field(
            description="The version that judges it, whatever is activated later; None where "
            "nobody knew any at that moment, and for the one that is active when it is judged."
        ),
    ] = None
    analysis_of: Annotated[
        str | None, Field(description="The video that the same file was sent as.")
    ] = None
    trace: Annotated[
        str | None,
        Field(description="W3C `traceparent` of the request that brought it, if that was traced."),
    ] = None
    batch: Annotated[str | None, Field(description="The batch that it came with.")] = None


class Segment(_Document):
    """The score of one face over one stretch of time."""

    start_s: Annotated[float, Field(ge=0)]
    end_s: Annotated[float, Field(ge=0)]
    fake_probability: Annotated[
        Probability | None, Field(description="Null where the segment was not judged.")
    ]
    reason: Annotated[
        Reason | None,
        Field(
            description="Why it was not judged: `faces_too_small` or `faces_too_blurred`; null "
            "where it was."
        ),
    ] = None


class Heatmap(_Document):
    """Where the network saw signs of a forgery in one frame of a face."""

    picture: Annotated[
        str, Field(description="URL path of the WebP picture; as stored, its object key.")
    ]
    frame: Annotated[int, Field(ge=0, description="Number of the frame in display order.")]
    time_s: Annotated[float, Field(ge=0)]
    box: Annotated[BoundingBox, Field(description="Where the face is in the frame.")]


class FaceResult(_Document):
    """The score of one face over the whole video."""

    track_id: Annotated[int, Field(ge=0)]
    fake_probability: Annotated[
        Probability | None, Field(description="Null where the face was not judged.")
    ]
    reason: Annotated[
        Reason | None,
        Field(
            description="Why the face was not judged and has no say in the verdict: "
            "`faces_too_small`, `faces_too_blurred` or `too_little_usable`; null where it was."
        ),
    ] = None
    start_s: Annotated[float, Field(ge=0)]
    end_s: Annotated[float, Field(ge=0)]
    segments: tuple[Segment, ...]
    thumbnail: Annotated[str | None, Field(description="URL path of a picture of the face.")] = None
    landmarks: Annotated[
        str | None,
        Field(
            description="URL path of the picture with the landmarks, if there is one; as stored, "
            "its object key."
        ),
    ] = None
    heatmaps: Annotated[
        tuple[Heatmap, ...],
        Field(
            description="The most telling frame of each of the most suspicious segments, the most "
            "suspicious first, if they were asked for."
        ),
    ] = ()


class Result(_Document):
    """The verdict on a video; `fake_probability` is that of its most suspicious face."""

    verdict: Verdict
    fake_probability: Annotated[
        Probability | None, Field(description="Null where no face was judged.")
    ]
    reason: Annotated[
        Reason | None,
        Field(
            description="Why the verdict is inconclusive; null where it is not. `no_face_found`; "
            "`no_face_model` or `no_full_frame_model`: the checkpoint judges something else; "
            "`faces_too_small`, `faces_too_blurred`: no face shows enough; `too_little_usable`: "
            "too few frames of the faces or of the video could be used; `score_in_band`: the "
            "probability lies between the checkpoint's thresholds."
        ),
    ]
    faces: tuple[FaceResult, ...]
    coverage: Annotated[
        Coverage | None, Field(description="Null in results of versions that did not report it.")
    ] = None


class Timings(_Document):
    """How long a video waited and was worked on, in milliseconds; None where it is not known."""

    queued: Annotated[int | None, Field(ge=0, description="Waiting for a worker, both stages.")]
    preprocessing: Annotated[int | None, Field(ge=0)]
    inferring: Annotated[int | None, Field(ge=0)]


class VideoResult(_Document):
    """`result.json`: the outcome of a video that was processed."""

    video_id: str
    video: VideoInfo
    model: ModelRef
    result: Result
    timings_ms: Timings


class ErasedItem(_Document):
    """What is left of an item of a batch whose video was erased, so that it does not come again."""

    erased: Annotated[str, Field(description="Id of the video.")]


class Cancellation(_Document):
    """`cancelled.json`: somebody wanted no result any more."""

    cancelled_at: datetime


class Failure(_Document):
    """`failure.json`: why a video has no result, in the words of the error that ended it."""

    code: str
    title: str
    detail: str
    action: str
    retryable: bool

    @classmethod
    def of(cls, error: UnmaskError) -> Self:
        """The failure that a typed error stands for."""
        return cls(
            code=error.code,
            title=error.title,
            detail=error.detail,
            action=error.action,
            retryable=error.retryable,
        )
