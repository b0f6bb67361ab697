"""The shape of a face as far as five landmarks and a look at its pixels tell it.

dlib's 68 landmarks would tell more, but that model excludes commercial use. Here the border comes
from where the colour of the cheeks ends, and the mouth is the dark line below the nose, both pulled
towards an average face, so that beards, hair and hands do no harm.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.clips import FaceClip
from unmask_trainer.forgeries.geometry import CENTER_Y, Points, compose, inverse

# The face is looked at upright, at this many pixels for the distance between the eyes.
_UNIT: Final = 32
_LEFT, _TOP, _WIDTH, _HEIGHT = -1.6, -1.3, 3.2, 3.6
_SPOKES: Final = 24
_HALF_WIDTH, _HALF_HEIGHT = 1.05, 1.25
_FRAMES: Final = 4
_AVERAGE_MOUTH: Final = 1.2
_NARROWEST, _WIDEST = 0.82, 1.18
_BORDER_TRUST: Final = 0.6
_ABOVE_BROWS: Final = -0.8
_ANGLES: Final = np.linspace(0, 2 * np.pi, _SPOKES, endpoint=False)


@dataclass(frozen=True, kw_only=True)
class FaceShape:
    """Lengths are in eye distances, in the face's coordinates.

    Attributes:
        landmarks: (5, 2): where the landmarks of this face lie; no two faces have the same.
        mouth_y: The line between the lips.
        radii: (24,) distance of the face's border from its middle, clockwise from the right, as a
            factor on that of an average face.
    """

    landmarks: Points
    mouth_y: float
    radii: NDArray[np.float64]

    @property
    def mouth(self) -> Points:
        """The middle of the mouth (2,)."""
        return np.array([self.landmarks[4, 0], self.mouth_y])

    def border(self) -> Points:
        """The outline (24, 2), from hairline to chin."""
        x = _HALF_WIDTH * self.radii * np.cos(_ANGLES)
        y = CENTER_Y + _HALF_HEIGHT * self.radii * np.sin(_ANGLES)
        # With the head turned, what lies below the eyes follows the nose.
        return np.stack([x + self._turned(y), y], axis=1)

    def forehead(self) -> Points:
        """Points of the outline above the brows, as many for every face."""
        return np.asarray(self.border()[np.sin(_ANGLES) < _ABOVE_BROWS])

    def hull(self, *, brow: float) -> Points:
        """The outline (24, 2), cut off at `brow` above the eyes."""
        points = self.border()
        return np.column_stack([points[:, 0], np.maximum(points[:, 1], -brow)])

    def points(self) -> Points:
        """Points (N, 2) all over the face; the same parts in the same order for every face."""
        nose_x, nose_y = self.landmarks[4]
        mouth_x, mouth_y = self.mouth
        inner = np.array(
            [
                (-0.55, -0.38),
                (0.55, -0.38),
                (nose_x / 2, nose_y / 2),
                (nose_x - 0.28, nose_y - 0.05),
                (nose_x + 0.28, nose_y - 0.05),
                (mouth_x - 0.42, mouth_y),
                (mouth_x, mouth_y - 0.13),
                (mouth_x, mouth_y),
                (mouth_x, mouth_y + 0.18),
                (mouth_x + 0.42, mouth_y),
            ]
        )
        return np.concatenate([self.landmarks, inner, self.border()])

    def _turned(self, y: Points) -> Points:
        return np.asarray(self.landmarks[4, 0] * np.clip(y, 0, 1))

    def seen_with(self, landmarks: Points) -> "FaceShape":
        """The same face with its landmarks (5, 2) as they lie in another frame."""
        lower = landmarks[4, 1] - self.landmarks[4, 1]
        return FaceShape(landmarks=landmarks, mouth_y=self.mouth_y + lower, radii=self.radii)


def landmarks_in_face(clip: FaceClip, step: int) -> Points:
    """A frame's landmarks (5, 2) in the face's coordinates."""
    back = inverse(clip.pose(step))
    return np.asarray(clip.landmarks[step] @ back[:, :2].T + back[:, 2])


def find_shape(clip: FaceClip) -> FaceShape:
    """Look at up to four frames of a clip."""
    steps = clip.spread(_FRAMES)
    landmarks = np.mean([landmarks_in_face(clip, step) for step in steps], axis=0)
    portrait = np.mean([_upright(clip, step) for step in steps], axis=0).astype(np.float32)
    return FaceShape(
        landmarks=landmarks,
        mouth_y=_find_mouth(portrait, landmarks),
        radii=_find_border(portrait),
    )


def _upright(clip: FaceClip, step: int) -> NDArray[np.float32]:
    to_view = np.array([[_UNIT, 0, -_LEFT * _UNIT], [0, _UNIT, -_TOP * _UNIT]])
    matrix = compose(to_view, inverse(clip.pose(step)))
    size = (round(_WIDTH * _UNIT), round(_HEIGHT * _UNIT))
    view = cv2.warpAffine(
        clip.frames[step], matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.GaussianBlur(view, (5, 5), 0), np.float32)


def _box(view: NDArray[np.float32], x: tuple[float, float], y: tuple[float, float]) -> Points:
    left, right = (round((value - _LEFT) * _UNIT) for value in x)
    top, bottom = (round((value - _TOP) * _UNIT) for value in y)
    return np.asarray(view[top:bottom, left:right], np.float64)


def _find_mouth(view: NDArray[np.float32], landmarks: Points) -> float:
    nose_x, nose_y = (float(value) for value in landmarks[4])
    top, bottom = nose_y + 0.2, nose_y + 0.72
    rows = _box(view, (nose_x - 0.3, nose_x + 0.3), (top, bottom)).mean(axis=(1, 2))
    places = np.linspace(top, bottom, len(rows), endpoint=False)
    expected = _AVERAGE_MOUTH + nose_y - 0.76
    # A shadow under the lip may be as dark: the average face decides.
    far = ((places - expected) / 0.15) ** 2
    darkness = (rows - rows.min()) / max(float(np.ptp(rows)), 1.0)
    return float(places[int(np.argmin(darkness + 0.35 * far))])


def _find_border(view: NDArray[np.float32]) -> NDArray[np.float64]:
    cheeks = np.concatenate(
        [_box(view, side, (0.35, 0.8)).reshape(-1, 3) for side in ((-0.75, -0.4), (0.4, 0.75))]
    )
    spread = np.cov(cheeks, rowvar=False) + np.eye(3) * 60.0
    off = view.astype(np.float64) - cheeks.mean(axis=0)
    distance = np.sqrt(np.sum((off @ np.linalg.inv(spread)) * off, axis=2))
    factors = np.linspace(_NARROWEST, _WIDEST, 19)
    x = _HALF_WIDTH * np.outer(np.cos(_ANGLES), factors)
    y = CENTER_Y + _HALF_HEIGHT * np.outer(np.sin(_ANGLES), factors)
    rows = np.clip(np.round((y - _TOP) * _UNIT), 0, view.shape[0] - 1).astype(int)
    columns = np.clip(np.round((x - _LEFT) * _UNIT), 0, view.shape[1] - 1).astype(int)
    # The border is where the colour changes most on the way out.
    edges = np.gradient(np.minimum(distance[rows, columns], 6.0), axis=1)
    best = factors[np.argmax(edges - 2.0 * np.abs(factors - 1), axis=1)]
    trusted = 1 + _BORDER_TRUST * (best - 1)
    around = np.stack([np.roll(trusted, shift) for shift in range(-2, 3)])
    return np.asarray(np.array([0.1, 0.2, 0.4, 0.2, 0.1]) @ around)
