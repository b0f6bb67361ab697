"""Faces of still pictures, cropped as those of videos are: a still is a clip of one frame.

Search, landmarks, alignment and resampling are those of `scan`. Two things differ. Where nothing is
found, the picture is searched again with a mirrored border, for faces that fill all of it. And what
a crop shows beyond the picture's edge is its mirror image, not black: data sets of faces are often
cut so tightly that most crops reach beyond, and a black frame would be the first thing learnt.
"""

import math
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox, Coverage, FaceFrame, Point, VideoInfo
from unmask_shared.vision.align import Landmarks, crop_matrix
from unmask_shared.vision.colours import BT601
from unmask_shared.vision.display import Display
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.faces import Detection, FaceDetector, make_detector
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.paths import follow
from unmask_shared.vision.picture import Picture
from unmask_shared.vision.picture_files import decode_picture, read_header
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.search import FaceSearch, SearchEffort
from unmask_shared.vision.shots import Shot
from unmask_shared.vision.whole_frames import WholeFrames

Pixels = NDArray[np.uint8]

# As in `persons`: a face that was found in one frame only has to be a sure one.
_SURE_CONFIDENCE: Final = 0.85
# Larger pictures are shrunk, as `picture` does with frames.
_LARGEST_SIDE: Final = 1920
# Of the longer side, on each side, where the search begins anew.
_SEARCH_BORDER: Final = 0.15
# Landmarks and crop of a face lie within a square this many times as wide as its box, also where
# the head is turned by half a right angle.
_SURROUNDINGS: Final = 2.4


def extract_still(
    data: bytes, settings: VisionSettings, *, detector: FaceDetector | None = None
) -> FaceTracks:
    """Find and crop every face of a picture.

    Args:
        data: A JPEG, PNG or WebP file.
        settings: As for videos.
        detector: Instead of the one that the settings name.

    Returns:
        One track of one frame for each face, the largest first; boxes and landmarks in pixels of
        the picture as it is shown, or shrunk to 1920 pixels.

    Raises:
        UnreadableVideo: The file is no picture, or damaged.
        VideoTooDemanding: The picture exceeds `max_pixels`.
    """
    pixels = _shrunk(decode_picture(data, max_pixels=settings.max_pixels))
    search = FaceSearch(
        detector or make_detector(settings.detector, yunet_model=settings.yunet_model),
        SearchEffort(
            long_side=settings.detection_side,
            every=1,
            max_faces=settings.max_faces,
            smallest_face=settings.smallest_face,
        ),
    )
    tracks = _whole(pixels, search, settings) or _faces(pixels, search, settings)
    height, width = pixels.shape[:2]
    return FaceTracks(
        video=VideoInfo(
            duration_s=0.0,
            fps=0.0,
            width=width,
            height=height,
            frames=1,
            codec=read_header(data).format,
        ),
        coverage=Coverage(
            policy=settings.sampling,
            clips=1,
            frames=1,
            missing_frames=0,
            sampled_s=0.0,
            longest_gap_s=0.0,
        ),
        frame_step=1,
        faceless_frames=() if tracks and tracks[0].frames[0].detected else (0,),
        settings=settings,
        tracks=tracks,
    )


def frame_of(pixels: Pixels) -> DecodedFrame:
    """Pixels `(H, W, 3)` RGB as if they had been decoded from a video; colours keep their depth."""
    height, width = pixels.shape[:2]
    # OpenCV's is the full-range BT.601 of JPEG files, five times as quick as FFmpeg's.
    brightness, red, blue = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb))
    planes = np.stack([brightness, blue, red]).astype(np.uint8, copy=False)
    frame = VideoFrame.from_ndarray(planes, format="yuvj444p")
    # Or pictures of many rows would be taken for BT.709, as video is.
    frame.colorspace = BT601
    display = Display(stored_width=width, stored_height=height, quarter_turns=0, mirrored=False)
    return DecodedFrame(number=0, time_s=0.0, picture=Picture(frame, display))


