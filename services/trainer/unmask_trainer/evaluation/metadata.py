"""What tables say about videos, by any column."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.labelled import LabelledVideo
from unmask_trainer.evaluation.errors import InvalidEvaluation

_NAMES = {str(label): name for name, label in LABELS.items()}


class Metadata:
    """The rows of some CSV files, found by a video's id.

    A row belongs to a video when its `id` is the video's path below the data set's folder, with or
    without the suffix, or the file's name without it; and, in tables with a column `label`, when
    the label is the video's. Later files add columns to those of earlier ones, and replace values.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the files.

        Raises:
            InvalidEvaluation: A file cannot be read as a table, or has no column `id`.
        """
        self._tables = [_read(path) for path in paths]
        self.columns = sorted({name for table in self._tables for name in table.columns})

    def of(self, video: LabelledVideo, folder: Path) -> dict[str, str]:
        """What is known about a video; empty values are left out."""
        path = video.path.relative_to(folder) if video.path.is_relative_to(folder) else video.path
        ids = (path.as_posix(), path.with_suffix("").as_posix(), video.id, video.path.stem)
        found: dict[str, str] = {}
        for table in self._tables:
            found |= table.row(ids, video.label)
        return found


class _Table:
    def __init__(self, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
        self.columns = columns
        self._rows = defaultdict(list)
        for row in rows:
            self._rows[row["id"]].append(row)

    def row(self, ids: Sequence[str], label: int) -> dict[str, str]:
        wanted = {_NAMES[str(label)], str(label), ""}
        for key in ids:
            for row in self._rows.get(key, ()):
                if row.get("label", "").lower() in wanted:
                    return {name: value for name, value in row.items() if value}
        return {}


def _read(path: Path) -> _Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", restkey="")
            columns = [name for name in reader.fieldnames or () if name]
            rows = [{name: row[name] for name in columns} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidEvaluation(f"{path} cannot be read as a table: {error}") from error
    if "id" not in columns:
        raise InvalidEvaluation(f"{path} has no column id, only {', '.join(columns) or 'none'}")
    return _Table(columns, rows)
