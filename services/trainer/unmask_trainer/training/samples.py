"""Turns a draw into pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from unmask_shared.model.clips import ShortClips, frames_to_read
from unmask_trainer.augmentations import Augmentation, augment, draw_augmentation, warp
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.forgeries.stills import animate_still
from unmask_trainer.training.plan import Draw
from unmask_trainer.training.settings import AugmentationSettings
from unmask_trainer.training.units import Crops, Piece, Unit

_Picture = TypeVar("_Picture", NDArray[np.uint8], NDArray[np.float32])

# A network halves a picture four times before its maps are asked where it was forged.
MASK_SCALE = 16


class Sample(NamedTuple):
    """A clip as it is shown.

    Attributes:
        crops: (T, S, S, 3) uint8 RGB.
        label: 0 for real, 1 for fake.
        mask: (S // 16, S // 16) float32 in [0, 1], where the middle frame was forged; NaN where
            that is not known.
        unit: Position of its unit.
    """

    crops: Crops
    label: int
    mask: NDArray[np.float32]
    unit: int


class Batch(NamedTuple):
    """Samples side by side.

    Attributes:
        crops: (B, T, S, S, 3) uint8 RGB, with zeros behind short clips.
        lengths: (B,) int64, frames of each clip.
        labels: (B,) int64, 0 for real, 1 for fake.
        masks: (B, S // 16, S // 16) float32; see `Sample`.
        units: (B,) int64, positions of their units.
    """

    crops: Tensor
    lengths: Tensor
    labels: Tensor
    masks: Tensor
    units: Tensor


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How clips are shown.

    Attributes:
        window: Frames of a clip.
        margin: Of the crops, as in the face pipeline's settings.
        short_clips: What becomes of clips that have fewer.
        side: Crops are scaled down to this side; None leaves them.
        augmentation: How clips are changed; None shows their middle as it is.
    """

    window: int
    margin: float
    short_clips: ShortClips
    side: int | None
    augmentation: AugmentationSettings | None


class Samples(Dataset[Sample]):
    """What a data loader reads, by draw instead of by number."""

    def __init__(
        self, units: Sequence[Unit], forgeries: FreshForgeries, settings: SampleSettings
    ) -> None:
        self.units = units
        self._forgeries = forgeries
        self._settings = settings

    def __getitem__(self, draw: Draw) -> Sample:
        """Read, forge, animate and augment.

        A clip and its forgery differ in nothing but the forgery: what is drawn for both comes from
        the same seed, and what is drawn for the forgery from another.
        """
        settings = self._settings
        unit, shared = self.units[draw.unit], np.random.default_rng(draw.seed)
        source = draw.stored or _real(unit)
        place, step = _place(settings.augmentation, shared)
        crops = source.window(settings.window, place, step=step)
        if len(crops) == 1 and settings.window > 1:
            crops = animate_still(crops[0], settings.window, shared, margin=settings.margin)
        mask = np.zeros(crops.shape[1:3], np.float32)
        if draw.stored is None:
            own = np.random.default_rng((*draw.seed, 1))
            forged = self._forgeries.forge(crops, unit.person, own)
            crops, mask = forged.crops, forged.masks[len(crops) // 2]
        elif draw.label:
            mask = np.full_like(mask, np.nan)
        if settings.side is not None and settings.side < crops.shape[1]:
            crops, mask = _scaled(crops, settings.side), _resized(mask, settings.side)
        if settings.augmentation is not None:
            change = draw_augmentation(shared, crops.shape[1], settings.augmentation)
            crops, mask = augment(crops, change, shared), _moved(mask, change)
        positions = frames_to_read(len(crops), settings.window, settings.short_clips)
        return Sample(
            crops=crops[list(positions)],
            label=draw.label,
            mask=_resized(mask, max(1, crops.shape[1] // MASK_SCALE)),
            unit=draw.unit,
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack clips, which may differ in length."""
    lengths = [len(sample.crops) for sample in samples]
    crops = np.zeros((len(samples), max(lengths), *samples[0].crops.shape[1:]), np.uint8)
    for row, sample in zip(crops, samples, strict=True):
        row[: len(sample.crops)] = sample.crops
    return Batch(
        crops=torch.from_numpy(crops),
        lengths=torch.tensor(lengths, dtype=torch.int64),
        labels=torch.tensor([sample.label for sample in samples], dtype=torch.int64),
        masks=torch.from_numpy(np.stack([sample.mask for sample in samples])),
        units=torch.tensor([sample.unit for sample in samples], dtype=torch.int64),
    )


def _place(
    augmentation: AugmentationSettings | None, rng: np.random.Generator
) -> tuple[float, int]:
    """Where in a clip a window lies, and how far its frames are apart; see `Piece.window`."""
    if augmentation is None:
        return 0.5, 1
    place = float(rng.random())
    return place, 2 if augmentation.skip and rng.random() < augmentation.skip else 1


def _real(unit: Unit) -> Piece:
    if unit.real is None:
        raise ValueError("a forgery is made of a real clip, and this unit has none")
    return unit.real


def _scaled(crops: Crops, side: int) -> Crops:
    return np.stack([_resized(crop, side) for crop in crops])


def _resized(picture: _Picture, side: int) -> _Picture:
    small: _Picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]  # OpenCV keeps the type
    return small


def _moved(mask: NDArray[np.float32], change: Augmentation) -> NDArray[np.float32]:
    if np.isnan(mask).any():
        return mask
    return np.asarray(warp(mask, change), np.float32)
