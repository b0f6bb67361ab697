"""Where each artefact of a video lies in the object store, and the form of the face manifest.

Keys are deterministic: a task that runs twice writes the same objects. The manifest
(`faces.json`) and `result.json` are commit markers: whoever sees one may rely on everything that
it names.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

VIDEOS_PREFIX = "videos/"


def video_prefix(video_id: str) -> str:
    """What the keys of all artefacts of a video begin with."""
    return f"{VIDEOS_PREFIX}{video_id}/"


def record_key(video_id: str) -> str:
    """Key of the durable record that says the video was accepted."""
    return f"{video_prefix(video_id)}record.json"


def source_key(video_id: str) -> str:
    """Key of the uploaded file, byte for byte."""
    return f"{video_prefix(video_id)}source"


def faces_key(video_id: str) -> str:
    """Key of the face manifest, written after everything that it names."""
    return f"{video_prefix(video_id)}faces.json"


def crops_key(video_id: str, track_id: int) -> str:
    """Key of one track's lossless crops: a ZIP of PNG files, in the order of the manifest."""
    return f"{video_prefix(video_id)}faces/{track_id:04d}.zip"


def thumbnail_key(video_id: str, track_id: int) -> str:
    """Key of the picture that represents one face, a JPEG."""
    return f"{video_prefix(video_id)}faces/{track_id:04d}.jpg"


def landmarks_key(video_id: str, track_id: int) -> str:
    """Key of the picture of one face with its 68 landmarks, a PNG; only where it was asked for."""
    return f"{video_prefix(video_id)}faces/{track_id:04d}-landmarks.png"


def heatmaps_prefix(video_id: str) -> str:
    """What the keys of a video's heatmaps begin with."""
    return f"{video_prefix(video_id)}heatmaps/"


def heatmap_key(video_id: str, track_id: int, number: int) -> str:
    """Key of one heatmap of a face, a WebP picture; only where they were asked for."""
    return f"{heatmaps_prefix(video_id)}{track_id:04d}-{number:02d}.webp"


def result_key(video_id: str) -> str:
    """Key of the verdict, written last of all."""
    return f"{video_prefix(video_id)}result.json"


def failure_key(video_id: str) -> str:
    """Key of the final failure, in the place of a result."""
    return f"{video_prefix(video_id)}failure.json"


def cancellation_key(video_id: str) -> str:
    """Key of the document that ends a video at its sender's wish; it goes before any outcome."""
    return f"{video_prefix(video_id)}cancelled.json"


