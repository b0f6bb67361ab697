"""Face crops of videos and pictures, extracted by the pipeline that serves, cached on disk."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.picture_files import is_picture_name
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.crop_cache import CropCache, StoredFaces
from unmask_trainer.datasets.errors import WorkerLost
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.processes import single_threaded_processes

_SMALL_BYTES: Final = 512 * 1024
# Pictures that one process looks at in one go.
_BUNDLE: Final = 32

_File = tuple[Path, str | None]


@dataclass(frozen=True, kw_only=True)
class FaceClips:
    """The clips of the most prominent face of one video.

    Attributes:
        video: Where they come from.
        crops_path: A `.npy` file of (N, S, S, 3) uint8 RGB.
        clips: (start, stop) of each clip in the crops.
    """

    video: LabelledVideo
    crops_path: Path
    clips: tuple[tuple[int, int], ...]

    def load(self) -> NDArray[np.uint8]:
        """The crops, not to be written to; those of a long video are memory-mapped."""
        # To map a still's crop takes longer than to read it: 0.17 against 0.07 ms.
        small = self.crops_path.stat().st_size < _SMALL_BYTES
        crops: NDArray[np.uint8] = np.load(self.crops_path, mmap_mode=None if small else "r")
        crops.flags.writeable = False
        return crops


def extract_data_set(
    videos: Sequence[LabelledVideo],
    settings: VisionSettings,
    folder: Path,
    *,
    workers: int,
    on_video: Callable[[LabelledVideo, str | None], None],
) -> list[FaceClips]:
    """Extract the faces of all videos.

    Args:
        videos: The data set.
        settings: As in serving.
        folder: Of the cache; a video that was extracted before is read from there.
        workers: Processes.
        on_video: Called for each video with the reason if it is left out, else None.

    Returns:
        The videos that have a face, in the given order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cache = CropCache(folder=folder, settings=settings)
    found = []
    stored_faces = extract_all(cache, [(v.path, v.sha256) for v in videos], workers=workers)
    for video, stored in zip(videos, stored_faces, strict=True):
        on_video(video, why_left_out(stored))
        if stored.clips:
            path = cache.crops_path(stored.key)
            found.append(FaceClips(video=video, crops_path=path, clips=stored.clips))
    return found


def extract_all(cache: CropCache, files: Sequence[_File], *, workers: int) -> Iterator[StoredFaces]:
    """Extract the faces of files, in processes that each have a sandbox of their own.

    Args:
        cache: Where crops are kept.
        files: Each with the SHA-256 of its bytes, if it is known.
        workers: Processes.

    Yields:
        What became of each file, in the given order.

    Raises:
        WorkerLost: A process was ended from outside.
        SandboxUnavailable: Nothing can be decoded on this machine.
    """
    with single_threaded_processes(workers) as pool:
        jobs = [pool.submit(_extract, cache, bundle) for bundle in _bundles(files)]
        try:
            for job in jobs:
                yield from job.result()
        except BrokenProcessPool as error:
            raise WorkerLost("A process that extracts faces was ended from outside.") from error


def _bundles(files: Sequence[_File]) -> Iterator[Sequence[_File]]:
    """Videos one by one, and pictures that follow each other together."""
    for are_pictures, run in groupby(files, key=lambda file: is_picture_name(file[0])):
        waiting = list(run)
        step = _BUNDLE if are_pictures else 1
        yield from (waiting[start : start + step] for start in range(0, len(waiting), step))


def _extract(cache: CropCache, bundle: Sequence[_File]) -> list[StoredFaces]:
    if is_picture_name(bundle[0][0]):
        return cache.extract_stills(bundle)
    return [cache.extract(path, sha256) for path, sha256 in bundle]


def why_left_out(stored: StoredFaces) -> str | None:
    """Why a video has no clips; None if it has some."""
    if stored.problem is not None:
        return f"{stored.problem.code}: {stored.problem.detail}"
    return None if stored.clips else "no face was found"
