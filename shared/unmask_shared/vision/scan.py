"""One clip of decoded frames to the faces in it, followed and cropped.

The faces of a clip are cropped in a thread while those of the next one are searched: with several
faces in the picture, that takes longer than decoding.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np

from unmask_shared.artifacts import FaceFrame, Point
from unmask_shared.vision.align import Landmarks, crop_matrix
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.faces import Detection
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.landmarks import embed_identity, identity_chip
from unmask_shared.vision.overlays import draw_landmarks
from unmask_shared.vision.paths import follow
from unmask_shared.vision.persons import group_by_person
from unmask_shared.vision.room import Room
from unmask_shared.vision.search import FaceSearch
from unmask_shared.vision.shots import Shot, ShotSplitter
from unmask_shared.vision.tracks import (
    Tracklet,
    link_detections,
    split_where_looks_change,
)


@dataclass(frozen=True, kw_only=True)
class CropForm:
    """Form of the crops.

    Attributes:
        size: Side in pixels.
        margin: As in `align.template`.
        overlays: Whether to draw the landmarks of one frame of each face, too.
    """

    size: int
    margin: float
    overlays: bool = False


class FaceScanner:
    """Finds and crops the faces of one clip after the other, and gathers those of each person."""

    def __init__(
        self,
        search: FaceSearch,
        form: CropForm,
        thread: Executor,
        on_piece: Callable[[FacePiece], None],
    ) -> None:
        """Prepare.

        Args:
            search: Finds the faces.
            form: Of the crops.
            thread: Where crops are cut, in the order in which it is asked to.
            on_piece: See `pipeline.extract_faces`.
        """
        self._search = search
        self._form = form
        self._thread = thread
        self._on_piece = on_piece
        self._cropping: Future[list[Tracklet]] | None = None
        self._room = Room()
        self._splitter = ShotSplitter()
        self._searched: list[int] = []
        self._tracklets: list[Tracklet] = []
        self._persons: list[list[Tracklet]] = []

    def scan(self, clip: int, frames: Sequence[DecodedFrame]) -> None:
        """Find, follow and crop the faces of a clip.

        Args:
            clip: Number of the clip, for the frames' records.
            frames: The clip's frames, in display order.
        """
        self._searched += [frame.number for frame in frames]
        found = [
            (shot, link_detections(self._search.search(shot)))
            for shot in self._splitter.split(clip, frames)
        ]
        self._gather()
        self._cropping = self._thread.submit(self._crop_all, found)

    def _gather(self) -> None:
        """Wait for the clip before, so that the frames of no more than two are kept."""
        if self._cropping is not None:
            self._tracklets += self._cropping.result()
            self._cropping = None

    def _crop_all(self, found: Sequence[tuple[Shot, list[dict[int, Detection]]]]) -> list[Tracklet]:
        return [
            tracklet
            for shot, faces in found
            for face in faces
            for tracklet in self._crop(shot, face)
        ]

    def tracks(self) -> tuple[FaceTrack, ...]:
        """One track per person, the most prominent first."""
        # Not before: while clips are decoded, all processors have enough to do, and whoever takes
        # the pieces works on them. The last faces are cropped by one thread, with time for that.
        for tracklet in self._tracklets:
            self._on_piece(tracklet)
        handed_out = len(self._tracklets)
        self._gather()
        for tracklet in self._tracklets[handed_out:]:
            self._on_piece(tracklet)
        self._persons = group_by_person(self._tracklets, embed_identity)
        return tuple(_as_track(number, person) for number, person in enumerate(self._persons))

    def faceless_frames(self) -> tuple[int, ...]:
        """Numbers of the frames in which no track is, ascending; to be asked after `tracks`."""
        with_face = {
            frame.frame
            for person in self._persons
            for tracklet in person
            for frame in tracklet.frames
        }
        return tuple(number for number in self._searched if number not in with_face)

    def _crop(self, shot: Shot, face: Mapping[int, Detection]) -> Iterator[Tracklet]:
        """Crop one face, in parts where its looks say that another person took its place."""
        landmarks, boxes = follow(shot.frames, face)
        size = self._form.size
        matrices = crop_matrix(np.stack([*landmarks.values()]), size=size, margin=self._form.margin)
        crops = self._room.take(len(landmarks), size, size, 3)
        for position, matrix, crop in zip(landmarks, matrices, crops, strict=True):
            shot.frames[position].picture.patch(matrix, size, size, into=crop)
        positions = [*landmarks]
        for start, stop in split_where_looks_change(crops):
            part = positions[start:stop]
            detected = [position for position in part if position in face]
            if not detected:
                continue
            surest = max(detected, key=lambda position: face[position].confidence)
            picture, points = shot.frames[surest].picture, landmarks[surest]
            yield Tracklet(
                frames=tuple(
                    FaceFrame(
                        frame=shot.frames[position].number,
                        time_s=shot.frames[position].time_s,
                        clip=shot.clip,
                        box=boxes[position],
                        landmarks=_as_points(landmarks[position]),
                        detected=position in face,
                    )
                    for position in part
                ),
                crops=crops[start:stop],
                chip=identity_chip(picture, points),
                overlay=draw_landmarks(picture, boxes[surest], points)
                if self._form.overlays
                else None,
                confidence=face[surest].confidence,
                setting=shot.setting,
            )


def _as_points(landmarks: Landmarks) -> tuple[Point, Point, Point, Point, Point]:
    a, b, c, d, e = ((round(float(x), 2), round(float(y), 2)) for x, y in landmarks)
    return a, b, c, d, e


def _as_track(track_id: int, person: Sequence[Tracklet]) -> FaceTrack:
    best = max(person, key=lambda tracklet: tracklet.confidence * tracklet.frames[0].box.width)
    return FaceTrack(track_id=track_id, pieces=tuple(person), overlay=best.overlay)
