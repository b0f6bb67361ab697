"""One clip of decoded frames to the faces in it, followed and cropped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, FaceFrame, Point
from unmask_shared.vision.align import Landmarks, align_face, smooth
from unmask_shared.vision.faces import Detection, FaceDetector
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.landmarks import find_landmarks, identity_chip
from unmask_shared.vision.tracks import (
    LONGEST_BRIDGE,
    Tracklet,
    interpolate_boxes,
    link_detections,
    look_alike,
)

_THUMBNAIL_SIDE: Final = 64
# Bounds the memory of a clip to 100 MB; a face that is found at a 480 pixel side is large enough
# in it to fill a crop of 112 pixels.
_WORKING_SIDE: Final = 1920
# Mean difference of two thumbnails (0 to 255) that makes a cut: in any case, or where it stands
# out against the movement in the clip. Splitting one shot costs little: identity joins it again.
_CERTAIN_CUT: Final = 40.0
_POSSIBLE_CUT: Final = 10.0
_STANDS_OUT: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class CropForm:
    """Form of the crops: side in pixels, and margin as in `align.template`."""

    size: int
    margin: float


@dataclass(frozen=True, kw_only=True)
class SearchEffort:
    """How thoroughly faces are searched.

    Attributes:
        long_side: Longer side of the picture that the detector sees, in pixels.
        every: Every how many frames the detector runs; between them boxes are interpolated.
        max_faces: Faces followed in one frame, the largest first.
        smallest_face: Side in shown pixels below which faces are ignored.
    """

    long_side: int
    every: int
    max_faces: int
    smallest_face: int


@dataclass(frozen=True, kw_only=True)
class _Shot:
    """Frames of one clip without a cut; `run` counts the cuts and long gaps so far."""

    clip: int
    run: int
    frames: list[DecodedFrame]


class ClipScanner:
    """Finds and crops the faces of one clip after the other.

    Remembers the end of the last clip to tell whether the next one goes on without a cut.

    Attributes:
        frames_searched: Frames of all clips so far.
    """

    def __init__(self, detector: FaceDetector, effort: SearchEffort, form: CropForm) -> None:
        self._detector = detector
        self._effort = effort
        self._form = form
        self.frames_searched = 0
        self._run = 0
        self._last: tuple[int, NDArray[np.float32]] | None = None

    def scan(self, clip: int, frames: Sequence[DecodedFrame]) -> list[Tracklet]:
        """Find, follow and crop the faces of a clip.

        Args:
            clip: Number of the clip, for the frames' records.
            frames: The clip's frames, in display order.
        """
        self.frames_searched += len(frames)
        tracklets = []
        for shot in self._split_into_shots(clip, frames):
            found = {
                position: self._detect(shot.frames[position])
                for position in searched_positions(len(shot.frames), self._effort.every)
            }
            tracklets += self._crop_faces(shot, link_detections(found))
        return tracklets

    def _split_into_shots(self, clip: int, frames: Sequence[DecodedFrame]) -> list[_Shot]:
        """Split at cuts and long gaps; the first shot may go on with the run of the last clip."""
        thumbnails = [_thumbnail(frame) for frame in frames]
        steps = [_difference(*pair) for pair in pairwise(thumbnails)]
        usual = float(np.median(steps)) if steps else 0.0
        shots: list[_Shot] = []
        for frame, thumbnail in zip(frames, thumbnails, strict=True):
            continues = (
                self._last is not None
                and frame.number - self._last[0] <= LONGEST_BRIDGE
                and not _is_cut(_difference(self._last[1], thumbnail), usual)
            )
            self._run += not continues
            if not continues or not shots:
                shots.append(_Shot(clip=clip, run=self._run, frames=[]))
            shots[-1].frames.append(frame)
            self._last = (frame.number, thumbnail)
        return shots

    def _detect(self, frame: DecodedFrame) -> list[Detection]:
        image = frame.rgb(long_side=self._effort.long_side)
        scale = frame.display.width / image.shape[1]
        found = [
            Detection(box=_scaled(detection.box, scale), confidence=detection.confidence)
            for detection in self._detector.detect(image)
        ]
        large = [face for face in found if face.box.width >= self._effort.smallest_face]
        large.sort(key=lambda face: face.box.width, reverse=True)
        return large[: self._effort.max_faces]

    def _crop_faces(self, shot: _Shot, faces: Sequence[dict[int, Detection]]) -> list[Tracklet]:
        boxes = [interpolate_boxes(face) for face in faces]
        images = {
            position: shot.frames[position].rgb(long_side=_WORKING_SIDE)
            for position in sorted({position for face in boxes for position in face})
        }
        return [
            tracklet
            for face, box in zip(faces, boxes, strict=True)
            for tracklet in self._crop_face(shot, images, face, box)
        ]

    def _crop_face(
        self,
        shot: _Shot,
        images: Mapping[int, NDArray[np.uint8]],
        face: Mapping[int, Detection],
        boxes: Mapping[int, BoundingBox],
    ) -> Iterator[Tracklet]:
        """Crop one face, in parts where its looks say that another person took its place."""
        positions = list(boxes)
        scale = images[positions[0]].shape[1] / shot.frames[0].display.width
        raw = {p: find_landmarks(images[p], _scaled(box, scale)) for p, box in boxes.items()}
        points = dict(zip(positions, smooth(np.stack(list(raw.values()))), strict=True))
        crops = {
            position: align_face(
                images[position], landmarks, size=self._form.size, margin=self._form.margin
            )
            for position, landmarks in points.items()
        }
        for part in _split_where_looks_change(crops):
            detected = [position for position in part if position in face]
            if not detected:
                continue
            surest = max(detected, key=lambda position: face[position].confidence)
            yield Tracklet(
                frames=tuple(
                    FaceFrame(
                        frame=shot.frames[position].number,
                        time_s=shot.frames[position].time_s,
                        clip=shot.clip,
                        box=boxes[position],
                        landmarks=_as_points(points[position] / scale),
                        detected=position in face,
                    )
                    for position in part
                ),
                crops=np.stack([crops[position] for position in part]),
                chip=identity_chip(images[surest], raw[surest]),
                confidence=face[surest].confidence,
                run=shot.run,
            )


def _split_where_looks_change(crops: Mapping[int, NDArray[np.uint8]]) -> list[list[int]]:
    parts: list[list[int]] = []
    for position, crop in crops.items():
        if not parts or not look_alike(crops[parts[-1][-1]], crop):
            parts.append([])
        parts[-1].append(position)
    return parts


def searched_positions(length: int, every: int) -> list[int]:
    """Every so many positions of a shot, and always the first and the last."""
    return sorted({*range(0, length, every), length - 1})


def _thumbnail(frame: DecodedFrame) -> NDArray[np.float32]:
    return frame.rgb(long_side=_THUMBNAIL_SIDE).astype(np.float32)


def _difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.abs(first - second).mean())


def _is_cut(difference: float, usual: float) -> bool:
    stands_out = difference > _POSSIBLE_CUT and difference > _STANDS_OUT * usual
    return stands_out or difference > _CERTAIN_CUT


def _scaled(box: BoundingBox, factor: float) -> BoundingBox:
    return BoundingBox(
        x=box.x * factor, y=box.y * factor, width=box.width * factor, height=box.height * factor
    )


def _as_points(landmarks: Landmarks) -> tuple[Point, Point, Point, Point, Point]:
    a, b, c, d, e = ((round(float(x), 2), round(float(y), 2)) for x, y in landmarks)
    return a, b, c, d, e
