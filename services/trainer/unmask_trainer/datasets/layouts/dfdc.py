"""The training set of the Deepfake Detection Challenge (Dolhansky et al., 2020).

Each `dfdc_train_part_NN/` holds videos and a `metadata.json`:
`{"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"}, ...}`. Nobody says who is
shown, and actors occur in many originals: what can be kept apart are originals.
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.records import DatasetReading, Part, VideoRecord, files_in, note

DATASET: Final = "dfdc"
TABLE: Final = "metadata.json"

_PARTS: Final = {"train": Part.TRAIN, "validate": Part.VAL, "test": Part.TEST}


class _Entry(BaseModel):
    label: Literal["REAL", "FAKE"]
    split: Literal["train", "validate", "test"] | None = None
    original: str | None = None


_TABLE: Final = TypeAdapter(dict[str, _Entry])


def fits(root: Path) -> bool:
    """Whether a folder looks like some parts of DFDC, or like one."""
    return bool(_folders(root))


def read(root: Path) -> DatasetReading:
    """Describe the videos.

    Raises:
        InvalidDataset: A `metadata.json` is not of the form above.
    """
    records, missing, unlisted = [], [], []
    for folder in _folders(root):
        table = _read_table(folder / TABLE)
        names = {path.name for path in files_in(folder)} - {TABLE}
        place = folder.relative_to(root)
        missing += [(place / name).as_posix() for name in table.keys() - names]
        unlisted += [(place / name).as_posix() for name in names - table.keys()]
        for name in table.keys() & names:
            entry = table[name]
            original = name if entry.label == "REAL" else entry.original or name
            records.append(
                VideoRecord(
                    path=(place / name).as_posix(),
                    label=LABELS[entry.label.lower()],
                    sources=(Path(original).stem,),
                    official=_PARTS[entry.split] if entry.split else None,
                    dataset=DATASET,
                )
            )
    return DatasetReading(
        records=tuple(records),
        notes=(
            *note(missing, f"videos of {TABLE} are missing"),
            *note(unlisted, f"files are not in {TABLE} and were left out"),
            "nobody says who is shown: videos are kept apart by original, not by person",
        ),
    )


def _folders(root: Path) -> list[Path]:
    parts = sorted(root.glob(f"dfdc_train_part_*/{TABLE}"))
    if not parts and (root / TABLE).is_file():
        parts = [root / TABLE]
    return [path.parent for path in parts]


def _read_table(path: Path) -> dict[str, _Entry]:
    try:
        return _TABLE.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise InvalidDataset(
            f'{path} is not {{"NAME.mp4": {{"label": "REAL" or "FAKE", ...}}}}: at {where}: '
            f"{first['msg']}"
        ) from error
