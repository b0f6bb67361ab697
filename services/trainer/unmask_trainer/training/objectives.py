"""What the stages of training ask of the network."""

from abc import ABC, abstractmethod
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from unmask_shared.model.resnet_lstm import FAKE, ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.training.samples import Batch

# The stage of every trunk whose maps have a sixteenth of the crop's size.
_MAPS: Final = "layer3"
_TRIAL_SIDE: Final = 112


class Answer(NamedTuple):
    """What the network made of a batch.

    Attributes:
        loss: Mean over the batch, weighted by class, smoothed: what is descended on.
        losses: (B,) cross-entropies in nats, neither weighted nor smoothed: what is reported.
        scores: (B,) log-odds of being fake.
    """

    loss: Tensor
    losses: Tensor
    scores: Tensor


class Objective(nn.Module, ABC):
    """Something to descend on.

    Called with a `Batch` whose tensors are on the right device, but for its lengths, it gives an
    `Answer`.
    """

    @abstractmethod
    def trunk(self) -> nn.Module:
        """The part that may learn more slowly than the rest."""


class FrameObjective(Objective):
    """Is this crop forged, and where?

    A label is one bit; a mask says for every place whether it was forged, which from few people
    teaches a network far sooner (compare Li et al., "Face X-ray for More General Face Forgery
    Detection", CVPR 2020).
    """

    def __init__(
        self,
        model: ResNetLSTM,
        transform: CropTransform,
        *,
        class_weights: tuple[float, float],
        label_smoothing: float,
        mask_weight: float,
    ) -> None:
        """Put two heads on a model's trunk.

        Args:
            model: Its trunk is trained; the LSTM is not touched.
            transform: As in serving.
            class_weights: Of real and fake in the loss.
            label_smoothing: Share of the target that is given to the other class.
            mask_weight: Of the question where.
        """
        super().__init__()
        self.model_trunk = model.trunk
        with torch.no_grad():
            # In evaluation mode: the statistics of batch norms must not learn from it.
            model.trunk.eval()
            maps, features = self._look(torch.zeros(1, 3, _TRIAL_SIDE, _TRIAL_SIDE))
        self.label_head = nn.Linear(features.shape[1], 1)
        self.mask_head = nn.Conv2d(maps.shape[1], 1, kernel_size=1)
        self._transform = transform
        self._loss = _ClassLoss(class_weights, label_smoothing)
        self._mask_weight = mask_weight

    def trunk(self) -> nn.Module:
        """The model's trunk."""
        return self.model_trunk

    def forward(self, batch: Batch) -> Answer:
        """Judge the first frame of each clip."""
        maps, features = self._look(self._transform.normalise(batch.crops[:, 0]))
        scores = self.label_head(features)[:, 0].float()
        loss, losses = self._loss(scores, batch.labels)
        if self._mask_weight:
            loss = loss + self._mask_weight * _mask_loss(self.mask_head(maps)[:, 0], batch.masks)
        return Answer(loss=loss, losses=losses, scores=scores)

    def _look(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at a sixteenth of the crops' size, and features."""
        seen: list[Tensor] = []
        # For this pass only: a hook that stayed would keep the maps of all batches of later stages.
        hook = self.model_trunk.get_submodule(_MAPS).register_forward_hook(
            lambda _, __, maps: seen.append(maps)
        )
        with hook:
            features = self.model_trunk(crops.contiguous(memory_format=torch.channels_last))
        return seen[0], features


class ClipObjective(Objective):
    """Is this clip forged?"""

    def __init__(
        self,
        model: ResNetLSTM,
        transform: CropTransform,
        *,
        class_weights: tuple[float, float],
        label_smoothing: float,
    ) -> None:
        """Train all of a model; see `FrameObjective` for the arguments."""
        super().__init__()
        self.model = model
        self._transform = transform
        self._loss = _ClassLoss(class_weights, label_smoothing)

    def trunk(self) -> nn.Module:
        """The model's trunk."""
        return self.model.trunk

    def forward(self, batch: Batch) -> Answer:
        """Judge clips."""
        frames = self._transform.normalise(batch.crops.flatten(0, 1))
        clips = frames.view(*batch.crops.shape[:2], *frames.shape[1:])
        full = bool((batch.lengths == batch.crops.shape[1]).all())
        logits = self.model(clips, None if full else batch.lengths).float()
        scores = logits[:, FAKE] - logits[:, 1 - FAKE]
        loss, losses = self._loss(scores, batch.labels)
        return Answer(loss=loss, losses=losses, scores=scores)


class _ClassLoss(nn.Module):
    """Cross-entropy of two classes from their log-odds."""

    weights: Tensor

    def __init__(self, class_weights: tuple[float, float], smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(class_weights), persistent=False)
        self._smoothing = smoothing

    def forward(self, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss to descend on, and the plain losses (B,)."""
        targets = labels.float()
        plain = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        smoothed = targets * (1 - 2 * self._smoothing) + self._smoothing
        loss = functional.binary_cross_entropy_with_logits(
            scores, smoothed, weight=self.weights[labels]
        )
        return loss, plain.detach()


def _mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy over the places whose truth is known; 0 if there are none."""
    height, width = logits.shape[-2:]
    targets = functional.adaptive_avg_pool2d(masks[:, None], (height, width))[:, 0]
    known = ~targets.isnan()
    losses = functional.binary_cross_entropy_with_logits(
        logits.float(), targets.nan_to_num(), reduction="none"
    )
    return (losses * known).sum() / known.sum().clamp(min=1)
