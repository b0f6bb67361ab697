"""Face tracks as bytes, for a process that does not trust the one they come from.

The pieces of which tracks are made go first, each as soon as it is known; at the end a JSON header
says which of them make which track. Nothing in all this can be code, everything is checked against
the form of the documents that will be stored, and sizes must add up.
"""

import json
from collections.abc import Callable, Generator
from dataclasses import asdict
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from unmask_shared.artifacts import Coverage, FaceFrame, VideoInfo
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.room import Room

_LENGTH_BYTES: Final = 8
_LARGEST_OVERLAY: Final = 4096
# Far above what the pipeline sends; a guard against numbers that nobody means.
_LONGEST_TEXT: Final = 64 << 20
_LARGEST_PIECE: Final = 1 << 30


class _Track(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    pieces: Annotated[tuple[int, ...], Field(min_length=1)]
    overlay_side: Annotated[int, Field(ge=0, le=_LARGEST_OVERLAY)]


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    video: VideoInfo
    coverage: Coverage
    frame_step: Annotated[int, Field(gt=0)]
    faceless_frames: tuple[int, ...]
    tracks: tuple[_Track, ...]


_Frames: Final = TypeAdapter(Annotated[tuple[FaceFrame, ...], Field(min_length=1)])


def pack_settings(settings: VisionSettings) -> bytes:
    """Settings as JSON."""
    return json.dumps(asdict(settings), default=str).encode()


def unpack_settings(data: bytes) -> VisionSettings:
    """The opposite of `pack_settings`."""
    return TypeAdapter(VisionSettings).validate_json(data)


class FacesWriter:
    """Sends everything but the settings, in parts; pixels are shared."""

    def __init__(self, send: Callable[[bytes | memoryview], None]) -> None:
        """Prepare.

        Args:
            send: Takes the parts, which are to be joined.
        """
        self._send = send
        self._sent: list[FacePiece] = []

    def add(self, piece: FacePiece) -> None:
        """Send a piece of a track."""
        self._send_text(_Frames.dump_json(piece.frames))
        self._send(_bytes_of(piece.crops))
        self._sent.append(piece)

    def finish(self, faces: FaceTracks) -> None:
        """Send what is not known before the end, and pieces that were not sent yet."""
        known = {id(piece) for piece in self._sent}
        for track in faces.tracks:
            for piece in track.pieces:
                if id(piece) not in known:
                    self.add(piece)
        numbers = {id(piece): number for number, piece in enumerate(self._sent)}
        header = _Header(
            video=faces.video,
            coverage=faces.coverage,
            frame_step=faces.frame_step,
            faceless_frames=faces.faceless_frames,
            tracks=tuple(
                _Track(
                    pieces=tuple(numbers[id(piece)] for piece in track.pieces),
                    overlay_side=0 if track.overlay is None else len(track.overlay),
                )
                for track in faces.tracks
            ),
        )
        self._send_text(b"")  # no more pieces
        self._send_text(header.model_dump_json().encode())
        for track in faces.tracks:
            if track.overlay is not None:
                self._send(_bytes_of(track.overlay))

    def _send_text(self, text: bytes) -> None:
        self._send(len(text).to_bytes(_LENGTH_BYTES, "big") + text)


def _bytes_of(pixels: NDArray[np.uint8]) -> memoryview:
    return np.ascontiguousarray(pixels).data.cast("B")


class FacesReader:
    """The opposite of `FacesWriter`, for bytes that come little by little."""

    def __init__(self, settings: VisionSettings) -> None:
        """Prepare.

        Args:
            settings: What the faces were extracted with.
        """
        self._settings = settings
        self._pieces: list[FacePiece] = []
        self._room = Room()
        self._faces: FaceTracks | None = None
        self._parts = self._read()
        self._gap = next(self._parts)  # what has to be filled next

    def feed(self, data: bytes | bytearray) -> list[FacePiece]:
        """Take the next bytes.

        Returns:
            The pieces that are complete now.

        Raises:
            ValueError: The bytes do not have this form.
        """
        rest, before = memoryview(data), len(self._pieces)
        while rest:
            if self._faces is not None:
                raise ValueError(f"{len(rest)} bytes follow the last face")
            count = min(len(rest), len(self._gap))
            self._gap[:count] = rest[:count]
            self._gap, rest = self._gap[count:], rest[count:]
            if not self._gap:
                self._go_on()
        return self._pieces[before:]

    def faces(self) -> FaceTracks:
        """All of them.

        Raises:
            ValueError: Bytes are missing.
        """
        if self._faces is None:
            raise ValueError(f"{len(self._gap)} bytes or more are missing")
        return self._faces

    def _go_on(self) -> None:
        try:
            self._gap = next(self._parts)
        except StopIteration as end:
            self._faces = end.value

    def _read(self) -> Generator[memoryview, None, FaceTracks]:
        """Yields the places of what comes next, and goes on when they are filled."""
        while text := (yield from _read_text()):
            yield from self._read_piece(text)
        text = yield from _read_text()
        try:
            header = _Header.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(f"the header of the faces is not valid: {error}") from error
        chosen = [number for track in header.tracks for number in track.pieces]
        if len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(len(self._pieces))):
            raise ValueError(f"tracks of the pieces {chosen}, of {len(self._pieces)}")
        tracks = []
        for track_id, track in enumerate(header.tracks):
            overlay = None
            if track.overlay_side:
                overlay = np.empty((track.overlay_side, track.overlay_side, 3), np.uint8)
                yield _bytes_of(overlay)
            pieces = tuple(self._pieces[number] for number in track.pieces)
            tracks.append(FaceTrack(track_id=track_id, pieces=pieces, overlay=overlay))
        return FaceTracks(
            video=header.video,
            coverage=header.coverage,
            frame_step=header.frame_step,
            faceless_frames=header.faceless_frames,
            settings=self._settings,
            tracks=tuple(tracks),
        )

    def _read_piece(self, text: bytes) -> Generator[memoryview]:
        try:
            frames = _Frames.validate_json(text)
        except ValidationError as error:
            raise ValueError(f"the frames of a face are not valid: {error}") from error
        side = self._settings.crop_size
        if len(frames) * side * side * 3 > _LARGEST_PIECE:
            raise ValueError(f"a face in {len(frames)} frames at once")
        crops = self._room.take(len(frames), side, side, 3)
        yield _bytes_of(crops)
        self._pieces.append(FacePiece(frames=frames, crops=crops))


def _read_text() -> Generator[memoryview, None, bytes]:
    length = bytearray(_LENGTH_BYTES)
    yield memoryview(length)
    count = int.from_bytes(length, "big")
    if count > _LONGEST_TEXT:
        raise ValueError(f"a text of {count} bytes")
    text = bytearray(count)
    if count:
        yield memoryview(text)
    return bytes(text)


def pack_faces(faces: FaceTracks) -> list[bytes | memoryview]:
    """Everything but the settings, in parts to be sent one after the other."""
    parts: list[bytes | memoryview] = []
    FacesWriter(parts.append).finish(faces)
    return parts


def unpack_faces(data: bytes | bytearray, settings: VisionSettings) -> FaceTracks:
    """The opposite of `pack_faces`.

    Args:
        data: All parts, joined.
        settings: What the faces were extracted with.

    Raises:
        ValueError: The data do not have this form.
    """
    reader = FacesReader(settings)
    reader.feed(data)
    return reader.faces()
