"""A folder of labelled videos: a prepared data set, or `real/*` and `fake/*` as they are."""

import csv
from dataclasses import dataclass
from pathlib import Path

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.prepared import (
    Status,
    is_prepared,
    read_preparation,
    read_prepared,
)
from unmask_trainer.datasets.records import Part
from unmask_trainer.errors import InvalidInput

METADATA_FILE = "metadata.csv"


@dataclass(frozen=True, kw_only=True)
class LabelledVideo:
    """One video of the data set.

    Attributes:
        path: The file.
        label: 0 for real, 1 for fake.
        group: What must not be torn apart by a split: the people who lend each other their faces,
            the person, or else the file's stem, which a forgery shares with its original.
        method: How it was forged, if known.
        person: Who is shown, if known.
        source: The recording that it is taken from, if known.
        name: Instead of the name that follows from the path.
        part: The part of the data set that it was put in, if it was divided already.
        dataset: Name of the data set, if it has one.
        identities: Everybody who is in it, as far as that is known: a forgery's target, then who
            lent the face.
        sha256: Of the file's bytes, if it is known.
        clip_of: What a real video and the forgeries of it share, if a table says so.
    """

    path: Path
    label: int
    group: str
    method: str = ""
    person: str = ""
    source: str = ""
    name: str = ""
    part: Part | None = None
    dataset: str = ""
    identities: tuple[str, ...] = ()
    sha256: str | None = None
    clip_of: str = ""

    @property
    def footage(self) -> str:
        """What a real video and the forgeries of it share: by table, or else person and name."""
        return self.clip_of or f"{self.group}/{self.path.stem}"

    @property
    def id(self) -> str:
        """Unique in the data set, e.g. `fake/clip.mp4`."""
        return self.name or f"{self.path.parent.name}/{self.path.name}"


def read_labelled_videos(folder: Path) -> list[LabelledVideo]:
    """List the videos of a folder, a group's videos next to each other.

    Args:
        folder: Was prepared; or holds `real/` and `fake/`, and may hold `metadata.csv` with the
            columns `id,label,person`, where `id` is a file's name without its suffix, and if known
            `source`, `method`, `identities` (who is seen, then who lent a face, with `;` between
            them), `clip` (what a real video and its forgeries share) and `circle` (whom a split
            must keep together with whom).

    Returns:
        All videos of a plain folder; those of a prepared one that can be used.

    Raises:
        InvalidInput: When a class has no file.
        InvalidDataset: When the tables of a prepared folder are damaged.
    """
    if is_prepared(folder):
        return _read_prepared_videos(folder)
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder")
    if not all((folder / name).is_dir() for name in LABELS):
        raise InvalidInput(
            f"{folder} holds no videos in {' and '.join(f'{name}/' for name in LABELS)}, and was "
            "not prepared to the end: python -m unmask_trainer prepare reads all layouts"
        )
    table = _read_metadata(folder / METADATA_FILE)
    videos = []
    for name, label in LABELS.items():
        files = sorted(path for path in (folder / name).glob("*") if path.is_file())
        files = [path for path in files if not path.name.startswith(".")]
        if not files:
            raise InvalidInput(f"{folder / name} holds no videos; put {name} ones there")
        for path in files:
            row = table.get((path.stem, name), {})
            videos.append(
                LabelledVideo(
                    path=path,
                    label=label,
                    group=row.get("circle") or row.get("person") or path.stem,
                    method=row.get("method", ""),
                    person=row.get("person", ""),
                    source=row.get("source", ""),
                    identities=tuple(filter(None, row.get("identities", "").split(";"))),
                    clip_of=row.get("clip", ""),
                )
            )
    return sorted(videos, key=lambda video: (video.group, video.path.stem, video.label))


def _read_prepared_videos(folder: Path) -> list[LabelledVideo]:
    root = read_preparation(folder).root
    return [
        LabelledVideo(
            path=root / row.path,
            label=row.label,
            group=next(iter((*row.identities, *row.source)), row.id),
            method=row.method,
            person=next(iter(row.identities), ""),
            source=next(iter(row.source), ""),
            name=row.id,
            part=row.split,
            dataset=row.dataset,
            identities=row.identities,
            sha256=row.sha256,
            clip_of=next(iter(row.source), row.id),
        )
        for row in read_prepared(folder)
        if row.status is Status.OK and row.split is not None
    ]


def _read_metadata(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"id", "label", "person"} <= set(rows.fieldnames or ()):
            raise InvalidInput(f"{path} needs the columns id,label,person")
        return {(row["id"], row["label"]): row for row in rows}
