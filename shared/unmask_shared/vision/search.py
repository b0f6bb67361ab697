"""Where the faces of one shot are: searched for once, then looked up where they were.

The whole picture is searched in the middle of the shot only. From there on outwards, each face is
looked for around its last place, at one size, which takes a tenth of the time and finds it better.
In every other clip of a scene that goes on, the faces of the clip before are looked up instead:
whoever comes in is found with the next search, one or two clips later.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.faces import Detection, FaceDetector
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.picture import Picture
from unmask_shared.vision.shots import Shot

# Large faces that are smeared by motion are found when the picture is smaller: 88 instead of 74 %.
_SECOND_LOOK_SIDE: Final = 320
# A face is looked for in a square this many times as wide as it was.
_WINDOW: Final = 1.8
_SAME_FACE_IOU: Final = 0.25
_DOUBLE_IOU: Final = 0.4
# From so many faces on, searching the whole picture again is cheaper.
_MANY_FACES: Final = 6
# A face that was not where it is expected so many times is gone.
_MISSES: Final = 2
# For so many seconds faces are known well enough to be looked up in the next clip.
_KNOWN_FOR_S: Final = 2.5


@dataclass(frozen=True, kw_only=True)
class SearchEffort:
    """How thoroughly faces are searched.

    Attributes:
        long_side: Longer side of the picture that the detector sees, in pixels.
        every: Every how many frames known faces are looked up; between them boxes are
            interpolated.
        max_faces: Faces followed in one frame, the largest first.
        smallest_face: Side in shown pixels below which faces are ignored.
    """

    long_side: int
    every: int
    max_faces: int
    smallest_face: int


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The faces at the end of a clip that was searched as a whole."""

    setting: int
    time_s: float
    faces: list[Detection]


class FaceSearch:
    """Finds the faces of one shot after the other."""

    def __init__(self, detector: FaceDetector, effort: SearchEffort) -> None:
        self._detector = detector
        self._effort = effort
        self._known: _Known | None = None

    def search(self, shot: Shot) -> dict[int, list[Detection]]:
        """Find the faces of a shot.

        Args:
            shot: In the order of the video.

        Returns:
            What was found at each position that was looked at, ascending.
        """
        frames = shot.frames
        found = self._seen_again(shot)
        is_new = not found
        found = found or self._first_sight(frames)
        start = next((position for position, faces in found.items() if faces), None)
        self._known = None
        if start is not None:
            positions = searched_positions(len(frames), self._effort.every)
            self._follow(frames, [p for p in positions if p > start], found, start)
            self._follow(frames, [p for p in reversed(positions) if p < start], found, start)
            if is_new:
                self._known = _Known(
                    setting=shot.setting, time_s=frames[-1].time_s, faces=found[max(found)]
                )
        return dict(sorted(found.items()))

    def _seen_again(self, shot: Shot) -> dict[int, list[Detection]]:
        """All faces of the clip before, if the scene goes on and none is missing; else nothing."""
        known, middle = self._known, self._middle(len(shot.frames))
        frame = shot.frames[middle]
        if (
            known is None
            or known.setting != shot.setting
            or frame.time_s - known.time_s > _KNOWN_FOR_S
            or not 0 < len(known.faces) < _MANY_FACES
        ):
            return {}
        seen = [self._near(frame.picture, face) for face in known.faces]
        faces = _without_doubles([face for face in seen if face is not None])
        return {middle: faces} if len(faces) == len(known.faces) else {}

    def _middle(self, length: int) -> int:
        positions = searched_positions(length, self._effort.every)
        return positions[len(positions) // 2]

    def _first_sight(self, shot: Sequence[DecodedFrame]) -> dict[int, list[Detection]]:
        """Search whole pictures, in the middle or else at the ends, until there is a face."""
        found = {}
        for position in dict.fromkeys([self._middle(len(shot)), 0, len(shot) - 1]):
            picture = shot[position].picture
            found[position] = self._whole(picture, self._effort.long_side)
            if not found[position] and self._effort.long_side > _SECOND_LOOK_SIDE:
                found[position] = self._whole(picture, _SECOND_LOOK_SIDE)
            if found[position]:
                break
        return found

    def _whole(self, picture: Picture, long_side: int) -> list[Detection]:
        """Search a whole picture."""
        image = picture.rgb(long_side=long_side)
        scale = picture.display.width / image.shape[1]
        faces = [_scaled(detection, scale) for detection in self._detector.detect(image)]
        large = [face for face in faces if face.box.width >= self._effort.smallest_face]
        large.sort(key=lambda face: face.box.width, reverse=True)
        return large[: self._effort.max_faces]

    def _follow(
        self,
        shot: Sequence[DecodedFrame],
        positions: Sequence[int],
        found: dict[int, list[Detection]],
        start: int,
    ) -> None:
        known = [(face, 0) for face in found[start]]
        for position in positions:
            picture = shot[position].picture
            if len(known) >= _MANY_FACES:
                found[position] = self._whole(picture, self._effort.long_side)
                continue
            seen = [(self._near(picture, face), face, misses) for face, misses in known]
            found[position] = _without_doubles([now for now, _, _ in seen if now is not None])
            known = [(face, misses + 1) if now is None else (now, 0) for now, face, misses in seen]
            known = [(face, misses) for face, misses in known if misses < _MISSES]

    def _near(self, picture: Picture, last: Detection) -> Detection | None:
        """Look for a face around its last place."""
        x, y = last.box.center
        side = round(_WINDOW * self._detector.face_side)
        scale = side / (_WINDOW * last.box.width)
        middle = (side - 1) / 2
        matrix = np.array([[scale, 0.0, middle - scale * x], [0.0, scale, middle - scale * y]])
        window = picture.patch(matrix, side, side, fine=False)
        left, top = x - middle / scale, y - middle / scale
        faces = [_scaled(face, 1 / scale, left, top) for face in self._detector.detect(window)]
        nearest = max(faces, key=lambda face: last.box.iou(face.box), default=None)
        if nearest is None or last.box.iou(nearest.box) < _SAME_FACE_IOU:
            return None
        return nearest


def searched_positions(length: int, every: int) -> list[int]:
    """Positions of a shot at equal distances of at most `every`, with the first and the last."""
    steps = max(1, math.ceil((length - 1) / every))
    return sorted({round(step * (length - 1) / steps) for step in range(steps + 1)})


def _without_doubles(faces: Sequence[Detection]) -> list[Detection]:
    """Each face once, where two that stood close were looked up in the same place."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: face.confidence, reverse=True):
        if all(face.box.iou(other.box) < _DOUBLE_IOU for other in kept):
            kept.append(face)
    return kept


def _scaled(detection: Detection, factor: float, left: float = 0.0, top: float = 0.0) -> Detection:
    box = detection.box
    return Detection(
        box=BoundingBox(
            x=left + box.x * factor,
            y=top + box.y * factor,
            width=box.width * factor,
            height=box.height * factor,
        ),
        confidence=detection.confidence,
    )
