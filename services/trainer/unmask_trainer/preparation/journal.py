"""Remembers what was found out about files, so that an interrupted survey goes on where it was."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from unmask_shared.errors import DecoderCrashed, VideoTooDemanding
from unmask_trainer.statistics.inspection import Problem, VideoFacts
from unmask_trainer.statistics.survey import SurveyedVideo, VideoFile

# Here the machine may be at fault, for want of time or memory: the next run tries again.
_PASSING: Final = {VideoTooDemanding.code, DecoderCrashed.code}


@dataclass(frozen=True, kw_only=True)
class _Line:
    name: str
    bytes: int
    mtime_ns: int
    facts: VideoFacts | None
    problem: Problem | None


_LINE: Final = TypeAdapter(_Line)


class SurveyJournal:
    """A file with a line for each video, written as soon as the video was read.

    A line holds as long as the file's size and time of change are the same.
    """

    def __init__(self, path: Path) -> None:
        """Read what is known; lines that a kill cut off are passed over.

        Args:
            path: The file; made when it is missing.
        """
        self._path = path
        self._known: dict[tuple[str, int, int], _Line] = {}
        for text in path.read_bytes().splitlines() if path.exists() else ():
            try:
                line = _LINE.validate_json(text)
            except ValidationError:  # cut off, or of another version: the file is read again
                continue
            self._known[line.name, line.bytes, line.mtime_ns] = line

    def find(self, file: VideoFile) -> SurveyedVideo | None:
        """What was found out about a file that has not changed since."""
        state = _state(file)
        line = self._known.get((file.name, *state)) if state else None
        if line is None:
            return None
        return SurveyedVideo(file=file, bytes=line.bytes, facts=line.facts, problem=line.problem)

    def add(self, video: SurveyedVideo) -> None:
        """Write down what was found out."""
        state = _state(video.file)
        if state is None or (video.problem is not None and video.problem.code in _PASSING):
            return
        line = _Line(
            name=video.file.name,
            bytes=state[0],
            mtime_ns=state[1],
            facts=video.facts,
            problem=video.problem,
        )
        with self._path.open("ab") as file:
            # The line break comes first: it ends a line that a kill cut off.
            file.write(b"\n" + _LINE.dump_json(line))


def _state(file: VideoFile) -> tuple[int, int] | None:
    try:
        status = file.path.stat()
    except OSError:  # gone, or a link that leads nowhere
        return None
    return status.st_size, status.st_mtime_ns
