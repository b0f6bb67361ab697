"""A loaded checkpoint that classifies clips."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask_shared.errors import IncompatibleFaces
from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import Checkpoint
from unmask_shared.model.clips import frames_to_read
from unmask_shared.model.evidence import ClipEvidence
from unmask_shared.model.grad_cam import GradCam
from unmask_shared.model.transforms import CropTransform, pad_clips


def best_device() -> torch.device:
    """The first CUDA device when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class ClipClassifier:
    """Classifies clips of face crops with one checkpoint.

    A clip's logits do not depend on the clips that it shares a batch with, nor on their order,
    beyond rounding: 1e-4 absolute in float32 on a CPU.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device | str = "cpu", *, batch_size: int = 4
    ) -> None:
        """Move the network to a device.

        Args:
            checkpoint: As loaded; its model is moved, not copied.
            device: For example `best_device()`.
            batch_size: Clips that go through the network together; bounds the memory.
        """
        self._card = checkpoint.card
        self._device = torch.device(device)
        self._model = checkpoint.model.to(self._device).eval()
        self._transform = CropTransform(mean=self._card.mean, std=self._card.std)
        self._batch_size = batch_size

    @property
    def card(self) -> ModelCard:
        """The card of the checkpoint in use."""
        return self._card

    def logits(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Logits of real and fake for each clip.

        Args:
            clips: RGB crops (T_i, S, S, 3) uint8 with S the card's input size and
                1 <= T_i <= the card's clip length; its `short_clips` says what becomes of those
                that are shorter.

        Returns:
            (N, 2) float32, in the order of the clips.

        Raises:
            IncompatibleFaces: When a clip is not of that shape or type.
        """
        parts = [self._batch_logits(batch) for batch in self._batches(clips)]
        return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)

    def explain(self, clips: Sequence[NDArray[np.uint8]]) -> list[ClipEvidence]:
        """Classify clips, and tell where in their frames the network sees what.

        Takes little longer than `logits`, and gives the same logits.

        Args:
            clips: As `logits` takes them.

        Returns:
            One for each clip, with a map for each of its frames.

        Raises:
            IncompatibleFaces: When a clip is not of the shape or type that `logits` takes.
        """
        return [found for batch in self._batches(clips) for found in self._batch_evidence(batch)]

    @cached_property
    def _grad_cam(self) -> GradCam:
        # Two threads may both make one: either will do.
        return GradCam(self._model)

    def _batches(self, clips: Sequence[NDArray[np.uint8]]) -> Iterator[Sequence[NDArray[np.uint8]]]:
        for position, clip in enumerate(clips):
            self._check(position, clip)
        for start in range(0, len(clips), self._batch_size):
            yield clips[start : start + self._batch_size]

    @torch.inference_mode()
    def _batch_logits(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        batch, lengths = self._input(clips)
        logits = self._model(batch, lengths)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result

    def _batch_evidence(self, clips: Sequence[NDArray[np.uint8]]) -> Iterator[ClipEvidence]:
        batch, lengths = self._input(clips)
        logits, maps = (found.float().cpu().numpy() for found in self._grad_cam(batch, lengths))
        for clip, row, evidence in zip(clips, logits, maps, strict=True):
            positions = self._positions(clip)
            own: NDArray[np.float32] = np.zeros((len(clip), *evidence.shape[1:]), np.float32)
            # A frame that was read several times counts as often.
            np.add.at(own, list(positions), evidence[: len(positions)])
            yield ClipEvidence(logits=row, maps=own)

    def _input(self, clips: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
        tensors = [self._transform(clip)[list(self._positions(clip))] for clip in clips]
        batch, lengths = pad_clips(tensors, self._card.clip_length)
        return batch.to(self._device), lengths

    def _positions(self, clip: NDArray[np.uint8]) -> tuple[int, ...]:
        return frames_to_read(len(clip), self._card.clip_length, self._card.short_clips)

    def _check(self, position: int, clip: NDArray[np.uint8]) -> None:
        side = self._card.input_size
        fits = clip.ndim == 4 and clip.shape[1:] == (side, side, 3) and clip.dtype == np.uint8
        if not fits or not 1 <= len(clip) <= self._card.clip_length:
            raise IncompatibleFaces(
                f"clip {position} is {clip.dtype} of shape {clip.shape}; {self._card.name} "
                f"{self._card.version} reads uint8 of 1 to {self._card.clip_length} frames of "
                f"({side}, {side}, 3)"
            )
