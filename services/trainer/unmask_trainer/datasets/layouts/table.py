"""Videos that a CSV file lists: for data sets that have no layout of their own.

| column | content |
|---|---|
| `path` | the file, relative to the folder of the table |
| `label` | `real` or `fake` |
| `identities` | optional: who is seen, then who lent a face, with `;` between them |
| `source` | optional: the clips that it is made of, with `;` between them |
| `method` | optional: how it was forged |
| `split` | optional: `train`, `val`, `test` or `false-positive-check`, for `--split official` |
| `dataset` | optional: the name that results are reported under |
"""

import csv
from pathlib import Path, PurePosixPath
from typing import Final

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.records import DatasetReading, Part, VideoRecord, note

TABLE: Final = "metadata.csv"
_REQUIRED: Final = {"path", "label"}


def fits(root: Path) -> bool:
    """Whether a folder has a table that names paths."""
    path = root / TABLE
    if not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return set(next(csv.reader(file), [])) >= _REQUIRED


def read(root: Path) -> DatasetReading:
    """Describe the videos; files that are missing are left out with a note.

    Raises:
        InvalidDataset: A column is missing, or a value is none of those above.
    """
    table = root / TABLE
    if not fits(root):
        raise InvalidDataset(f"{table} is missing, or lacks the columns path,label")
    records, missing = [], []
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, restval="", restkey="")
        for row in rows:
            record = _record_of(row, f"line {rows.line_num} of {table}")
            if (root / record.path).is_file():
                records.append(record)
            else:
                missing.append(record.path)
    return DatasetReading(
        records=tuple(records), notes=note(missing, f"videos of {TABLE} are missing")
    )


def _record_of(row: dict[str, str], where: str) -> VideoRecord:
    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise InvalidDataset(f"{where} has the path {row['path']!r}, which is not below its folder")
    if row["label"] not in LABELS:
        raise InvalidDataset(f"{where} has the label {row['label']!r}, not real or fake")
    return VideoRecord(
        path=str(path),
        label=LABELS[row["label"]],
        identities=_names(row.get("identities", "")),
        sources=_names(row.get("source", "")) or (str(path.with_suffix("")),),
        method=row.get("method", ""),
        official=_part(row.get("split", ""), where),
        dataset=row.get("dataset") or "table",
    )


def _part(text: str, where: str) -> Part | None:
    if not text:
        return None
    try:
        return Part(text)
    except ValueError as error:
        raise InvalidDataset(f"{where} has the split {text!r}, not one of {[*Part]}") from error


def _names(text: str) -> tuple[str, ...]:
    """The names of a list, each once, in their order."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(";") if name.strip()))
