"""Whole pictures in the place of faces, for detectors of other things than faces."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, FaceFrame
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.search import FaceSearch
from unmask_shared.vision.shots import ShotSplitter
from unmask_shared.vision.tracks import interpolate_boxes, link_detections


class WholeFrames:
    """Collects the frames of one clip after the other, squeezed to squares."""

    def __init__(self, search: FaceSearch, *, size: int, keep_faceless: bool) -> None:
        """Prepare.

        Args:
            search: Tells which frames show a face.
            size: Side of the squares, in pixels.
            keep_faceless: Whether frames without a face are kept, marked as such.
        """
        self._search = search
        self._size = size
        self._keep_faceless = keep_faceless
        self._splitter = ShotSplitter()
        self._frames: list[FaceFrame] = []
        self._crops: list[NDArray[np.uint8]] = []
        self._faceless: list[int] = []

    def scan(self, clip: int, frames: Sequence[DecodedFrame]) -> None:
        """Take the frames of a clip."""
        for shot in self._splitter.split(clip, frames):
            faces = link_detections(self._search.search(shot))
            with_face = {position for face in faces for position in interpolate_boxes(face)}
            for position, frame in enumerate(shot.frames):
                self._take(clip, frame, shows_face=position in with_face)

    def _take(self, clip: int, frame: DecodedFrame, *, shows_face: bool) -> None:
        if not shows_face:
            self._faceless.append(frame.number)
            if not self._keep_faceless:
                return
        display = frame.picture.display
        self._frames.append(
            FaceFrame(
                frame=frame.number,
                time_s=frame.time_s,
                clip=clip,
                box=BoundingBox(x=0, y=0, width=display.width, height=display.height),
                landmarks=None,
                detected=shows_face,
            )
        )
        self._crops.append(frame.picture.squeezed(self._size, self._size))

    def tracks(self) -> tuple[FaceTrack, ...]:
        """One track with all frames; none where no frame was kept."""
        if not self._frames:
            return ()
        whole = FacePiece(frames=tuple(self._frames), crops=np.stack(self._crops))
        return (FaceTrack(track_id=0, pieces=(whole,)),)

    def faceless_frames(self) -> tuple[int, ...]:
        """Numbers of the frames that show no face, ascending."""
        return tuple(self._faceless)
