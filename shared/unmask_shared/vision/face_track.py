"""One person's face through a video, with its pixels; light enough for every service."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import FaceFrame


@dataclass(frozen=True, kw_only=True)
class FacePiece:
    """A face through one clip, or a part of it.

    Attributes:
        frames: Where the face is, in display order.
        crops: `(N, S, S, 3)` uint8 RGB, one per frame, in the same order.

    Raises:
        ValueError: The crops do not fit the frames.
    """

    frames: tuple[FaceFrame, ...]
    crops: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_crops(self.crops, count=len(self.frames))


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """One person's face through a video.

    Attributes:
        track_id: Position among the tracks of the video, the most prominent first.
        pieces: Where the face is, in display order; all crops have one size.
        overlay: `(H, W, 3)` uint8 RGB, the face with its 68 landmarks, if that was asked for.

    Raises:
        ValueError: There are no frames, or they are not in order.
    """

    track_id: int
    pieces: tuple[FacePiece, ...]
    overlay: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError(f"track {self.track_id} has no frames")
        numbers = [frame.frame for frame in self.frames]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"frames of track {self.track_id} are not strictly ascending")

    @cached_property
    def frames(self) -> tuple[FaceFrame, ...]:
        """Those of all pieces."""
        return tuple(frame for piece in self.pieces for frame in piece.frames)

    @cached_property
    def crops(self) -> NDArray[np.uint8]:
        """Those of all pieces, `(N, S, S, 3)` uint8 RGB: a copy, where there are several."""
        if len(self.pieces) == 1:
            return self.pieces[0].crops
        return np.concatenate([piece.crops for piece in self.pieces])


def check_crops(crops: NDArray[np.uint8], *, count: int) -> None:
    """Check that an array holds `count` square RGB crops.

    Raises:
        ValueError: Its type or shape is another.
    """
    shape = crops.shape
    if crops.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise ValueError(f"crops are {crops.dtype} {shape}, not uint8 (N, S, S, 3)")
    if len(crops) != count:
        raise ValueError(f"there are {len(crops)} crops for {count} frames")
