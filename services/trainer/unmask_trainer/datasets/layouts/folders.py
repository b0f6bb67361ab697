"""A folder with `real/*` and `fake/*`, as `forge` makes it, or anybody by hand.

Beside them may lie `metadata.csv` with the columns `id,label,person`, and if known `source`,
`method`, `identities`, `clip` and `circle`; see `labelled.read_labelled_videos`.
"""

from pathlib import Path

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.labelled import LabelledVideo, read_labelled_videos
from unmask_trainer.datasets.records import DatasetReading, VideoRecord


def fits(root: Path) -> bool:
    """Whether a folder has a folder for each class."""
    return all((root / name).is_dir() for name in LABELS)


def read(root: Path) -> DatasetReading:
    """Describe the videos.

    Raises:
        InvalidInput: A class has no file, or the table lacks columns.
    """
    return DatasetReading(
        records=tuple(_record_of(video, root) for video in read_labelled_videos(root))
    )


def _record_of(video: LabelledVideo, root: Path) -> VideoRecord:
    return VideoRecord(
        path=video.path.relative_to(root).as_posix(),
        label=video.label,
        identities=video.identities or ((video.person,) if video.person else ()),
        # A take and the recording that it is from: takes of one recording show the same scene.
        sources=tuple(filter(None, (video.clip_of, video.source))) or (video.path.stem,),
        method=video.method,
        dataset=root.name,
    )
