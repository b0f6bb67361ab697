"""Short takes of raw frames: pieces of real videos, and portraits set into motion."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.errors import UnmaskError, UnreadableVideo
from unmask_shared.vision.frames import FrameReader
from unmask_shared.vision.source import DecodeLimits, open_video
from unmask_shared.vision.timeline import Timeline, read_timeline
from unmask_trainer.datasets.portraits import camera_path, draw_motion, film
from unmask_trainer.errors import InvalidInput

Frame = NDArray[np.uint8]

_VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".gif"}
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_LIMITS = DecodeLimits(max_pixels=4096 * 3072, max_frames=216_000)
_SHORTEST_SIDE, _LONGEST_SIDE = 360, 560
_PORTRAIT_FPS = 25


class Kind(StrEnum):
    """Where a take comes from."""

    VIDEO = "video"
    PORTRAIT = "portrait"


@dataclass(frozen=True, kw_only=True)
class Take:
    """A piece of footage to be rendered.

    Attributes:
        id: Unique name; also that of its files.
        source: Name of the file that it is taken from, without its suffix.
        person: Who is shown; takes of one person stay in one split.
        kind: Video or portrait.
        path: The file.
        start: First frame of a video's take.
        frames: Number of frames.
        fps: Frame rate.
    """

    id: str
    source: str
    person: str
    kind: Kind
    path: Path
    start: int
    frames: int
    fps: int


def plan_video_takes(
    folder: Path,
    persons: dict[str, str],
    *,
    takes: int,
    frames: int,
    on_problem: Callable[[Path, str], None],
) -> list[Take]:
    """Spread up to `takes` disjoint takes of `frames` frames over every video of a folder.

    Args:
        folder: With video files.
        persons: Who is shown, by file name; a file that is not there shows a person of its own.
        takes: Of each video, at most.
        frames: Of each take, if the video has as many.
        on_problem: Called for each file that cannot be read.

    Raises:
        InvalidInput: The folder is missing, or has no video files.
    """
    planned = []
    for path in _files(folder, _VIDEO_SUFFIXES, "videos"):
        try:
            info = _timeline_of(path)
        except UnmaskError as error:
            on_problem(path, f"{error.code}: {error.detail}")
            continue
        count = max(1, min(takes, info.frames // frames))
        spare = max(0, info.frames - frames)
        planned += [
            Take(
                id=f"{path.stem}-{number:02d}",
                source=path.stem,
                person=persons.get(path.name, path.stem),
                kind=Kind.VIDEO,
                path=path,
                start=spare * number // max(1, count - 1) if count > 1 else 0,
                frames=min(frames, info.frames),
                fps=max(1, round(info.fps)),
            )
            for number in range(count)
        ]
    return planned


def plan_portrait_takes(folder: Path, persons: dict[str, str], *, frames: int) -> list[Take]:
    """One take of every portrait of a folder.

    Raises:
        InvalidInput: The folder is missing, or has no pictures.
    """
    return [
        Take(
            id=path.stem,
            source=path.stem,
            person=persons.get(path.name, path.stem),
            kind=Kind.PORTRAIT,
            path=path,
            start=0,
            frames=frames,
            fps=_PORTRAIT_FPS,
        )
        for path in _files(folder, _IMAGE_SUFFIXES, "pictures")
    ]


def render(take: Take, rng: np.random.Generator) -> list[Frame]:
    """The take's frames, RGB (H, W, 3) uint8 with even sides of up to 560 pixels.

    Raises:
        UnmaskError: When the file cannot be decoded.
    """
    if take.kind is Kind.VIDEO:
        return _read_video(take, rng)
    return _film_portrait(take, rng)


def _read_video(take: Take, rng: np.random.Generator) -> list[Frame]:
    # Clips of many sizes: the size of a face must not tell where it comes from.
    longest = int(rng.integers(_SHORTEST_SIDE, _LONGEST_SIDE + 1))
    wanted = [range(take.start, take.start + take.frames)]
    with take.path.open("rb") as file, open_video(file, _LIMITS) as source:
        reader = FrameReader(source, read_timeline(source, max_frames=_LIMITS.max_frames))
        frames = [
            _even(frame.picture.rgb(long_side=longest))
            for clip in reader.read(wanted)
            for frame in clip
        ]
    return [frame for frame in frames if frame.shape == frames[0].shape]


def _timeline_of(path: Path) -> Timeline:
    with path.open("rb") as file, open_video(file, _LIMITS) as source:
        return read_timeline(source, max_frames=_LIMITS.max_frames)


def _film_portrait(take: Take, rng: np.random.Generator) -> list[Frame]:
    picture = cv2.imread(str(take.path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UnreadableVideo(f"{take.path} cannot be decoded as a picture")
    portrait = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    height, width = portrait.shape[:2]
    longest = int(rng.integers(280, 440))
    scale = longest / max(height, width)
    size = (round(height * scale / 2) * 2, round(width * scale / 2) * 2)
    motion = draw_motion(rng)
    path = camera_path(
        motion, rng, steps=take.frames, focus=(width / 2, height / 2), scale=scale, size=size
    )
    return film(portrait, path, rng, size=size, noise=motion.noise)


def _even(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    return frame[: height - height % 2, : width - width % 2]


def _files(folder: Path, suffixes: set[str], what: str) -> list[Path]:
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )
    if not found:
        raise InvalidInput(f"{folder} holds no {what} ({' '.join(sorted(suffixes))})")
    return found
