"""Who is seen in which file, from a table beside the data set, e.g. the one of `persons`."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.records import DatasetReading, VideoRecord, note


def read_known_persons(path: Path) -> dict[str, str]:
    """Read a CSV with the columns `file` and `person`.

    Returns:
        The person of each file; empty for somebody whom nobody knows.

    Raises:
        InvalidDataset: The table is missing, lacks a column, or names a file twice.
    """
    if not path.is_file():
        raise InvalidDataset(f"there is no table of persons at {path}")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, restval="")
        if not {"file", "person"} <= set(rows.fieldnames or ()):
            raise InvalidDataset(f"{path} needs the columns file,person; it has {rows.fieldnames}")
        known: dict[str, str] = {}
        for row in rows:
            if row["file"] in known:
                raise InvalidDataset(f"line {rows.line_num} of {path} repeats {row['file']}")
            known[row["file"]] = row["person"].strip()
    return known


def with_persons(reading: DatasetReading, known: Mapping[str, str]) -> DatasetReading:
    """The data set with the persons of a table in the place of its own.

    Files are found by their path below the data set's folder, or else by their name alone. Those
    that the table does not name stay as they are; those whose person it leaves empty are only
    trained on, since nobody can tell whether the same person is elsewhere, too.
    """
    records, strange = [], []
    for record in reading.records:
        person = known.get(record.path, known.get(PurePosixPath(record.path).name))
        if person is None:
            strange.append(record.path)
        records.append(_named(record, person))
    notes = note(strange, "files are not in the table of persons")
    return replace(reading, records=tuple(records), notes=(*reading.notes, *notes))


def _named(record: VideoRecord, person: str | None) -> VideoRecord:
    if person is None:
        return record
    if not person:
        return replace(record, identities=(), training_only=True)
    # Whoever lent a face is still in it.
    return replace(record, identities=tuple(dict.fromkeys((person, *record.identities[1:]))))
