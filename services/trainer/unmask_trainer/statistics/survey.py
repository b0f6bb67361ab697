"""Looks at every video of a folder, with the decoders in processes of their own."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from unmask_shared.containers import SNIFF_BYTES, sniff_container
from unmask_shared.errors import DecoderCrashed, UnmaskError, VideoTooDemanding
from unmask_shared.vision.picture_files import is_picture_name
from unmask_trainer.errors import InvalidInput
from unmask_trainer.statistics.inspection import Inspection, Problem, VideoFacts, inspect_video
from unmask_trainer.statistics.isolation import Lost, run_isolated
from unmask_trainer.statistics.pictures import inspect_picture

# Files that are called a video are listed even if they turn out to be none.
_VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts"}
    | {".flv", ".wmv", ".asf", ".ogv", ".gif"}
)


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """A file that is, or claims to be, a video.

    Attributes:
        path: Where it is.
        name: Its path below the folder of the survey, with `/`.
        group: The first folder on the way to it: the class, in the usual layouts.
    """

    path: Path
    name: str
    group: str


@dataclass(frozen=True, kw_only=True)
class SurveyedVideo:
    """A file and what was found: either facts, or a problem.

    Attributes:
        file: The file.
        bytes: Its size; None where it cannot even be found.
        facts: For a video that can be read.
        problem: For one that cannot.
    """

    file: VideoFile
    bytes: int | None
    facts: VideoFacts | None
    problem: Problem | None

    def __post_init__(self) -> None:
        if (self.facts is None) == (self.problem is None):
            raise ValueError(f"{self.file.name} needs either facts or a problem")


def find_videos(folder: Path, *, with_pictures: bool = False) -> list[VideoFile]:
    """List the videos below a folder, sorted by name.

    Files count by their name or by their first bytes; hidden ones do not. Links to folders are
    followed, each folder is entered once. Videos that lie in `folder` itself form a group of its
    name.

    Args:
        folder: Where to look.
        with_pictures: Whether to list still pictures, too.

    Raises:
        InvalidInput: There is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder")
    found = []
    for path in _walk(folder):
        if _may_be_video(path) or (with_pictures and is_picture_name(path)):
            inner = path.relative_to(folder)
            group = inner.parts[0] if len(inner.parts) > 1 else folder.resolve().name
            found.append(VideoFile(path=path, name=inner.as_posix(), group=group))
    if not found:
        raise InvalidInput(f"{folder} holds no videos")
    return sorted(found, key=lambda file: file.name)


def survey_videos(
    files: Sequence[VideoFile],
    inspection: Inspection,
    *,
    workers: int,
    timeout_s: float,
    on_video: Callable[[SurveyedVideo], None],
) -> list[SurveyedVideo]:
    """Inspect videos in child processes.

    A file that takes its process down or does not come to an end becomes a row with a problem, as
    a damaged one does.

    Args:
        files: What to look at.
        inspection: How closely.
        workers: Processes.
        timeout_s: Wall time for one file.
        on_video: Called for each video as soon as it is done.

    Returns:
        One row for each file, in the given order.
    """
    rows: dict[int, SurveyedVideo] = {}
    for position, found in run_isolated(
        partial(_facts_or_problem, inspection=inspection),
        [file.path for file in files],
        workers=workers,
        timeout_s=timeout_s,
    ):
        outcome = _problem_of(found, timeout_s) if isinstance(found, Lost) else found
        rows[position] = SurveyedVideo(
            file=files[position],
            bytes=_size(files[position].path),
            facts=outcome if isinstance(outcome, VideoFacts) else None,
            problem=outcome if isinstance(outcome, Problem) else None,
        )
        on_video(rows[position])
    return [rows[position] for position in range(len(files))]


def _facts_or_problem(path: Path, *, inspection: Inspection) -> VideoFacts | Problem:
    try:
        inspect = inspect_picture if is_picture_name(path) else inspect_video
        return inspect(path, inspection)
    except UnmaskError as error:
        return Problem.of(error)


def _problem_of(lost: Lost, timeout_s: float) -> Problem:
    if lost.timed_out:
        return Problem.of(VideoTooDemanding(f"Reading it took longer than {timeout_s:g} s."))
    return Problem.of(DecoderCrashed(f"The process that read it ended: {lost.cause}."))


def _walk(folder: Path) -> Iterator[Path]:
    entered = {folder.resolve()}
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent)
        unseen = {(here / name).resolve(): name for name in folders if not name.startswith(".")}
        folders[:] = [name for target, name in unseen.items() if target not in entered]
        entered.update(unseen)
        yield from (here / name for name in files if not name.startswith("."))


def _may_be_video(path: Path) -> bool:
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        # Links that lead nowhere are worth reporting; pipes and devices are not worth opening.
        return path.is_file() or path.is_symlink()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return sniff_container(file.read(SNIFF_BYTES)) is not None
    except OSError:  # nothing says that it is a video
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
