"""Feeds clips to the training loop."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from unmask_shared.model.card import LABELS
from unmask_shared.model.clips import ShortClips, frames_to_read
from unmask_shared.model.transforms import CropTransform, pad_clips
from unmask_trainer.augmentations import augment, draw_augmentation
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.fresh import FreshForgeries

Item = tuple[Tensor, int]
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    faces: FaceClips
    start: int
    stop: int
    unit: int

    def window(self, frames: int, place: float) -> NDArray[np.uint8]:
        """A run of up to `frames` frames; `place` in [0, 1] says where in the clip it lies."""
        spare = max(0, self.stop - self.start - frames)
        first = self.start + round(spare * place)
        return np.array(self.faces.load()[first : min(first + frames, self.stop)])


class ClipDataset(Dataset[Item]):
    """One window of every clip of every video.

    A real clip and its forgeries form a unit: within an epoch they show the same frames with the
    same augmentation, so that nothing but the forgery tells them apart.
    """

    def __init__(
        self,
        faces: Sequence[FaceClips],
        transform: CropTransform,
        *,
        window: int,
        augmented: bool,
        short_clips: ShortClips = "mask",
        side: int | None = None,
        fresh: FreshForgeries | None = None,
        seed: int = 0,
    ) -> None:
        """Index the clips.

        Args:
            faces: Videos with their crops.
            transform: The same as in serving.
            window: Frames taken from a clip: a random run when augmented, else those in the middle.
            short_clips: What becomes of clips that have fewer frames than the window.
            side: Crops are scaled to this side, for quick first epochs; None leaves them.
            fresh: Makes a share of the forgeries anew in each epoch, from the unit's real clip.
            augmented: Whether clips are changed at random, anew in each epoch.
            seed: Of the augmentation.
        """
        self._transform = transform
        self._window = window
        self._augmented = augmented
        self._short_clips = short_clips
        self._side = side
        self._fresh = fresh
        self._seed = seed
        self._epoch = 0
        units: dict[tuple[str, str, int], int] = {}
        self._entries = [
            _Entry(
                faces=item,
                start=start,
                stop=stop,
                unit=units.setdefault((item.video.group, item.video.path.stem, number), len(units)),
            )
            for item in faces
            for number, (start, stop) in enumerate(item.clips)
        ]

        self._originals = {
            entry.unit: entry
            for entry in self._entries
            if entry.faces.video.label == LABELS["real"]
        }

    def set_epoch(self, epoch: int) -> None:
        """Draw other windows and augmentations from now on."""
        self._epoch = epoch

    def units(self) -> list[list[int]]:
        """Positions of the clips, a unit's together."""
        members: dict[int, list[int]] = defaultdict(list)
        for position, entry in enumerate(self._entries):
            members[entry.unit].append(position)
        return list(members.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, position: int) -> Item:
        entry = self._entries[position]
        rng = np.random.default_rng([self._seed, self._epoch, entry.unit])
        crops = self._crops(entry, rng)
        if self._side is not None:
            crops = _scaled(crops, self._side)
        if self._augmented:
            crops = augment(crops, draw_augmentation(rng, crops.shape[1]), rng)
        positions = frames_to_read(len(crops), self._window, self._short_clips)
        return self._transform(crops)[list(positions)], entry.faces.video.label

    def _crops(self, entry: _Entry, rng: np.random.Generator) -> NDArray[np.uint8]:
        place = float(rng.random()) if self._augmented else 0.5
        original = self._originals.get(entry.unit)
        if self._fresh is not None and original is not None and original is not entry:
            # A generator of its own: the window and the augmentation stay those of the original.
            own_rng = np.random.default_rng([self._seed, self._epoch, entry.unit, 1])
            if self._fresh.wanted(own_rng):
                crops = original.window(self._window, place)
                return self._fresh.forge(crops, entry.faces.video.group, own_rng)
        return entry.window(self._window, place)


def _scaled(crops: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.stack(
        [
            np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
            for crop in crops
        ]
    )


class UnitBatches:
    """Batches that keep units together, shuffled anew in each epoch."""

    def __init__(self, dataset: ClipDataset, *, batch_size: int, seed: int, shuffled: bool) -> None:
        self._units = dataset.units()
        self._batch_size = batch_size
        self._seed = seed
        self._shuffled = shuffled
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Shuffle otherwise from now on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return ceil(sum(len(unit) for unit in self._units) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(len(self._units))
        if self._shuffled:
            np.random.default_rng([self._seed, self._epoch]).shuffle(order)
        positions = [position for unit in order for position in self._units[unit]]
        for start in range(0, len(positions), self._batch_size):
            yield positions[start : start + self._batch_size]


def collate(items: Sequence[Item]) -> Batch:
    """Stack clips of different lengths: (B, T, 3, S, S), lengths (B,), labels (B,)."""
    clips = [clip for clip, _ in items]
    padded, lengths = pad_clips(clips, max(len(clip) for clip in clips))
    return padded, lengths, torch.tensor([label for _, label in items], dtype=torch.int64)
