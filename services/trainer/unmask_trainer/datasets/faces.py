"""Face crops of a data set's videos, extracted by the pipeline that serves, cached on disk."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.crop_cache import CropCache, StoredFaces
from unmask_trainer.datasets.errors import WorkerLost
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.processes import single_threaded_processes


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
        """The crops, memory-mapped."""
        crops: NDArray[np.uint8] = np.load(self.crops_path, mmap_mode="r")
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


def extract_all(
    cache: CropCache, files: Sequence[tuple[Path, str | None]], *, workers: int
) -> Iterator[StoredFaces]:
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
        jobs = [pool.submit(cache.extract, path, sha256) for path, sha256 in files]
        try:
            for job in jobs:
                yield job.result()
        except BrokenProcessPool as error:
            raise WorkerLost("A process that extracts faces was ended from outside.") from error
        finally:
            for job in jobs:
                job.cancel()


def why_left_out(stored: StoredFaces) -> str | None:
    """Why a video has no clips; None if it has some."""
    if stored.problem is not None:
        return f"{stored.problem.code}: {stored.problem.detail}"
    return None if stored.clips else "no face was found"
