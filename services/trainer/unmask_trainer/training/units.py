"""Real clips and the forgeries that were made of them, side by side."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import LABELS
from unmask_trainer.datasets.faces import FaceClips

Crops = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One clip of one video.

    Attributes:
        faces: The video.
        start: First of its crops.
        stop: Behind the last one.
    """

    faces: FaceClips
    start: int
    stop: int

    @property
    def label(self) -> int:
        """0 for real, 1 for fake."""
        return self.faces.video.label

    def window(self, frames: int, place: float, *, step: int = 1) -> Crops:
        """Up to `frames` crops, each `step` behind the one before.

        Args:
            frames: How many.
            place: Where in the clip they lie, in [0, 1].
            step: 1 for all; a clip that is too short for more is shown with all.
        """
        if self.stop - self.start < 1 + (frames - 1) * step:
            step = 1
        spare = max(0, self.stop - self.start - (1 + (frames - 1) * step))
        first = self.start + round(spare * place)
        return np.array(self.faces.load()[first : min(first + frames * step, self.stop) : step])


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A real clip and its stored forgeries: in training they show the same, but for the forgery.

    Attributes:
        dataset: Where it comes from.
        person: Who is shown.
        real: The clip itself; None where only forgeries of it are at hand.
        fakes: Its forgeries.
    """

    dataset: str
    person: str
    real: Piece | None
    fakes: tuple[Piece, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All of its clips, the real one first."""
        return ((self.real,) if self.real else ()) + self.fakes


def units_of(faces: Iterable[FaceClips], dataset: str) -> tuple[Unit, ...]:
    """Put clips of the same footage together.

    Args:
        faces: Videos of one data set.
        dataset: Its name.

    Two videos are of the same footage when their table names the same source, or else when they
    have the same name and person. The n-th clip of a forgery belongs to the n-th of the real one.
    """
    found: dict[tuple[str, int], list[Piece]] = defaultdict(list)
    for item in faces:
        for number, (start, stop) in enumerate(item.clips):
            piece = Piece(faces=item, start=start, stop=stop)
            found[item.video.footage, number].append(piece)
    return tuple(unit for pieces in found.values() for unit in _units(pieces, dataset))


def _units(pieces: list[Piece], dataset: str) -> Iterable[Unit]:
    real = [piece for piece in pieces if piece.label == LABELS["real"]]
    fakes = tuple(piece for piece in pieces if piece.label != LABELS["real"])
    # The same footage twice as real, compressed twice for example, is two units.
    for number, one in enumerate(real or [None]):
        yield Unit(
            dataset=dataset,
            person=pieces[0].faces.video.group,
            real=one,
            fakes=fakes if number == 0 else (),
        )
