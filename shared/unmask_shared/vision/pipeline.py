"""The face pipeline: a video file in, one aligned track per person out.

Training and serving both use it, so a model meets the same crops in both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from unmask_shared.artifacts import (
    Coverage,
    FaceMode,
    FacesManifest,
    SamplingPolicy,
    TrackManifest,
    VideoInfo,
)
from unmask_shared.vision.face_track import FacePiece, FaceTrack
from unmask_shared.vision.faces import DetectorName, FaceDetector, make_detector
from unmask_shared.vision.frames import DecodedFrame, FrameReader
from unmask_shared.vision.prefetch import prefetch
from unmask_shared.vision.progress import Progress
from unmask_shared.vision.sampling import SamplingSettings, coverage, plan
from unmask_shared.vision.scan import CropForm, FaceScanner
from unmask_shared.vision.search import FaceSearch, SearchEffort
from unmask_shared.vision.source import DecodeLimits, open_video
from unmask_shared.vision.timeline import read_timeline
from unmask_shared.vision.whole_frames import WholeFrames

__all__ = ["FaceTrack", "FaceTracks", "VisionSettings", "extract_faces"]


# Shares of the progress at which all frames were counted, and all clips scanned; joining persons is
# the rest.
_COUNTED = 0.1
_SCANNED = 0.95


@dataclass(frozen=True, kw_only=True)
class VisionSettings:
    """How faces are extracted.

    Attributes:
        face_mode: `faces` for aligned crops of each face, `full_frame` for whole pictures.
        keep_faceless_frames: With whole pictures, whether those without a face are kept, marked.
        landmark_overlays: Whether to draw the 68 landmarks of each face on a picture of it.
        detector: Which face detector runs. libfacedetection also finds profiles and small faces.
        yunet_model: The file of the detector `yunet`, which no other detector needs.
        detection_side: Longer side of the picture that is searched, in pixels, up to 960.
        detection_every: Every how many frames of a clip a face is looked up.
        max_faces: Faces followed in one frame, the largest first.
        smallest_face: Faces with a smaller box than this many shown pixels are ignored.
        crop_size: Side of the crops, in pixels, up to 256.
        crop_margin: Context on each side of the square from hairline to chin, as a fraction of it.
        sampling: Which frames are looked at: see `sampling.SamplingSettings`.
        clip_length: Consecutive frames of one clip.
        clip_period_s: One clip is taken for each such stretch of the video.
        min_clips: Clips sampled at least, if there are as many frames.
        max_clips: Clips sampled at most.
        max_decoded: Frames that are decoded at most; a video that would need more is looked at in
            part, which its coverage tells, and refused with the sampling policy `all`.
        max_pixels: Largest frame that is decoded, in pixels.
        max_frames: Longest video that is taken, in frames; nine hours at 30 per second.

    Raises:
        ValueError: A value is outside of its range.
    """

    face_mode: FaceMode = "faces"
    keep_faceless_frames: bool = False
    landmark_overlays: bool = False
    detector: DetectorName = "libfacedetection"
    yunet_model: Path | None = None
    detection_side: int = 480
    detection_every: int = 5
    max_faces: int = 8
    smallest_face: int = 32
    crop_size: int = 144
    crop_margin: float = 0.05
    sampling: SamplingPolicy = "clips"
    clip_length: int = 16
    clip_period_s: float = 2.0
    min_clips: int = 4
    max_clips: int = 16
    max_decoded: int = 6000
    max_pixels: int = 4096 * 3072
    max_frames: int = 1_000_000

    def __post_init__(self) -> None:
        ranges = {
            "detection_side": (64, 960),
            "detection_every": (1, 1000),
            "max_faces": (1, 64),
            "smallest_face": (1, 10_000),
            "crop_size": (16, 256),
            "crop_margin": (0.0, 1.0),
            "clip_length": (1, 256),
            "clip_period_s": (0.01, 3600.0),
            "min_clips": (1, 1024),
            "max_clips": (1, 1024),
            "max_decoded": (1, 2**31 - 1),
            "max_pixels": (1, 2**31 - 1),
            "max_frames": (1, 2**31 - 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, not from {low} to {high}")

    def sampling_settings(self) -> SamplingSettings:
        """Those that choose the frames."""
        return SamplingSettings(
            policy=self.sampling,
            clip_length=self.clip_length,
            clip_period_s=self.clip_period_s,
            min_clips=min(self.min_clips, self.max_clips),
            max_clips=self.max_clips,
            max_decoded=self.max_decoded,
        )


@dataclass(frozen=True, kw_only=True)
class FaceTracks:
    """Every face that was found in a video.

    Attributes:
        video: What decoding found out about the video.
        coverage: How much of the video was looked at.
        frame_step: Usual distance of the frames in a clip; 1 for consecutive ones.
        faceless_frames: Numbers of the frames that were looked at and show no face, ascending.
        settings: What the faces were extracted with.
        tracks: One per person, the most prominent (duration times size) first; empty if there
            is no face. Of whole pictures there is a single one.
    """

    video: VideoInfo
    coverage: Coverage
    frame_step: int
    faceless_frames: tuple[int, ...]
    settings: VisionSettings
    tracks: tuple[FaceTrack, ...]

    def manifest(self, tracks: Iterable[TrackManifest]) -> FacesManifest:
        """What is written down of the faces.

        Args:
            tracks: Of each of them where its pictures are, in their order.
        """
        return FacesManifest(
            video=self.video,
            face_mode=self.settings.face_mode,
            detector=self.settings.detector,
            crop_size=self.settings.crop_size,
            crop_margin=self.settings.crop_margin,
            clip_length=self.settings.clip_length,
            frame_step=self.frame_step,
            coverage=self.coverage,
            faceless_frames=self.faceless_frames,
            tracks=tuple(tracks),
        )


def _ignore(_news: object) -> None:
    pass


def extract_faces(
    video: Path | BinaryIO,
    settings: VisionSettings,
    on_progress: Callable[[float], None] = _ignore,
    *,
    detector: FaceDetector | None = None,
    on_piece: Callable[[FacePiece], None] = _ignore,
) -> FaceTracks:
    """Find, follow and crop every face of a video.

    Args:
        video: The file, or where it is; its name does not matter.
        settings: How to extract.
        on_progress: Called with the fraction done, in [0, 1], which only grows, a few times a
            second.
        detector: Instead of the one that the settings name.
        on_piece: Called with the pieces of which the tracks will be made as soon as they are known,
            also with some that will be in no track. With whole frames, never called.

    Raises:
        NotAVideo: The first bytes are not those of a known container.
        NoVideoStream: The file has sound or data only.
        UnreadableVideo: The container is damaged, or no frame can be decoded.
        VideoTooDemanding: The video exceeds `max_pixels` or `max_frames`.
    """
    limits = DecodeLimits(max_pixels=settings.max_pixels, max_frames=settings.max_frames)
    with _opened(video) as file, open_video(file, limits) as source:
        progress = Progress(on_progress)
        timeline = read_timeline(
            source,
            max_frames=limits.max_frames,
            on_read=lambda share: progress.show(_COUNTED * share),
        )
        chosen = plan(timeline, settings.sampling_settings())
        reader = FrameReader(source, timeline)
        work = chosen.cost + chosen.frames
        seen_s: list[list[float]] = []

        def report() -> None:
            done = reader.decoded + sum(map(len, seen_s))
            progress.show(_COUNTED + (_SCANNED - _COUNTED) * min(1.0, done / work))

        with (
            _scanner(settings, detector, on_piece) as scanner,
            closing(prefetch(reader.read(chosen.clips), report)) as clips,
        ):
            for number in range(len(chosen.clips)):
                frames = next(clips)
                seen_s.append([frame.time_s for frame in frames])
                scanner.scan(number, frames)
                del frames  # large, and the next ones are being decoded
                report()
            tracks = scanner.tracks()
        progress.show(1.0)
        return FaceTracks(
            video=reader.info(),
            coverage=coverage(chosen, timeline, seen_s),
            frame_step=chosen.step,
            faceless_frames=scanner.faceless_frames(),
            settings=settings,
            tracks=tracks,
        )


@contextmanager
def _opened(video: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(video, Path):
        with video.open("rb") as file:
            yield file
    else:
        yield video


class _Scanner(Protocol):
    """Looks at one clip after the other."""

    def scan(self, clip: int, frames: Sequence[DecodedFrame]) -> None: ...

    def tracks(self) -> tuple[FaceTrack, ...]: ...

    def faceless_frames(self) -> tuple[int, ...]: ...


@contextmanager
def _scanner(
    settings: VisionSettings,
    detector: FaceDetector | None,
    on_piece: Callable[[FacePiece], None],
) -> Iterator[_Scanner]:
    search = FaceSearch(
        detector or make_detector(settings.detector, yunet_model=settings.yunet_model),
        SearchEffort(
            long_side=settings.detection_side,
            every=settings.detection_every,
            max_faces=settings.max_faces,
            smallest_face=settings.smallest_face,
        ),
    )
    if settings.face_mode == "full_frame":
        yield WholeFrames(
            search, size=settings.crop_size, keep_faceless=settings.keep_faceless_frames
        )
        return
    form = CropForm(
        size=settings.crop_size,
        margin=settings.crop_margin,
        overlays=settings.landmark_overlays,
    )
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="crops") as thread:
        yield FaceScanner(search, form, thread, on_piece)