def videos_among(keys: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """The videos that the keys belong to, and whether the record of each is among them.

    Args:
        keys: Those of one video stand together.
    """
    for video_id, own in groupby(keys, key=lambda key: key.split("/")[1]):
        # All of them are looked at, whichever is the record.
        yield video_id, record_key(video_id) in set(own)


BATCHES_PREFIX = "batches/"


def batch_prefix(batch_id: str) -> str:
    """What the keys of all that is stored about a batch begin with, but not of its videos."""
    return f"{BATCHES_PREFIX}{batch_id}/"


def batch_key(batch_id: str) -> str:
    """Key of the document that says what a batch is made of, the proof that it was accepted."""
    return f"{batch_prefix(batch_id)}batch.json"


def batch_items_prefix(batch_id: str) -> str:
    """What the keys of the outcomes of a batch's items begin with."""
    return f"{batch_prefix(batch_id)}items/"


def batch_item_key(batch_id: str, number: int) -> str:
    """Key of what became of one item of a batch: a video, or a problem; created once."""
    return f"{batch_items_prefix(batch_id)}{number:04d}.json"


def batch_cancellation_key(batch_id: str) -> str:
    """Key of the document that ends a batch at its sender's wish."""
    return f"{batch_prefix(batch_id)}cancelled.json"


BATCH_KEYS_PREFIX = "batch-keys/"


def batch_idempotency_key(digest: str) -> str:
    """Key of the document that says which batch an Idempotency-Key stands for.

    Args:
        digest: Hash of the key and of its sender, in hexadecimal digits.
    """
    return f"{BATCH_KEYS_PREFIX}{digest}.json"


OPEN_BATCHES_PREFIX = "open-batches/"


def open_batch_key(batch_id: str, owner: str | None) -> str:
    """Key of what says that items of a batch may be without an outcome; it holds the items.

    Args:
        batch_id: The batch.
        owner: Id of the API key that it came with, so that those of a key can be counted.
    """
    of_owner = "" if owner is None else f".{owner}"
    return f"{open_batch_prefix(batch_id)}{of_owner}.json"


BATCH_LISTS_PREFIX = "batch-lists/"


def batch_list_key(batch_id: str, owner: str | None) -> str:
    """Key of what shows a batch in lists; it holds nothing."""
    return f"{batch_list_prefix(owner)}{batch_id}"


def batch_list_prefix(owner: str | None) -> str:
    """What the keys of all batches begin with that came with an API key, or without any."""
    return f"{BATCH_LISTS_PREFIX}{owner or 'everybody'}/"


def open_batch_prefix(batch_id: str) -> str:
    """What that key begins with, whoever the owner is."""
    return f"{OPEN_BATCHES_PREFIX}{batch_id}"


_BATCH_NAME = "batch-"


def batch_webhook_name(batch_id: str) -> str:
    """What stands for a batch where a message is due; a video's id stands for itself."""
    return f"{_BATCH_NAME}{batch_id}"


def batch_named_in(webhook_name: str) -> str | None:
    """Id of the batch that such a name stands for, if any."""
    return webhook_name.removeprefix(_BATCH_NAME) if webhook_name.startswith(_BATCH_NAME) else None


def webhook_log_key(name: str) -> str:
    """Key of the message about the end of a video or batch, with the attempts to deliver it."""
    batch_id = batch_named_in(name)
    return f"{video_prefix(name) if batch_id is None else batch_prefix(batch_id)}webhook.json"


WEBHOOKS_PREFIX = "webhooks/"


def webhook_key(name: str) -> str:
    """Key of what says that a message is due when the video or batch has ended; holds nothing."""
    return f"{WEBHOOKS_PREFIX}{name}"


UPLOADS_PREFIX = "uploads/"


def upload_key(upload_id: str) -> str:
    """Key of the document about a file that a client sends straight to the store."""
    return f"{UPLOADS_PREFIX}{upload_id}/upload.json"


def upload_file_key(upload_id: str) -> str:
    """Key of that file, once all of its parts were joined."""
    return f"{UPLOADS_PREFIX}{upload_id}/file"


IDEMPOTENCY_PREFIX = "idempotency/"


def idempotency_key(digest: str) -> str:
    """Key of the document that says which video an Idempotency-Key stands for.

    Args:
        digest: Hash of the key and of its sender, in hexadecimal digits.
    """
    return f"{IDEMPOTENCY_PREFIX}{digest}.json"


class _Document(BaseModel):
    """Base of what is stored as JSON: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Point = tuple[float, float]

FaceMode = Literal["faces", "full_frame"]
"""What is classified: aligned crops of each face, or whole pictures."""

SamplingPolicy = Literal["clips", "uniform", "all"]
"""Which frames are looked at: runs of consecutive ones spread over the video; single ones at equal
distances; every one."""


class BoundingBox(_Document):
    """An upright rectangle in pixels of the displayed frame; it may reach beyond the frame."""

    x: float
    y: float
    width: Annotated[float, Field(gt=0)]
    height: Annotated[float, Field(gt=0)]

    @property
    def center(self) -> Point:
        """Centre of the box, in pixels."""
        return (self.x + self.width / 2, self.y + self.height / 2)

    def iou(self, other: Self) -> float:
        """Intersection over union with another box, in [0, 1]."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        union = self.width * self.height + other.width * other.height - shared
        return min(1.0, shared / union)  # rounding may carry it beyond


class VideoInfo(_Document):
    """What decoding found out about a video; width and height are those shown, after rotation."""

    duration_s: Annotated[float, Field(ge=0)]
    fps: Annotated[float, Field(ge=0, description="Mean frame rate; 0 when there is one frame.")]
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    frames: Annotated[int, Field(gt=0, description="Counted, not taken from the header.")]
    codec: str
    rotation: Annotated[int, Field(description="Clockwise turn that was applied, in degrees.")] = 0


class Coverage(_Document):
    """How much of a video was looked at."""

    policy: SamplingPolicy
    clips: Annotated[int, Field(ge=0, description="Runs of frames that were sampled.")]
    frames: Annotated[int, Field(ge=0, description="Frames that were decoded and searched.")]
    missing_frames: Annotated[
        int, Field(ge=0, description="Frames that were wanted, but could not be decoded.")
    ]
    sampled_s: Annotated[float, Field(ge=0, description="Seconds that the sampled frames last.")]
    longest_gap_s: Annotated[
        float, Field(ge=0, description="Longest stretch of the video that was not looked at.")
    ]


class FaceFrame(_Document):
    """One face in one frame, or one whole frame."""

    frame: Annotated[int, Field(ge=0, description="Number of the frame in display order.")]
    time_s: Annotated[float, Field(ge=0)]
    clip: Annotated[int, Field(ge=0, description="Sampled clip that the frame belongs to.")]
    box: BoundingBox
    landmarks: Annotated[
        tuple[Point, Point, Point, Point, Point] | None,
        Field(description="Null for whole frames."),
    ]
    detected: Annotated[
        bool,
        Field(
            description="False where the box was interpolated; for a whole frame, False where it "
            "shows no face."
        ),
    ]


class TrackManifest(_Document):
    """One person's face through the video; `frames` are in the order of the stored crops."""

    track_id: Annotated[int, Field(ge=0)]
    crops: Annotated[str, Field(description="Object key of the crops.")]
    thumbnail: Annotated[str, Field(description="Object key of the thumbnail.")]
    landmarks: Annotated[
        str | None, Field(description="Object key of the landmark overlay, if one was asked for.")
    ] = None
    frames: Annotated[tuple[FaceFrame, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _frames_are_in_order(self) -> Self:
        numbers = [frame.frame for frame in self.frames]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"frames of track {self.track_id} are not strictly ascending")
        return self


class FacesManifest(_Document):
    """`faces.json`: every face that the preprocessor found, and how.

    With the face mode `full_frame` there is one track, the whole pictures.
    """

    schema_version: Literal[2] = 2
    video: VideoInfo
    face_mode: FaceMode = "faces"
    detector: str
    crop_size: Annotated[int, Field(gt=0, description="Side of the square crops, in pixels.")]
    crop_margin: Annotated[float, Field(ge=0)]
    clip_length: Annotated[int, Field(gt=0, description="Consecutive frames of a full clip.")]
    frame_step: Annotated[
        int, Field(gt=0, description="Distance of the sampled frames in a clip; 1 is every frame.")
    ] = 1
    coverage: Coverage
    faceless_frames: Annotated[
        tuple[int, ...], Field(description="Numbers of searched frames that show no face.")
    ] = ()
    tracks: tuple[TrackManifest, ...]
