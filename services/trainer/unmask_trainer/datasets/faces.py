"""Face crops of a data set's videos, extracted by the pipeline that serves, cached on disk."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask_shared.errors import UnmaskError
from unmask_shared.model.clips import clips_to_classify
from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.processes import single_threaded_processes

# Part of every cache key: raise it when the pipeline's results change.
_CACHE_VERSION = 2


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
    cache: Path,
    *,
    workers: int,
    on_video: Callable[[LabelledVideo, str | None], None],
) -> list[FaceClips]:
    """Extract the faces of all videos.

    Only the most prominent face of a video is used: the label speaks of the video, and of its
    main person most surely.

    Args:
        videos: The data set.
        settings: As in serving.
        cache: Folder for the crops; a video that was extracted before is read from there.
        workers: Processes.
        on_video: Called for each video with the reason if it is left out, else None.

    Returns:
        The videos that have a face, in the given order.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    with single_threaded_processes(workers) as pool:
        jobs = [pool.submit(_extract, video, settings, cache) for video in videos]
        for video, job in zip(videos, jobs, strict=True):
            result = job.result()
            on_video(video, result if isinstance(result, str) else None)
            if isinstance(result, FaceClips):
                found.append(result)
    return found


def _extract(video: LabelledVideo, settings: VisionSettings, cache: Path) -> FaceClips | str:
    """The video's clips, or why there are none."""
    key = _cache_key(video.path, settings)
    crops_path, index_path = cache / f"{key}.npy", cache / f"{key}.json"
    if not index_path.exists():
        try:
            found = extract_faces(video.path, settings)
        except UnmaskError as error:
            return f"{error.code}: {error.detail}"
        clips: list[tuple[int, int]] = []
        if found.tracks:
            face = found.tracks[0]
            pieces = clips_to_classify(
                face.frames, settings.clip_length, frame_step=found.frame_step
            )
            clips = [(piece.start, piece.stop) for piece in pieces]
            partial = crops_path.with_suffix(".partial.npy")
            np.save(partial, face.crops)
            partial.replace(crops_path)
        # Written last: it says that the crops are whole.
        index_path.write_text(json.dumps(clips))
    stored = json.loads(index_path.read_text())
    if not stored:
        return "no face was found"
    spans = tuple((int(start), int(stop)) for start, stop in stored)
    return FaceClips(video=video, crops_path=crops_path, clips=spans)


def _cache_key(path: Path, settings: VisionSettings) -> str:
    digest = hashlib.sha256(json.dumps([_CACHE_VERSION, asdict(settings)], default=str).encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:32]
