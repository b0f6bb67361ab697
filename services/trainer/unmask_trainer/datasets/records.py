"""What a data set says about its videos, before any of them is opened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from unmask_trainer.datasets.errors import InvalidDataset

_EXAMPLES: Final = 3


class Part(StrEnum):
    """Where a video goes.

    The videos of the false-positive check are real ones of another origin, on which a finished
    checkpoint is tried last: none of the other parts has anything like them.
    """

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    FALSE_POSITIVE_CHECK = "false-positive-check"


@dataclass(frozen=True, kw_only=True)
class VideoRecord:
    """One video of a data set.

    Attributes:
        path: The file, relative to the data set's root, with `/`.
        label: 0 for real, 1 for fake.
        identities: Who is in it, the person who is seen first, then whoever lent a face; empty if
            the data set does not say.
        sources: The clips that it is made of, the one that gives the frames first: for a real
            video itself, by the name that forgeries refer to it.
        method: How it was forged; empty for a real video, or if that is not known.
        official: The part that the authors' lists put it in, if they do.
        reserved: Whether it is kept for the false-positive check by every split, unless the
            authors' lists have another use for it.
        training_only: Whether it may be in no part but training: it is not known well enough who
            is in it to tell that nobody else shows the same person.
        dataset: Name of the data set.
    """

    path: str
    label: int
    sources: tuple[str, ...]
    dataset: str
    identities: tuple[str, ...] = ()
    method: str = ""
    official: Part | None = None
    reserved: bool = False
    training_only: bool = False

    @property
    def id(self) -> str:
        """Unique in the data set: the path without its suffix."""
        return str(PurePosixPath(self.path).with_suffix(""))


@dataclass(frozen=True, kw_only=True)
class DatasetReading:
    """A data set as its layout describes it.

    Attributes:
        records: One for each video, by id.
        notes: What does not fit the layout and was left out, for the user to know.

    Raises:
        InvalidDataset: There is no video, or two have one id, or a name is no text.
    """

    records: tuple[VideoRecord, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.records:
            raise InvalidDataset("the folder holds no videos where its layout has them")
        object.__setattr__(self, "records", tuple(sorted(self.records, key=lambda one: one.id)))
        for record in self.records:
            if not record.path.isprintable():
                raise InvalidDataset(
                    f"{record.path!r} is not a name that tables can hold: rename it"
                )
        for first, second in zip(self.records, self.records[1:], strict=False):
            if first.id == second.id:
                raise InvalidDataset(
                    f"{first.path} and {second.path} have the same id, {first.id}: remove or "
                    "rename one of them"
                )


def files_in(folder: Path) -> list[Path]:
    """The files of a folder by name, without hidden ones; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()
    )


def note(names: Iterable[str], what: str) -> tuple[str, ...]:
    """A note about some files, with a few of their names; none if there are no such files."""
    found = sorted(names)
    if not found:
        return ()
    return (f"{len(found)} {what}: {examples(found)}",)


def examples(names: Sequence[str]) -> str:
    """A few names, and a sign that there are more."""
    shown = ", ".join(names[:_EXAMPLES])
    return f"{shown}, ..." if len(names) > _EXAMPLES else shown
