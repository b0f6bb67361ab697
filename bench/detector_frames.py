"""Frames of clips, spread evenly, for the comparison of face detectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".gif"})


@dataclass(frozen=True, kw_only=True)
class SampledFrame:
    """A frame of a clip: `(H, W, 3)` uint8 RGB, and its number in display order."""

    clip: str
    number: int
    pixels: NDArray[np.uint8]


def sample_frames(folder: Path, per_clip: int, every: int) -> Iterator[SampledFrame]:
    """Frames of every so manieth video in a folder, the first and the last of each among them."""
    clips = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES]
    for path in clips[::every]:
        yield from _sample_clip(path, per_clip)


def _sample_clip(path: Path, per_clip: int) -> Iterator[SampledFrame]:
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
    wanted = set(np.linspace(0, count - 1, per_clip).round().astype(int).tolist())
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                shown = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                pixels = np.ascontiguousarray(shown, np.uint8)
                yield SampledFrame(clip=path.name, number=number, pixels=pixels)


def resize(
    image: NDArray[np.uint8], side: int | None, *, grow: bool
) -> tuple[NDArray[np.uint8], float]:
    """Scale a picture to a longer side; up only if it may `grow`.

    Returns:
        The picture, contiguous, and the factor from its pixels to those of the original.
    """
    longer = max(image.shape[:2])
    if side is None or longer == side or (longer < side and not grow):
        return np.ascontiguousarray(image), 1.0
    size = (
        max(1, round(image.shape[1] * side / longer)),
        max(1, round(image.shape[0] * side / longer)),
    )
    how = cv2.INTER_AREA if longer > side else cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = cv2.resize(image, size, interpolation=how).astype(
        np.uint8, copy=False
    )
    return resized, longer / side
