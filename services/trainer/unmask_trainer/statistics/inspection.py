"""What a video file is and how many frames it really has."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unmask_shared.errors import UnmaskError, UnreadableVideo
from unmask_shared.vision.source import DecodeLimits, VideoSource, open_video
from unmask_shared.vision.timeline import TimelineBuilder

# Frames are shown in another order than they are stored, at most 16 places apart (H.264 and HEVC);
# decoder threads hold back a few more.
_LOOKAHEAD: Final = 32
_MICROSECONDS: Final = Fraction(1, av.time_base)


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """How closely to look at a file.

    Attributes:
        decode: Decode every frame, instead of counting packets and decoding one picture.
        digest: Compute the file's SHA-256, which finds duplicates.
        stop_at: Count no further than this many frames.
        limits: Larger pictures and longer videos are refused.
    """

    decode: bool = False
    digest: bool = False
    stop_at: int | None = None
    limits: DecodeLimits = field(
        default_factory=lambda: DecodeLimits(max_pixels=8192 * 8192, max_frames=10_000_000)
    )


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a container claims, None where it does not say; nothing of it is relied upon."""

    frames: int | None
    fps: float | None
    duration_s: float | None


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What was found out about a readable video.

    Attributes:
        container: As `sniff_container` names it.
        codec: FFmpeg's name of the format, e.g. `h264`.
        width: Of the shown picture: after pixel proportions and rotation.
        height: Of the shown picture.
        fps: Mean frame rate by the time stamps of the counted frames; 0 for one frame.
        frames: Counted frames, `stop_at` at most.
        complete: Whether these are all there are.
        duration_s: Until the end of the last frame; None where counting stopped before it.
        decoded_frames: How many of the frames could be decoded; None without `decode`.
        header: The container's own claims.
        sha256: Hexadecimal digest of the file; None without `digest`.
    """

    container: str
    codec: str
    width: int
    height: int
    fps: float
    frames: int
    complete: bool
    duration_s: float | None
    decoded_frames: int | None
    header: Header
    sha256: str | None

    @property
    def usable_frames(self) -> int:
        """The decoded frames where they are known, else the counted ones."""
        return self.frames if self.decoded_frames is None else self.decoded_frames


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a file cannot be read: the code and detail of an `UnmaskError`."""

    code: str
    detail: str

    @classmethod
    def of(cls, error: UnmaskError) -> "Problem":
        """The part of an error that goes into a table."""
        return cls(code=error.code, detail=error.detail)


def inspect_video(path: Path, inspection: Inspection) -> VideoFacts:
    """Read a whole file, or its first `stop_at` frames.

    Raises:
        UnreadableVideo: The file cannot be opened, is damaged, or no frame can be decoded.
        NotAVideo: The first bytes are not those of a known container.
        NoVideoStream: The file has sound or data only.
        VideoTooDemanding: The pictures are larger or more than the limits allow.
    """
    try:
        with path.open("rb") as file, open_video(file, inspection.limits) as source:
            counted = _count(source, inspection)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest() if inspection.digest else None
            return _facts(source, counted, inspection, sha256=sha256)
    except (OSError, av.FFmpegError) as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableVideo(f"The file cannot be read: {reason}.") from error


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """The packets of a stream, how many pictures came out of them, and the first one."""

    frames: TimelineBuilder
    stamps: list[int]
    decoded: int
    first_picture: VideoFrame | None


def _count(source: VideoSource, inspection: Inspection) -> _Counted:
    codec = source.stream.codec_context.name
    frames = TimelineBuilder(max_frames=inspection.limits.max_frames)
    stamps: list[int] = []
    decoded, first_picture = 0, None
    for packet in _packets(source, inspection, frames):
        if inspection.decode or first_picture is None:
            pictures = source.decode(packet)
            decoded += len(pictures)
            first_picture = first_picture or next(iter(pictures), None)
        if packet is not None:
            frames.add(packet, codec=codec)
            if packet.pts is not None:
                stamps.append(packet.pts)
    return _Counted(frames=frames, stamps=stamps, decoded=decoded, first_picture=first_picture)


def _packets(
    source: VideoSource, inspection: Inspection, counted: TimelineBuilder
) -> "Iterator[Packet[VideoStream] | None]":
    """As many packets as need counting, then None, which empties the decoder."""
    enough = math.inf if inspection.stop_at is None else inspection.stop_at + _LOOKAHEAD
    for packet in source.packets():
        yield packet
        if counted.frames >= enough:
            break
    yield None


def _facts(
    source: VideoSource, counted: _Counted, inspection: Inspection, *, sha256: str | None
) -> VideoFacts:
    stream = source.stream
    codec = stream.codec.canonical_name
    found = counted.frames.frames
    if counted.first_picture is None:
        raise UnreadableVideo(f"None of the {found} {codec} frames can be decoded.")
    frames = found if inspection.stop_at is None else min(found, inspection.stop_at)
    time_base = source.time_base
    timeline = counted.frames.build(time_base=time_base, rate=stream.average_rate)
    complete = frames == found
    display = source.display_of(counted.first_picture)
    return VideoFacts(
        container=source.container_name,
        codec=codec,
        width=display.width,
        height=display.height,
        fps=timeline.fps if complete else _first_rate(counted.stamps, frames, time_base),
        frames=frames,
        complete=complete,
        duration_s=timeline.duration_s if complete else None,
        decoded_frames=min(counted.decoded, frames) if inspection.decode else None,
        header=_header(stream),
        sha256=sha256,
    )


def _first_rate(stamps: Sequence[int], frames: int, time_base: Fraction) -> float:
    """The mean rate of the frames that are shown first."""
    first = sorted(stamps)[:frames]
    span = (first[-1] - first[0]) * time_base if first else 0
    return float((len(first) - 1) / span) if span else 0.0


def _header(stream: VideoStream) -> Header:
    container: Any = stream.container  # an input's, which PyAV's annotations leave open
    rate, duration = stream.average_rate, container.duration
    return Header(
        frames=stream.frames or None,
        fps=float(rate) if rate else None,
        duration_s=float(duration * _MICROSECONDS) if duration else None,
    )
