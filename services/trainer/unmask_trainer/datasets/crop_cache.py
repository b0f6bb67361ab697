"""Crops of videos and stills on disk: extracted once, by the pipeline that serves, in a sandbox."""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from unmask_shared.errors import (
    DecoderCrashed,
    NotAVideo,
    UnmaskError,
    UnreadableVideo,
    VideoTooDemanding,
)
from unmask_shared.model.clips import clips_to_classify
from unmask_shared.sandbox import SandboxFailure, SandboxLimits
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction
from unmask_shared.vision.sandboxed_stills import Outcome, SandboxedStills
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.statistics.inspection import Problem

# Part of every key: raise it when the pipeline's results change.
_VERSION: Final = 5
# Here the machine may be at fault, for want of time or memory: the next run tries again.
_PASSING: Final = (VideoTooDemanding, DecoderCrashed)


@dataclass(frozen=True, kw_only=True)
class StoredFaces:
    """What became of a video.

    Attributes:
        key: Of its crops.
        faces: How many people were found in it.
        clips: (start, stop) of each clip in the crops of the most prominent one.
        problem: Why it could not be read; None if it could.
    """

    key: str
    faces: int = 0
    clips: tuple[tuple[int, int], ...] = ()
    problem: Problem | None = None


_STORED: Final = TypeAdapter(StoredFaces)


@dataclass(frozen=True, kw_only=True)
class CropCache:
    """A folder with `KEY.npy`, the crops, and `KEY.json`, which says that they are whole.

    Only the most prominent face of a video is kept: the label speaks of the video, and of its main
    person most surely.

    Attributes:
        folder: An existing folder.
        settings: How faces are extracted.
    """

    folder: Path
    settings: VisionSettings

    def key_of(self, sha256: str) -> str:
        """The key of a file by the digest of its bytes."""
        form = json.dumps([_VERSION, asdict(self.settings)], default=str)
        return hashlib.sha256(f"{form}{sha256}".encode()).hexdigest()[:32]

    def crops_path(self, key: str) -> Path:
        """Where a video's crops (N, S, S, 3) uint8 RGB are."""
        return self.folder / f"{key}.npy"

    def holds(self, sha256: str) -> bool:
        """Whether it is known what became of a file, by the digest of its bytes."""
        return self._index_path(self.key_of(sha256)).is_file()

    def find(self, key: str) -> StoredFaces | None:
        """What is known about a video."""
        try:
            return _STORED.validate_json(self._index_path(key).read_bytes())
        except FileNotFoundError:
            return None

    def extract(self, path: Path, sha256: str | None = None) -> StoredFaces:
        """Look a video up, or extract its faces. For a process that does nothing else.

        Args:
            path: The file.
            sha256: Digest of its bytes, if it is known.

        Raises:
            SandboxUnavailable: Nothing can be decoded on this machine.
            OSError: The cache cannot be written.
        """
        known = self._look_up(path, sha256)
        if isinstance(known, StoredFaces):
            return known
        return self._keep(known, _found_in(path, self.settings))

    def extract_stills(self, files: Sequence[tuple[Path, str | None]]) -> list[StoredFaces]:
        """The same for pictures, which together cost little more than one.

        Args:
            files: Each with the digest of its bytes, if it is known.

        Returns:
            What became of each, in the given order.
        """
        known = [self._look_up(path, sha256) for path, sha256 in files]
        unknown = [position for position, stored in enumerate(known) if isinstance(stored, str)]
        paths = [files[position][0] for position in unknown]
        outcomes = _stills_sandbox(self.settings).extract(paths) if paths else []
        fresh = dict(zip(unknown, outcomes, strict=True))
        return [
            self._keep(stored, fresh[position]) if isinstance(stored, str) else stored
            for position, stored in enumerate(known)
        ]

    def _look_up(self, path: Path, sha256: str | None) -> StoredFaces | str:
        """What is known about a file, or else its key."""
        try:
            key = self.key_of(sha256 or _digest(path))
        except OSError as error:
            return StoredFaces(key="", problem=_unreadable(error))
        return self.find(key) or key

    def _keep(self, key: str, outcome: Outcome) -> StoredFaces:
        match outcome:
            case NotAVideo() | UnreadableVideo() if not isinstance(outcome, _PASSING):
                return self._store(StoredFaces(key=key, problem=Problem.of(outcome)))
            case UnmaskError():
                return StoredFaces(key=key, problem=Problem.of(outcome))
            case SandboxFailure():
                # A bug of ours, not the file's fault: the others go on, and this one is told.
                return StoredFaces(
                    key=key, problem=Problem(code="sandbox_failure", detail=str(outcome))
                )
            case OSError():
                return StoredFaces(key=key, problem=_unreadable(outcome))
            case FaceTracks(tracks=()):
                return self._store(StoredFaces(key=key))
        return self._store(
            StoredFaces(key=key, faces=len(outcome.tracks), clips=_clips(outcome, self.settings)),
            outcome.tracks[0].crops,
        )

    def _store(self, faces: StoredFaces, crops: NDArray[np.uint8] | None = None) -> StoredFaces:
        if crops is not None:
            with replacing(self.crops_path(faces.key)) as partial:
                np.save(partial, crops)
        # Last: it says that the crops are whole.
        with replacing(self._index_path(faces.key)) as partial:
            partial.write_bytes(_STORED.dump_json(faces))
        return faces

    def _index_path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


@functools.cache
def _sandbox(settings: VisionSettings) -> SandboxedExtraction:
    """One for each process, which ends with it."""
    return SandboxedExtraction(settings, SandboxLimits())


@functools.cache
def _stills_sandbox(settings: VisionSettings) -> SandboxedStills:
    return SandboxedStills(settings, SandboxLimits())


def _found_in(path: Path, settings: VisionSettings) -> Outcome:
    try:
        return _sandbox(settings).extract(path)
    except (NotAVideo, UnreadableVideo, *_PASSING, SandboxFailure, OSError) as error:
        return error


def _clips(found: FaceTracks, settings: VisionSettings) -> tuple[tuple[int, int], ...]:
    pieces = clips_to_classify(
        found.tracks[0].frames, settings.clip_length, frame_step=found.frame_step
    )
    return tuple((piece.start, piece.stop) for piece in pieces)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreadable(error: OSError) -> Problem:
    reason = error.strerror or type(error).__name__
    return Problem.of(UnreadableVideo(f"The file cannot be read: {reason}."))
