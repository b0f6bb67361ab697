"""Shortcuts to the inner parts of the face pipeline, for its tests."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import VideoInfo
from unmask_shared.vision.display import Display
from unmask_shared.vision.frames import DecodedFrame, FrameReader
from unmask_shared.vision.picture import Picture
from unmask_shared.vision.source import DecodeLimits, open_video
from unmask_shared.vision.timeline import Timeline, count_packets, read_timeline

LIMITS = DecodeLimits(max_pixels=1_000_000, max_frames=2000)


def picture_of(pixels: NDArray[np.uint8]) -> Picture:
    """A picture that shows these pixels, `(H, W, 3)` RGB."""
    height, width = pixels.shape[:2]
    display = Display(stored_width=width, stored_height=height, quarter_turns=0, mirrored=False)
    return Picture(av.VideoFrame.from_ndarray(pixels, format="rgb24"), display)


def timeline_of(path: Path, limits: DecodeLimits = LIMITS, *, counted: bool = False) -> Timeline:
    """The frames of a video, by its index if it has one, or counted packet by packet."""
    with path.open("rb") as file, open_video(file, limits) as source:
        if counted:
            return count_packets(source, max_frames=limits.max_frames)
        return read_timeline(source, max_frames=limits.max_frames)


def read_video(
    path: Path, clips: Sequence[Sequence[int]] | None = None, limits: DecodeLimits = LIMITS
) -> tuple[VideoInfo, list[DecodedFrame], int]:
    """What is known of a video, the frames of the clips (of all of it), how many were decoded."""
    with path.open("rb") as file, open_video(file, limits) as source:
        timeline = read_timeline(source, max_frames=limits.max_frames)
        reader = FrameReader(source, timeline)
        frames = [
            frame for clip in reader.read(clips or [range(timeline.frames)]) for frame in clip
        ]
        return reader.info(), frames, reader.decoded


def info_of(path: Path, limits: DecodeLimits = LIMITS) -> VideoInfo:
    """What is known of a video when all of it was decoded."""
    return read_video(path, limits=limits)[0]
