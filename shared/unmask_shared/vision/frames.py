"""Video files to frames: counting, timing, choosing clips, decoding only what they need.

Headers are not believed: a first pass reads all packets (without decoding, about
5 ms for ten seconds) and counts the frames and their time stamps; what is decoded afterwards is
numbered by these.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from unmask_shared.artifacts import VideoInfo
from unmask_shared.errors import UnreadableVideo
from unmask_shared.vision.display import Display, display_of
from unmask_shared.vision.source import DecodeLimits, VideoSource, open_video
from unmask_shared.vision.timeline import Timeline, TimelineBuilder

__all__ = [
    "DecodeLimits",
    "DecodedFrame",
    "ProbedVideo",
    "plan_clips",
    "probe_video",
    "read_clips",
]


@dataclass(frozen=True, kw_only=True)
class ProbedVideo:
    """A video file whose packets were counted and whose first picture was decoded."""

    path: Path
    info: VideoInfo
    display: Display
    timeline: Timeline
    limits: DecodeLimits


@dataclass(frozen=True, kw_only=True)
class DecodedFrame:
    """One frame, kept as the decoder left it until its pixels are asked for.

    Attributes:
        number: Position in display order, from 0.
        time_s: When it is shown, in seconds after the first frame.
    """

    number: int
    time_s: float
    picture: VideoFrame
    display: Display

    def rgb(self, *, long_side: int | None = None) -> NDArray[np.uint8]:
        """The shown picture, `(H, W, 3)` uint8 RGB; see `Display.rgb`."""
        return self.display.rgb(self.picture, long_side=long_side)


def plan_clips(frame_count: int, clip_length: int, max_clips: int) -> tuple[range, ...]:
    """Choose runs of consecutive frames that are spread evenly over a video.

    A video that fits is taken whole, in runs that touch; its last run may be shorter. Otherwise
    the first run starts at the first frame and the last one ends at the last frame; a single run
    lies in the middle.

    Args:
        frame_count: Frames of the video.
        clip_length: Frames of one run.
        max_clips: Runs at most.

    Returns:
        Disjoint ranges of frame numbers, ascending.

    Raises:
        ValueError: An argument is below 1 (`frame_count`: below 0).
    """
    if frame_count < 0 or clip_length < 1 or max_clips < 1:
        raise ValueError(f"cannot plan {max_clips} clips of {clip_length} in {frame_count} frames")
    if frame_count <= clip_length * max_clips:
        return tuple(
            range(start, min(start + clip_length, frame_count))
            for start in range(0, frame_count, clip_length)
        )
    last_start = frame_count - clip_length
    if max_clips == 1:
        starts = [last_start // 2]
    else:
        starts = [clip * last_start // (max_clips - 1) for clip in range(max_clips)]
    return tuple(range(start, start + clip_length) for start in starts)


def probe_video(path: Path, limits: DecodeLimits) -> ProbedVideo:
    """Count the frames of a video and decode its first picture.

    Raises:
        NotAVideo: The first bytes are not those of a known container.
        NoVideoStream: The file has sound or data only.
        UnreadableVideo: The container is damaged, or no frame can be decoded.
        VideoTooDemanding: The video has more frames or larger ones than the limits allow.
    """
    builder = TimelineBuilder(max_frames=limits.max_frames)
    first_picture: VideoFrame | None = None
    with open_video(path, limits) as source:
        stream, codec = source.stream, source.stream.codec_context.name
        for packet in source.packets():
            if first_picture is None:
                first_picture = next(iter(source.decode(packet)), None)
            if packet is not None:
                builder.add(packet, codec=codec)
        if first_picture is None:
            raise UnreadableVideo(f"None of the {builder.frames} {codec} frames can be decoded.")
        timeline = builder.build(
            time_base=stream.time_base or Fraction(1, 90_000), rate=stream.average_rate
        )
        aspect = stream.sample_aspect_ratio
        display = display_of(first_picture, float(aspect) if aspect else None)
        info = VideoInfo(
            duration_s=timeline.duration_s,
            fps=timeline.fps,
            width=display.width,
            height=display.height,
            frames=len(timeline),
            codec=codec,
            rotation=90 * display.quarter_turns,
        )
    return ProbedVideo(path=path, info=info, display=display, timeline=timeline, limits=limits)


def read_clips(video: ProbedVideo, clips: Sequence[range]) -> Iterator[tuple[DecodedFrame, ...]]:
    """Decode the given clips, one after the other.

    Packets between clips are read but not decoded, from the last frame of a clip up to the key
    frame before the next. Frames that are damaged or missing are left out, so a clip may be
    shorter than asked for, even empty.

    Args:
        video: What `probe_video` returned.
        clips: Disjoint ranges of frame numbers, ascending.

    Yields:
        The frames of each clip, in display order.

    Raises:
        UnreadableVideo: The file cannot be opened any more.
    """
    with open_video(video.path, video.limits) as source:
        decoder = _ClipDecoder(video, source)
        for clip in clips:
            yield decoder.clip(clip)


class _ClipDecoder:
    """Moves forward through one stream and hands out ranges of numbered frames."""

    def __init__(self, video: ProbedVideo, source: VideoSource) -> None:
        self._video = video
        self._source = source
        self._packets = source.packets()
        self._packets_read = 0
        self._last_number = -1
        self._ready: deque[DecodedFrame] = deque()

    def clip(self, wanted: range) -> tuple[DecodedFrame, ...]:
        self._skip_towards(wanted.start)
        frames = []
        while (frame := self._next_frame()) is not None:
            if frame.number >= wanted.stop:
                self._ready.appendleft(frame)
                break
            if frame.number >= wanted.start:
                frames.append(frame)
            if frame.number == wanted.stop - 1:
                break
        return tuple(frames)

    def _skip_towards(self, number: int) -> None:
        key = self._video.timeline.key_frame_before(number)
        if key is None or key.packet <= self._packets_read:
            return
        while self._packets_read < key.packet:
            next(self._packets, None)
            self._packets_read += 1
        self._ready.clear()
        self._source.restart()
        self._last_number = key.number - 1

    def _next_frame(self) -> DecodedFrame | None:
        while not self._ready:
            try:
                packet = next(self._packets)
            except StopIteration:
                return None
            self._packets_read += 1
            for picture in self._source.decode(packet):
                self._take(picture)
        return self._ready.popleft()

    def _take(self, picture: VideoFrame) -> None:
        timeline = self._video.timeline
        number = timeline.number_of(picture.pts, after=self._last_number)
        if number is None:
            return
        self._last_number = number
        self._ready.append(
            DecodedFrame(
                number=number,
                time_s=float(timeline.times_s[number]),
                picture=picture,
                display=self._video.display,
            )
        )
