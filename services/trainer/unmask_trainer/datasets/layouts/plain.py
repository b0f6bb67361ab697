"""A folder of videos and pictures that all have one label, such as portraits.

Nobody says who is shown, so each file counts as a person of its own.
"""

from pathlib import Path, PurePosixPath

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.records import DatasetReading, VideoRecord
from unmask_trainer.statistics.survey import find_videos


def read(root: Path, label: str) -> DatasetReading:
    """Describe the videos and pictures below a folder.

    Args:
        root: The folder, with all below it.
        label: `real` or `fake`.

    Raises:
        InvalidInput: There is neither.
    """
    return DatasetReading(
        records=tuple(
            VideoRecord(
                path=file.name,
                label=LABELS[label],
                sources=(str(PurePosixPath(file.name).with_suffix("")),),
                dataset=root.name,
            )
            for file in find_videos(root, with_pictures=True)
        ),
        notes=("nobody says who is shown: each file counts as a person of its own",),
    )
