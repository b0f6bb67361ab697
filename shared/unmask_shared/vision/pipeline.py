"""The face pipeline: a video file in, one aligned track per person out.

Training and serving both use it, so a model meets the same crops in both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask_shared.artifacts import VideoInfo
from unmask_shared.vision.face_track import FaceTrack
from unmask_shared.vision.faces import DetectorName, make_detector
from unmask_shared.vision.frames import plan_clips, probe_video, read_clips
from unmask_shared.vision.landmarks import embed_identity
from unmask_shared.vision.persons import group_by_person
from unmask_shared.vision.scan import ClipScanner, CropForm, SearchEffort
from unmask_shared.vision.source import DecodeLimits
from unmask_shared.vision.tracks import Tracklet

__all__ = ["FaceTrack", "FaceTracks", "VisionSettings", "extract_faces"]

# Share of the progress at which all clips were scanned; joining persons is the rest.
_SCANNED = 0.95


@dataclass(frozen=True, kw_only=True)
class VisionSettings:
    """How faces are extracted.

    Attributes:
        detector: Which face detector runs. libfacedetection also finds profiles and small faces.
        detection_side: Longer side of the picture that is searched, in pixels, up to 960.
        detection_every: Every how many frames of a clip the detector runs.
        max_faces: Faces followed in one frame, the largest first.
        smallest_face: Faces with a smaller box than this many shown pixels are ignored.
        crop_size: Side of the crops, in pixels, up to 256.
        crop_margin: Context on each side of the square from hairline to chin, as a fraction of it.
        clip_length: Consecutive frames of one clip.
        max_clips: Clips sampled over the whole video.
        max_pixels: Largest frame that is decoded, in pixels.
        max_frames: Longest video that is taken, in frames; an hour at 60 per second.

    Raises:
        ValueError: A value is outside of its range.
    """

    detector: DetectorName = "libfacedetection"
    detection_side: int = 480
    detection_every: int = 5
    max_faces: int = 8
    smallest_face: int = 32
    crop_size: int = 112
    crop_margin: float = 0.15
    clip_length: int = 16
    max_clips: int = 16
    max_pixels: int = 4096 * 3072
    max_frames: int = 216_000

    def __post_init__(self) -> None:
        ranges = {
            "detection_side": (64, 960),
            "detection_every": (1, 1000),
            "max_faces": (1, 64),
            "smallest_face": (1, 10_000),
            "crop_size": (16, 256),
            "crop_margin": (0.0, 1.0),
            "clip_length": (1, 256),
            "max_clips": (1, 1024),
            "max_pixels": (1, 2**31 - 1),
            "max_frames": (1, 2**31 - 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, not from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class FaceTracks:
    """Every face that was found in a video.

    Attributes:
        video: What decoding found out about the video.
        sampled_frames: Frames that were decoded and searched.
        settings: What the faces were extracted with.
        tracks: One per person, the most prominent (duration times size) first; empty if there
            is no face.
    """

    video: VideoInfo
    sampled_frames: int
    settings: VisionSettings
    tracks: tuple[FaceTrack, ...]


def _ignore(_fraction: float) -> None:
    pass


def extract_faces(
    path: Path, settings: VisionSettings, on_progress: Callable[[float], None] = _ignore
) -> FaceTracks:
    """Find, follow and crop every face of a video.

    Args:
        path: The video file; its name does not matter.
        settings: How to extract.
        on_progress: Called with the fraction done, in [0, 1], which only grows.

    Raises:
        NotAVideo: The first bytes are not those of a known container.
        NoVideoStream: The file has sound or data only.
        UnreadableVideo: The container is damaged, or no frame can be decoded.
        VideoTooDemanding: The video exceeds `max_pixels` or `max_frames`.
    """
    limits = DecodeLimits(max_pixels=settings.max_pixels, max_frames=settings.max_frames)
    video = probe_video(path, limits)
    clips = plan_clips(video.info.frames, settings.clip_length, settings.max_clips)
    scanner = _make_scanner(settings)
    tracklets: list[Tracklet] = []
    decoded = read_clips(video, clips)
    for number in range(len(clips)):
        # Nothing here may keep the frames of a clip while the next one is decoded.
        tracklets += scanner.scan(number, next(decoded))
        on_progress(_SCANNED * (number + 1) / len(clips))
    persons = group_by_person(tracklets, embed_identity)
    on_progress(1.0)
    return FaceTracks(
        video=video.info,
        sampled_frames=scanner.frames_searched,
        settings=settings,
        tracks=tuple(_as_track(track_id, person) for track_id, person in enumerate(persons)),
    )


def _make_scanner(settings: VisionSettings) -> ClipScanner:
    return ClipScanner(
        make_detector(settings.detector),
        SearchEffort(
            long_side=settings.detection_side,
            every=settings.detection_every,
            max_faces=settings.max_faces,
            smallest_face=settings.smallest_face,
        ),
        CropForm(size=settings.crop_size, margin=settings.crop_margin),
    )


def _as_track(track_id: int, person: Sequence[Tracklet]) -> FaceTrack:
    return FaceTrack(
        track_id=track_id,
        frames=tuple(frame for tracklet in person for frame in tracklet.frames),
        crops=np.concatenate([tracklet.crops for tracklet in person]),
    )
