"""Puts checkpoints to work as the settings say: on which device, and with which engine."""

from dataclasses import dataclass
from typing import Self

import torch

from unmask_inference.engines import engine_maker
from unmask_inference.settings import InferenceSettings
from unmask_shared.model.checkpoint import Checkpoint
from unmask_shared.model.frame_maps import MakeEngine, TorchFrames
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_shared.model.rehearsal import rehearse


@dataclass(frozen=True, kw_only=True)
class ClassifierMaker:
    """Makes classifiers that differ in nothing but their checkpoint.

    Attributes:
        device: What they run on.
        batch_size: Clips that go through the network together.
        make_engine: Makes what looks at frames.
    """

    device: torch.device
    batch_size: int
    make_engine: MakeEngine = TorchFrames

    @classmethod
    def of(cls, settings: InferenceSettings) -> Self:
        """What the settings ask for; the number of threads is set for the whole process."""
        if settings.torch_threads:
            torch.set_num_threads(settings.torch_threads)
        return cls(
            device=best_device() if settings.device == "auto" else torch.device(settings.device),
            batch_size=settings.batch_size,
            make_engine=engine_maker(settings.inference_engine, threads=torch.get_num_threads()),
        )

    def make(self, checkpoint: Checkpoint) -> ClipClassifier:
        """Put a checkpoint to work, and warm it up.

        Raises:
            InvalidCheckpoint: It cannot be run.
        """
        classifier = ClipClassifier(
            checkpoint, self.device, batch_size=self.batch_size, make_engine=self.make_engine
        )
        rehearse(classifier)
        return classifier
