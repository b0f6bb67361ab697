"""Videos and pictures that a CSV file lists: for data sets that have no layout of their own.

| column | content |
|---|---|
| `path` or `file` | the file, relative to the folder of the table |
| `label` | `real` or `fake`; may be missing where all files have one label |
| `identities` or `person` | optional: who is seen, then who lent a face, with `;` between them |
| `source` or `original` | optional: the clips that it is made of, with `;` between them |
| `method` | optional: how it was forged |
| `split` | optional: `train`, `val`, `test` or `false-positive-check`, for `--split official` |
| `split_only` | optional: `train` for files that no split may put anywhere else |
| `dataset` | optional: the name that results are reported under |
"""

import csv
from pathlib import Path, PurePosixPath
from typing import Final

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.records import DatasetReading, Part, VideoRecord, note

TABLE: Final = "metadata.csv"
_NAMES_OF: Final = {
    "path": ("path", "file"),
    "identities": ("identities", "person"),
    "source": ("source", "original"),
}


def fits(root: Path) -> bool:
    """Whether a folder has a table that names paths and labels."""
    return {"path", "label"} <= _columns(root / TABLE)


def fits_unlabelled(root: Path) -> bool:
    """Whether a folder has a table that names paths."""
    return "path" in _columns(root / TABLE)


def read(root: Path, label: str | None = None) -> DatasetReading:
    """Describe the videos; files that are missing are left out with a note.

    Args:
        root: The folder of the table and of the files.
        label: Of all files, for a table that has no such column.

    Raises:
        InvalidDataset: A column is missing, or a value is none of those above.
    """
    table = root / TABLE
    if not (fits(root) if label is None else fits_unlabelled(root)):
        raise InvalidDataset(f"{table} is missing, or lacks the columns path,label")
    records, missing = [], []
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, restval="", restkey="")
        for row in rows:
            where = f"line {rows.line_num} of {table}"
            record = _record_of(_renamed(row), label, where, root.name)
            if (root / record.path).is_file():
                records.append(record)
            else:
                missing.append(record.path)
    return DatasetReading(
        records=tuple(records), notes=note(missing, f"videos of {TABLE} are missing")
    )


def _columns(table: Path) -> set[str]:
    """The columns of a table, by their first names; none if there is no table."""
    if not table.is_file():
        return set()
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return set(_renamed(dict.fromkeys(next(csv.reader(file), []), "")))


def _renamed(row: dict[str, str]) -> dict[str, str]:
    """A row with the first of the names that a column may have."""
    found = {
        first: row[name]
        for first, names in _NAMES_OF.items()
        for name in reversed(names)
        if name in row
    }
    return row | found


def _record_of(row: dict[str, str], label: str | None, where: str, name: str) -> VideoRecord:
    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise InvalidDataset(f"{where} has the path {row['path']!r}, which is not below its folder")
    stated = row.get("label") or label or ""
    if stated not in LABELS:
        raise InvalidDataset(f"{where} has the label {stated!r}, not real or fake")
    if label not in (None, stated):
        raise InvalidDataset(f"{where} has the label {stated!r}, but all files shall be {label}")
    if row.get("split_only", "") not in ("", Part.TRAIN):
        raise InvalidDataset(
            f"{where} has {row['split_only']!r} in split_only, which can be {Part.TRAIN} or empty"
        )
    return VideoRecord(
        path=str(path),
        label=LABELS[stated],
        identities=_names(row.get("identities", "")),
        sources=_names(row.get("source", "")) or (str(path.with_suffix("")),),
        method=row.get("method", ""),
        official=_part(row.get("split", ""), where),
        training_only=row.get("split_only") == Part.TRAIN,
        dataset=row.get("dataset") or name,
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
