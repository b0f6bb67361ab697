"""A face in consecutive frames, and what a forgery does with it.

A forgery is drawn once for a clip and then renders frame by frame. It sees a patch of the frame
around the face and answers with new pixels and their opacity; everything where the opacity is 0
stays as it was, to the bit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.align import smooth
from unmask_trainer.forgeries.geometry import CENTER_Y, Matrix, Points, face_to_frame

Frame = NDArray[np.uint8]
Pixels = NDArray[np.float32]
Mask = NDArray[np.float32]

T = TypeVar("T")

# Half the side of the square that is worked on, in eye distances: it holds the widest mask.
REACH = 2.3


@dataclass(frozen=True, kw_only=True)
class FacePatch:
    """The part of a frame in which a face lies.

    Attributes:
        pixels: (h, w, 3) RGB in [0, 255].
        pose: From the face's coordinates to pixels of the patch; see `geometry`.
    """

    pixels: Pixels
    pose: Matrix

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def unit(self) -> float:
        """The distance between the eyes, in pixels."""
        return unit_of(self.pose)


@dataclass(frozen=True, kw_only=True)
class Blend:
    """What becomes of a patch.

    Attributes:
        content: (h, w, 3) new pixels.
        opacity: (h, w) in [0, 1]: their share in the result.
    """

    content: Pixels
    opacity: Mask


class Forgery(Protocol):
    """What is done to one clip."""

    @property
    def method(self) -> str:
        """Name for tables: the method, and its variant after a dot."""

    @property
    def uses_donor(self) -> bool:
        """Whether another person's face is in it."""

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame.

        Args:
            step: Number of the frame in the clip.
            patch: Where the face lies in it.
        """


@dataclass(frozen=True, kw_only=True)
class FaceClip:
    """A face in consecutive frames.

    Attributes:
        frames: RGB (H, W, 3) uint8.
        landmarks: (T, 5, 2) in pixels, left to right, without jitter.
        points: (T, 68, 2) in pixels, dlib's 68 landmarks, where the user asked for them.
    """

    frames: Sequence[Frame]
    landmarks: Points
    points: Points | None = None

    def __post_init__(self) -> None:
        """Check that there are landmarks for every frame.

        Raises:
            ValueError: Their numbers differ, or there is no frame.
        """
        if not len(self.frames):
            raise ValueError("a clip needs at least one frame")
        for found in (self.landmarks, self.points):
            if found is not None and len(found) != len(self.frames):
                raise ValueError(f"{len(self.frames)} frames, but landmarks for {len(found)}")

    @classmethod
    def tracked(
        cls,
        frames: Sequence[Frame],
        landmarks: Sequence[Points] | Points,
        points: Points | None = None,
    ) -> "FaceClip":
        """A clip with landmarks as they were found: their jitter is smoothed away."""
        return cls(
            frames=frames,
            landmarks=smooth(np.asarray(landmarks, np.float64)),
            points=None if points is None else smooth(points),
        )

    @classmethod
    def aligned(cls, crops: NDArray[np.uint8], landmarks: Points) -> "FaceClip":
        """A clip of crops (T, S, S, 3) that all have their landmarks (5, 2) at one place."""
        return cls(frames=list(crops), landmarks=np.broadcast_to(landmarks, (len(crops), 5, 2)))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def is_aligned(self) -> bool:
        """Whether the landmarks lie at one place in all frames by construction."""
        return self.landmarks.strides[0] == 0

    @cached_property
    def _poses(self) -> list[Matrix]:
        if self.is_aligned:
            return [face_to_frame(self.landmarks[0])] * len(self)
        return [face_to_frame(points) for points in self.landmarks]

    def pose(self, step: int) -> Matrix:
        """From the face's coordinates to pixels of a frame."""
        return self._poses[step]

    def patch(self, step: int) -> tuple["Window", FacePatch]:
        """The part of a frame in which the face lies, and where that is."""
        pose = self.pose(step)
        window = Window.around(pose, self.frames[step])
        return window, FacePatch(pixels=window.cut(self.frames[step]), pose=window.localise(pose))

    def spread(self, count: int) -> list[int]:
        """Up to `count` frame numbers, spread over the clip."""
        picked = np.linspace(0, len(self) - 1, min(count, len(self)))
        return sorted({round(float(step)) for step in picked})


@dataclass(frozen=True, kw_only=True)
class Window:
    """The upright square around a face, as far as it lies in the frame."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, pose: Matrix, frame: Frame) -> "Window":
        """The window of a face; empty if the face lies outside of the frame."""
        half = REACH * unit_of(pose)
        x, y = pose @ np.array([0, CENTER_Y, 1])
        height, width = frame.shape[:2]
        left, right = (int(np.clip(round(x + side), 0, width)) for side in (-half, half))
        top, bottom = (int(np.clip(round(y + side), 0, height)) for side in (-half, half))
        return cls(left=left, top=top, right=right, bottom=bottom)

    @property
    def empty(self) -> bool:
        """Whether nothing of the face is in the frame."""
        return self.left >= self.right or self.top >= self.bottom

    def localise(self, pose: Matrix) -> Matrix:
        """The pose in the window's own pixels."""
        return np.column_stack([pose[:, :2], pose[:, 2] - (self.left, self.top)])

    def cut(self, frame: Frame) -> Pixels:
        """The window's pixels."""
        return frame[self.top : self.bottom, self.left : self.right].astype(np.float32)

    def paste(self, frame: Frame, original: Pixels, blend: Blend) -> tuple[Frame, Mask]:
        """A copy of the frame with the blend, and the opacity over the whole frame."""
        result = frame.copy()
        opacity = np.zeros(frame.shape[:2], np.float32)
        inside = np.s_[self.top : self.bottom, self.left : self.right]
        share = blend.opacity[..., None]
        # At opacity 0 this gives the original's whole numbers back.
        mixed = original + share * (blend.content - original)
        np.copyto(result[inside], np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
        opacity[inside] = blend.opacity
        return result, opacity


def render(clip: FaceClip, forgery: Forgery) -> Iterator[tuple[Frame, Mask]]:
    """Apply a forgery to every frame of its clip.

    Yields:
        The forged frame, and the opacity (H, W) in [0, 1] of what was blended in.
    """
    for step, frame in enumerate(clip.frames):
        window, patch = clip.patch(step)
        if window.empty:
            yield frame.copy(), np.zeros(frame.shape[:2], np.float32)
        else:
            yield window.paste(frame, patch.pixels, forgery.render(step, patch))


class ForPose(Generic[T]):
    """Remembers what was made for the last pose: in aligned crops all frames have the same."""

    def __init__(self, make: Callable[[Matrix, tuple[int, int]], T]) -> None:
        """Take the function that makes it from the pose and the patch's size."""
        self._make = make
        self._last: tuple[bytes, tuple[int, int], T] | None = None

    def __call__(self, patch: FacePatch) -> T:
        """What belongs to the patch's pose and size."""
        key = patch.pose.tobytes()
        if self._last is None or self._last[:2] != (key, patch.size):
            self._last = (key, patch.size, self._make(patch.pose, patch.size))
        return self._last[2]


def unit_of(pose: Matrix) -> float:
    """The distance between the eyes that a pose makes."""
    return float(np.sqrt(abs(np.linalg.det(pose[:, :2]))))


def back_and_forth(step: int, length: int) -> int:
    """A position in a sequence that is run through to its end, back, and again."""
    if length == 1:
        return 0
    place = step % (2 * length - 2)
    return min(place, 2 * length - 2 - place)
