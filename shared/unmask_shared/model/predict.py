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
from unmask_shared.model.frame_maps import MakeEngine, TorchFrames
from unmask_shared.model.grad_cam import GradCam

Clip = NDArray[np.uint8]


def best_device() -> torch.device:
    """The first CUDA device when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class ClipClassifier:
    """Classifies clips of face crops with one checkpoint.

    A clip's logits do not depend on the clips that it shares a batch with, nor on their order: on
    a CPU not at all, since clips are computed one after the other there (batches would gain
    nothing), on a CUDA device beyond the rounding of half precision: 1e-2 absolute.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device | str = "cpu",
        *,
        batch_size: int = 4,
        make_engine: MakeEngine = TorchFrames,
    ) -> None:
        """Move the network to a device.

        Args:
            checkpoint: As loaded; its model is moved, not copied.
            device: For example `best_device()`.
            batch_size: Clips that go through the network together on a CUDA device; bounds the
                memory.
            make_engine: Makes what looks at the frames, nearly all of the work.
        """
        self._card = checkpoint.card
        self._device = torch.device(device)
        self._look = make_engine(checkpoint, self._device)
        self._model = checkpoint.model.to(self._device).eval()
        self._batch_size = batch_size if self._device.type == "cuda" else 1

    @property
    def card(self) -> ModelCard:
        """The card of the checkpoint in use."""
        return self._card

    def logits(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
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

    def explain(self, clips: Sequence[Clip]) -> list[ClipEvidence]:
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

    def check(self, clips: Sequence[Clip]) -> None:
        """Refuse what `logits` and `explain` cannot read.

        Raises:
            IncompatibleFaces: When a clip is not of the shape or type that `logits` takes.
        """
        side = self._card.input_size
        for position, clip in enumerate(clips):
            fits = clip.ndim == 4 and clip.shape[1:] == (side, side, 3) and clip.dtype == np.uint8
            if not fits or not 1 <= len(clip) <= self._card.clip_length:
                raise IncompatibleFaces(
                    f"clip {position} is {clip.dtype} of shape {clip.shape}; {self._card.name} "
                    f"{self._card.version} reads uint8 of 1 to {self._card.clip_length} frames of "
                    f"({side}, {side}, 3)"
                )

    @cached_property
    def _grad_cam(self) -> GradCam:
        # Two threads may both make one: either will do.
        return GradCam(self._model)

    def _batches(self, clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
        self.check(clips)
        for start in range(0, len(clips), self._batch_size):
            yield clips[start : start + self._batch_size]

    def _batch_logits(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        maps, lengths = self._maps(clips)
        with torch.inference_mode():
            logits = self._model.of_maps(maps, lengths)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result

    def _batch_evidence(self, clips: Sequence[Clip]) -> Iterator[ClipEvidence]:
        maps, lengths = self._maps(clips)
        logits, found = (
            part.float().cpu().numpy() for part in self._grad_cam.of_maps(maps, lengths)
        )
        ends = np.cumsum(lengths.numpy())
        for clip, row, evidence in zip(clips, logits, np.split(found, ends[:-1]), strict=True):
            own: NDArray[np.float32] = np.zeros((len(clip), *evidence.shape[1:]), np.float32)
            # A frame that was read several times counts as often.
            np.add.at(own, list(self._positions(clip)), evidence)
            yield ClipEvidence(logits=row, maps=own)

    def _maps(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        """Maps of all frames that are read, and how many each clip has of them."""
        maps = self._look(clips[0] if len(clips) == 1 else np.concatenate(clips))
        read: list[int] = []
        lengths: list[int] = []
        first = 0
        for clip in clips:
            positions = self._positions(clip)
            read += [first + position for position in positions]
            lengths.append(len(positions))
            first += len(clip)
        # Frames that are read several times are looked at once.
        if read != list(range(first)):
            maps = maps[torch.tensor(read, device=maps.device)]
        return maps, torch.tensor(lengths, dtype=torch.int64)

    def _positions(self, clip: Clip) -> tuple[int, ...]:
        return frames_to_read(len(clip), self._card.clip_length, self._card.short_clips)
