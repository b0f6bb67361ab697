"""Face crops of invented videos, written as the crop cache keeps them."""

from pathlib import Path

import numpy as np

from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.labelled import LabelledVideo


def labelled_crops(
    folder: Path,
    *,
    people: int,
    frames: int = 8,
    side: int = 32,
    clips: tuple[tuple[int, int], ...] | None = None,
    labels: tuple[int, ...] = (0, 1),
    seed: int = 0,
    stills: bool = False,
) -> list[FaceClips]:
    """Videos whose fakes are brighter in the middle: whatever learns at all learns that."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    found = []
    for number in range(people):
        footage = rng.integers(60, 120, (1 if stills else frames, side, side, 3), np.uint8)
        for label in labels:
            crops = footage.copy()
            middle = slice(side // 3, 2 * side // 3)
            crops[:, middle, middle] += np.uint8(90 * label)
            name = ("real", "fake")[label]
            path = folder / f"{seed}-{number}-{name}.npy"
            np.save(path, crops)
            video = LabelledVideo(
                path=folder / name / f"{seed}-{number}.mp4", label=label, group=f"{seed}-{number}"
            )
            pieces = ((0, 1),) if stills else (clips or ((0, frames),))
            found.append(FaceClips(video=video, crops_path=path, clips=pieces))
    return found
