"""The data sets of an experiment: faces extracted, people divided."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.model.card import LABELS
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.configuration import SplitSettings
from unmask_trainer.datasets.faces import FaceClips, extract_data_set
from unmask_trainer.datasets.labelled import LabelledVideo, read_labelled_videos
from unmask_trainer.datasets.missing_crops import explain_missing_crops
from unmask_trainer.datasets.prepared import FACES_FOLDER, caution_about, is_prepared
from unmask_trainer.datasets.splits import Shares, Split, split_groups
from unmask_trainer.training.errors import InvalidExperiment


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A folder of labelled videos, with their faces.

    Attributes:
        name: Of the folder.
        parts: Who is trained on, who is validated on, who is kept for the test.
        caution: What has to stand beside every result; empty if nothing.
    """

    name: str
    parts: dict[Split, tuple[FaceClips, ...]]
    caution: str

    def digest(self) -> str:
        """Changes when a video, its label, its part or its crops do."""
        lines = sorted(
            f"{split}\t{item.video.id}\t{item.video.label}\t{item.crops_path.name}\t{item.clips}"
            for split, items in self.parts.items()
            for item in items
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load_data_sets(
    folders: Sequence[Path], vision: VisionSettings, split: SplitSettings, *, workers: int
) -> list[DataSet]:
    """Load the data sets of an experiment.

    Args:
        folders: Prepared, or with `real/` and `fake/`.
        vision: How faces are extracted.
        split: How folders are divided that were not prepared.
        workers: Processes that extract faces.

    Raises:
        InvalidExperiment: Two folders have one name; or in all of them together, a part lacks one
            of the classes.
    """
    names = [folder.resolve().name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise InvalidExperiment(f"two data sets are called {name!r}: rename one of the folders")
    found = []
    for name, folder in zip(names, folders, strict=True):
        faces = load_faces(folder, vision, workers=workers)
        parts = _divide(folder, faces, split)
        found.append(DataSet(name=name, parts=parts, caution=caution_about(folder)))
    _check(found)
    return found


def load_faces(folder: Path, settings: VisionSettings, *, workers: int) -> list[FaceClips]:
    """Extract the faces of a labelled folder, with a progress bar; say what is left out.

    Raises:
        InvalidInput: A class has no file.
        InvalidDataset: The tables of a prepared folder are damaged, or it has neither the crops
            that are asked for nor its videos.
    """
    videos = read_labelled_videos(folder)
    if notice := explain_missing_crops(folder, videos, settings):
        tqdm.write(notice, file=sys.stderr)
    with tqdm(total=len(videos), unit="video", desc=f"faces of {folder.name}") as bar:

        def advance(video: LabelledVideo, problem: str | None) -> None:
            bar.update()
            if problem:
                bar.write(f"left out {video.id}: {problem}", file=sys.stderr)

        return extract_data_set(
            videos, settings, folder / FACES_FOLDER, workers=workers, on_video=advance
        )


def _divide(
    folder: Path, faces: Sequence[FaceClips], settings: SplitSettings
) -> dict[Split, tuple[FaceClips, ...]]:
    """The parts that a data set was prepared with, or else a split by person."""
    if is_prepared(folder):
        return {
            split: tuple(item for item in faces if item.video.part == split.value)
            for split in Split
        }
    shares = Shares(val=settings.val, test=settings.test)
    placed = split_groups((item.video.group for item in faces), shares, settings.seed)
    return {
        split: tuple(item for item in faces if placed[item.video.group] is split) for split in Split
    }


def _check(data_sets: Sequence[DataSet]) -> None:
    for split in Split:
        items = [item for one in data_sets for item in one.parts[split]]
        if len({item.video.label for item in items}) < len(LABELS):
            raise InvalidExperiment(
                f"the {split} part has {len(items)} videos and lacks one of the classes: add "
                "videos of more people"
            )
