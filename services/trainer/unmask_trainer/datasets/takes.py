"""What `forge` does with one take, in a process of its own: a control, then its forgeries.

Everything follows from the seed and the take's name, so a take that was interrupted is made again
to the bit. A document beside the videos says that each of them is whole.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import TypeAdapter

from unmask_shared.errors import UnmaskError
from unmask_trainer.datasets.followed import find_68_points, follow_face
from unmask_trainer.datasets.footage import Frame, Take, render
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.forgeries import clips, methods
from unmask_trainer.forgeries.clips import FaceClip
from unmask_trainer.forgeries.geometry import face_to_frame, inverse
from unmask_trainer.recording import Codec, Encoding, write_video

Landmarks = Literal[5, 68]

JOURNAL: Final = ".forging"
# How far from the middle of the face a donor's nose may lie, in eye distances: a profile would have
# to be stretched over a face that looks ahead.
_PROFILE: Final = 0.3


@dataclass(frozen=True, kw_only=True)
class ForgeSettings:
    """How a data set is forged.

    Attributes:
        seed: The same seed and takes give the same videos.
        methods: Weights of the methods that are drawn; see `forgeries.methods`.
        per_take: Forgeries of each take.
        codecs: Each take and its forgeries are compressed in one of these.
        crf: Lowest and highest rate factor; see `recording.Encoding`.
        landmarks: Points that swaps are warped by; 68 excludes commercial use.
    """

    seed: int = 0
    methods: Mapping[str, float] = field(default_factory=lambda: dict(methods.DEFAULT_WEIGHTS))
    per_take: int = 1
    codecs: tuple[Codec, ...] = (Codec.H264,)
    crf: tuple[int, int] = (16, 30)
    landmarks: Landmarks = 5

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidInput: The methods cannot be drawn by.
            ValueError: Another value is outside of its range.
        """
        methods.check_weights(self.methods)
        if self.per_take < 1 or not self.codecs or not 0 <= self.crf[0] <= self.crf[1] <= 51:
            raise ValueError(f"these settings cannot be forged by: {self}")


@dataclass(frozen=True, kw_only=True)
class FollowedTake:
    """A take whose control was written, or why there is none.

    Attributes:
        take: Its id.
        landmarks: (T, 5, 2) in pixels; empty if there is a problem.
        problem: Why it cannot be used.
    """

    take: str
    landmarks: tuple[tuple[tuple[float, float], ...], ...] = ()
    problem: str = ""

    @property
    def looks_ahead(self) -> bool:
        """Whether the face can be lent to others."""
        middle = np.array(self.landmarks[len(self.landmarks) // 2])
        nose = middle[4] @ inverse(face_to_frame(middle))[:, :2].T
        return bool(abs(nose[0] + inverse(face_to_frame(middle))[0, 2]) < _PROFILE)


@dataclass(frozen=True, kw_only=True)
class ForgedTake:
    """One forgery of a take.

    Attributes:
        id: Name of its file, without the suffix.
        take: Id of the take.
        method: The method, and its variant after a dot.
        donor: Id of the take that lent the face; empty if none did.
    """

    id: str
    take: str
    method: str
    donor: str = ""


_FOLLOWED: Final = TypeAdapter(FollowedTake)
_FORGED: Final = TypeAdapter(ForgedTake)


def control_of(take: Take, out: Path) -> Path:
    """The file of a take's control."""
    return out / "real" / f"{take.id}.mp4"


def make_control(take: Take, out: Path, settings: ForgeSettings) -> FollowedTake:
    """Write a take as it is, and find the face in it; at once if that was done before."""
    journal = out / JOURNAL / f"{take.id}.face.json"
    if journal.exists():
        return _FOLLOWED.validate_json(journal.read_bytes())
    path = control_of(take, out)
    try:
        frames = render(take, _rng(take, settings, "footage"))
        write_video(path, frames, fps=take.fps, encoding=_encoding(take, settings))
        found = follow_face(path, len(frames))
        done = FollowedTake(take=take.id, landmarks=_nested(found))
    except UnmaskError as error:
        path.unlink(missing_ok=True)
        done = FollowedTake(take=take.id, problem=f"{error.code}: {error.detail}")
    with replacing(journal) as partial:
        partial.write_bytes(_FOLLOWED.dump_json(done))
    return done


def make_forgery(
    take: Take,
    number: int,
    followed: FollowedTake,
    lenders: list[tuple[Take, FollowedTake]],
    *,
    out: Path,
    settings: ForgeSettings,
) -> ForgedTake:
    """Write one forgery of a take; at once if that was done before.

    Args:
        take: The take.
        number: Which of its forgeries.
        followed: What `make_control` returned for it.
        lenders: Takes of other people whose faces may be used.
        out: Folder of the data set.
        settings: How to forge.
    """
    name = f"{take.id}~{number}"
    journal = out / JOURNAL / f"{name}.json"
    if journal.exists():
        return _FORGED.validate_json(journal.read_bytes())
    rng = _rng(take, settings, f"forgery {number}")
    method = methods.draw_method(
        settings.methods, rng, has_donor=bool(lenders), has_motion=len(followed.landmarks) > 1
    )
    lender = lenders[int(rng.integers(len(lenders)))] if lenders else None
    uses_lender = lender is not None and methods.METHODS[method].takes_donor
    clip = _clip(take, followed, settings)
    donor = _clip(*lender, settings) if lender is not None and uses_lender else None
    forgery = methods.draw_forgery(method, methods.Material(clip=clip, donor=donor), rng)
    frames = (frame for frame, _ in clips.render(clip, forgery))
    path = out / "fake" / f"{name}.mp4"
    write_video(path, frames, fps=take.fps, encoding=_encoding(take, settings))
    lent = lender[0].id if lender is not None and forgery.uses_donor else ""
    done = ForgedTake(id=name, take=take.id, method=forgery.method, donor=lent)
    with replacing(journal) as partial:
        partial.write_bytes(_FORGED.dump_json(done))
    return done


def _clip(take: Take, followed: FollowedTake, settings: ForgeSettings) -> FaceClip:
    frames: list[Frame] = render(take, _rng(take, settings, "footage"))
    landmarks = np.array(followed.landmarks)
    points = find_68_points(frames, landmarks) if settings.landmarks == 68 else None
    return FaceClip.tracked(frames, landmarks, points)


def _encoding(take: Take, settings: ForgeSettings) -> Encoding:
    """The same for a control and its forgeries."""
    rng = _rng(take, settings, "encoding")
    codec = settings.codecs[int(rng.integers(len(settings.codecs)))]
    low, high = settings.crf
    return Encoding(crf=int(rng.integers(low, high + 1)), codec=codec)


def _rng(take: Take, settings: ForgeSettings, purpose: str) -> np.random.Generator:
    return np.random.default_rng(
        [settings.seed, *(zlib.crc32(t.encode()) for t in (take.id, purpose))]
    )


def _nested(found: np.ndarray) -> tuple[tuple[tuple[float, float], ...], ...]:
    return tuple(
        tuple((round(float(x), 3), round(float(y), 3)) for x, y in points) for points in found
    )
