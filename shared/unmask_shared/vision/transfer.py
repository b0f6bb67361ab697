"""Face tracks as bytes, for a process that does not trust the one they come from.

A JSON header says what there is; the pixels follow. Nothing in it can be code, everything is
checked against the form of the documents that will be stored, and sizes must add up.
"""

import json
import math
from dataclasses import asdict
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from unmask_shared.artifacts import Coverage, FaceFrame, VideoInfo
from unmask_shared.vision.face_track import FaceTrack
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings

_LENGTH_BYTES: Final = 8
_LARGEST_OVERLAY: Final = 4096


class _Track(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: Annotated[tuple[FaceFrame, ...], Field(min_length=1)]
    overlay_side: Annotated[int, Field(ge=0, le=_LARGEST_OVERLAY)]


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    video: VideoInfo
    coverage: Coverage
    frame_step: Annotated[int, Field(gt=0)]
    faceless_frames: tuple[int, ...]
    tracks: tuple[_Track, ...]


def pack_settings(settings: VisionSettings) -> bytes:
    """Settings as JSON."""
    return json.dumps(asdict(settings), default=str).encode()


def unpack_settings(data: bytes) -> VisionSettings:
    """The opposite of `pack_settings`."""
    return TypeAdapter(VisionSettings).validate_json(data)


def pack_faces(faces: FaceTracks) -> list[bytes | memoryview]:
    """Everything but the settings, in parts to be sent one after the other; pixels are shared."""
    header = _Header(
        video=faces.video,
        coverage=faces.coverage,
        frame_step=faces.frame_step,
        faceless_frames=faces.faceless_frames,
        tracks=tuple(
            _Track(
                frames=track.frames,
                overlay_side=0 if track.overlay is None else len(track.overlay),
            )
            for track in faces.tracks
        ),
    )
    text = header.model_dump_json().encode()
    parts: list[bytes | memoryview] = [len(text).to_bytes(_LENGTH_BYTES, "big") + text]
    for track in faces.tracks:
        parts.append(_bytes_of(track.crops))
        if track.overlay is not None:
            parts.append(_bytes_of(track.overlay))
    return parts


def _bytes_of(pixels: NDArray[np.uint8]) -> memoryview:
    return np.ascontiguousarray(pixels).data.cast("B")


def unpack_faces(data: bytes | bytearray, settings: VisionSettings) -> FaceTracks:
    """The opposite of `pack_faces`.

    Args:
        data: All parts, joined.
        settings: What the faces were extracted with.

    Raises:
        ValueError: The data do not have this form.
    """
    start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    try:
        header = _Header.model_validate_json(data[_LENGTH_BYTES:start])
    except ValidationError as error:
        raise ValueError(f"the header of the faces is not valid: {error}") from error
    side = settings.crop_size
    tracks = []
    for track_id, track in enumerate(header.tracks):
        crops, start = _pixels(data, start, (len(track.frames), side, side, 3))
        overlay = None
        if track.overlay_side:
            overlay, start = _pixels(data, start, (track.overlay_side, track.overlay_side, 3))
        tracks.append(
            FaceTrack(track_id=track_id, frames=track.frames, crops=crops, overlay=overlay)
        )
    if start != len(data):
        raise ValueError(f"{len(data) - start} bytes follow the last face")
    return FaceTracks(
        video=header.video,
        coverage=header.coverage,
        frame_step=header.frame_step,
        faceless_frames=header.faceless_frames,
        settings=settings,
        tracks=tuple(tracks),
    )


def _pixels(
    data: bytes | bytearray, start: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], int]:
    """An array that shares its memory with the data, and where the next one starts."""
    count = math.prod(shape)
    if start + count > len(data):
        raise ValueError(f"pixels of shape {shape} are missing")
    return np.frombuffer(data, np.uint8, count, start).reshape(shape), start + count