def _whole(pixels: Pixels, search: FaceSearch, settings: VisionSettings) -> tuple[FaceTrack, ...]:
    if settings.face_mode != "full_frame":
        return ()
    frames = WholeFrames(
        search, size=settings.crop_size, keep_faceless=settings.keep_faceless_frames
    )
    frames.scan(0, [frame_of(pixels)])
    return frames.tracks()


def _faces(pixels: Pixels, search: FaceSearch, settings: VisionSettings) -> tuple[FaceTrack, ...]:
    if settings.face_mode != "faces":
        return ()
    found = _search(pixels, search)
    if not found:
        border = round(_SEARCH_BORDER * max(pixels.shape[:2]))
        wider = _mirrored(pixels, (border,) * 4)
        found = [_moved(face, -border, -border) for face in _search(wider, search)]
    return tuple(_track(number, pixels, face, settings) for number, face in enumerate(found))


def _search(pixels: Pixels, search: FaceSearch) -> list[Detection]:
    """The faces of a picture that are sure, the largest first."""
    found = search.search(Shot(clip=0, setting=0, frames=[frame_of(pixels)]))
    return sorted(
        (face for face in found.get(0, ()) if face.confidence >= _SURE_CONFIDENCE),
        key=lambda face: face.box.width,
        reverse=True,
    )


def _track(number: int, pixels: Pixels, face: Detection, settings: VisionSettings) -> FaceTrack:
    border = _border_for(pixels, face.box)
    left, top, _, _ = border
    frame = frame_of(_mirrored(pixels, border))
    landmarks, boxes = follow([frame], {0: _moved(face, left, top)})
    size = settings.crop_size
    matrix = crop_matrix(landmarks[0], size=size, margin=settings.crop_margin)
    crop = frame.picture.patch(matrix, size, size)
    seen = FaceFrame(
        frame=0,
        time_s=0.0,
        clip=0,
        box=_moved_box(boxes[0], -left, -top),
        landmarks=_as_points(landmarks[0] - (left, top)),
        detected=True,
    )
    return FaceTrack(track_id=number, pieces=(FacePiece(frames=(seen,), crops=crop[None]),))


def _border_for(pixels: Pixels, box: BoundingBox) -> tuple[int, int, int, int]:
    """How far a face's surroundings reach beyond the picture: left, top, right and below."""
    height, width = pixels.shape[:2]
    x, y = box.center
    reach = _SURROUNDINGS * box.width / 2
    beyond = (reach - x, reach - y, x + reach - width, y + reach - height)
    # A mirror image is no wider than the picture; what lies beyond that is black, as in videos.
    longest = (width - 1, height - 1, width - 1, height - 1)
    left, top, right, below = (
        min(max(0, math.ceil(wanted)), most) for wanted, most in zip(beyond, longest, strict=True)
    )
    return left, top, right, below


def _mirrored(pixels: Pixels, border: tuple[int, int, int, int]) -> Pixels:
    left, top, right, below = border
    if not any(border):
        return pixels
    wider = cv2.copyMakeBorder(pixels, top, below, left, right, cv2.BORDER_REFLECT_101)
    return np.asarray(wider, np.uint8)


def _shrunk(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    shrink = _LARGEST_SIDE / max(height, width)
    if shrink >= 1:
        return pixels
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _moved(face: Detection, x: float, y: float) -> Detection:
    return replace(face, box=_moved_box(face.box, x, y))


def _moved_box(box: BoundingBox, x: float, y: float) -> BoundingBox:
    return BoundingBox(x=box.x + x, y=box.y + y, width=box.width, height=box.height)


def _as_points(landmarks: Landmarks) -> tuple[Point, Point, Point, Point, Point]:
    a, b, c, d, e = ((round(float(x), 2), round(float(y), 2)) for x, y in landmarks)
    return a, b, c, d, e
