"""Finds out how a data set is laid out, and reads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from unmask_trainer.datasets.errors import InvalidDataset
from unmask_trainer.datasets.layouts import celeb_df, dfdc, faceforensics, folders, plain, table
from unmask_trainer.datasets.records import DatasetReading


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A way in which data sets lie on disk.

    Attributes:
        signs: What a folder of this layout has, for people.
        fits: Whether a folder looks like it.
        read: Describes the videos of such a folder.
    """

    signs: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], DatasetReading]


LAYOUTS: Final[Mapping[str, Layout]] = MappingProxyType(
    {
        "celeb-df": Layout(
            signs=f"{celeb_df.REAL}/ and {celeb_df.FAKE}/", fits=celeb_df.fits, read=celeb_df.read
        ),
        "faceforensics": Layout(
            signs="original_sequences/ and manipulated_sequences/",
            fits=faceforensics.fits,
            read=faceforensics.read,
        ),
        "dfdc": Layout(
            signs=f"dfdc_train_part_NN/{dfdc.TABLE}, or {dfdc.TABLE}",
            fits=dfdc.fits,
            read=dfdc.read,
        ),
        "folders": Layout(signs="real/ and fake/", fits=folders.fits, read=folders.read),
        "table": Layout(
            signs=f"{table.TABLE} with the columns path,label", fits=table.fits, read=table.read
        ),
    }
)


def read_dataset(
    root: Path, layout: str | None = None, *, label: str | None = None
) -> tuple[str, DatasetReading]:
    """Read a data set.

    Args:
        root: Its folder.
        layout: One of `LAYOUTS`; None for the only one that fits.
        label: Of all files, for a table without labels, or a folder without a table.

    Returns:
        The layout's name, and what the folder holds.

    Raises:
        InvalidDataset: No layout fits, or several do, or the folder contradicts its layout.
    """
    if not root.is_dir():
        raise InvalidDataset(f"{root} is not a folder")
    if label is not None:
        return _read_as(root, layout, label)
    name = layout or _recognise(root)
    if not LAYOUTS[name].fits(root):
        raise InvalidDataset(f"{root} is not laid out as {name}: that has {LAYOUTS[name].signs}")
    return name, LAYOUTS[name].read(root)


def _read_as(root: Path, layout: str | None, label: str) -> tuple[str, DatasetReading]:
    if layout not in (None, "table"):
        raise InvalidDataset(f"the layout {layout} has labels of its own: leave out --label")
    if layout == "table" or table.fits_unlabelled(root):
        return "table", table.read(root, label)
    return "plain", plain.read(root, label)


def _recognise(root: Path) -> str:
    fitting = [name for name, layout in LAYOUTS.items() if layout.fits(root)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InvalidDataset(
            f"{root} can be read as {' or '.join(fitting)}: choose one with --layout"
        )
    known = "; ".join(f"{name}: {layout.signs}" for name, layout in LAYOUTS.items())
    raise InvalidDataset(f"{root} has none of the known layouts ({known})")
