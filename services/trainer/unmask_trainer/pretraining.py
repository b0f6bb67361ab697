"""Teaches the trunk to see forgeries before it sees clips: where in this crop was it forged?

A clip's label is one bit; a mask says for every place whether it was blended in, which from
scratch and with few people teaches a network far sooner (compare Li et al., "Face X-ray for More
General Face Forgery Detection", CVPR 2020). Both heads are thrown away afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.augmentations import augment, draw_augmentation, warp
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.evaluation.decisions import roc_auc
from unmask_trainer.training import warm_up_then_cosine

_VALIDATION_SEED = 7


@dataclass(frozen=True, kw_only=True)
class PretrainingSettings:
    """How to pretrain.

    Attributes:
        steps: Number of batches.
        pairs: Real crops in a batch; as many forgeries of them join.
        side: Crops are scaled to this side.
        learning_rate: Of Adam, at its highest.
        report_every: Steps between two validations.
        val_pairs: Real crops, and as many forgeries, to validate on.
        seed: Of order, forgeries and augmentation.
    """

    steps: int = 2000
    pairs: int = 16
    side: int = 80
    learning_rate: float = 1e-3
    report_every: int = 200
    val_pairs: int = 256
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class PretrainingReport:
    """Mean loss since the last report, and the AUC on crops of the validation people."""

    step: int
    loss: float
    val_auc: float | None


class _Localiser(nn.Module):
    """A ResNet with a head for the mask, at a sixteenth of its size, and one for the label."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        last = trunk.get_submodule("layer4.0.conv1")
        head = trunk.get_submodule("layer4.1.conv1")
        if not isinstance(last, nn.Conv2d) or not isinstance(head, nn.Conv2d):
            raise TypeError("the trunk is not a torchvision ResNet")
        self.mask_head = nn.Conv2d(last.in_channels, 1, kernel_size=1)
        self.label_head = nn.Linear(head.in_channels, 1)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 1, h, w) of the mask and (N,) of the label."""
        maps = crops.contiguous(memory_format=torch.channels_last)
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"):
            maps = self.trunk.get_submodule(name)(maps)
        pooled = self.trunk.get_submodule("layer4")(maps).mean(dim=(2, 3))
        return self.mask_head(maps), self.label_head(pooled)[:, 0]


class _Pairs:
    """Random real crops and fresh forgeries of them, with the masks of what was blended in."""

    def __init__(
        self, faces: Sequence[FaceClips], settings: PretrainingSettings, *, margin: float
    ) -> None:
        self._forgeries = FreshForgeries(faces, margin=margin, share=1.0)
        self._side = settings.side
        self._transform = CropTransform()

    def draw(
        self, rng: np.random.Generator, pairs: int, *, augmented: bool
    ) -> tuple[Tensor, Tensor]:
        """Crops (2 x pairs, 3, S, S), forgeries last, and masks (2 x pairs, 1, S, S)."""
        drawn = [self._draw_pair(rng, augmented=augmented) for _ in range(pairs)]
        crops = np.stack([real for real, _, _ in drawn] + [fake for _, fake, _ in drawn])
        masks = np.stack([mask for _, _, mask in drawn])
        targets = torch.from_numpy(np.concatenate([np.zeros_like(masks), masks]))
        return self._transform(crops), targets[:, None]

    def _draw_pair(
        self, rng: np.random.Generator, *, augmented: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
        real, person = self._forgeries.draw_original(rng)
        fake, mask = self._forgeries.forge_crop(real, person, rng)
        size = (self._side, self._side)
        real, fake = (
            np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
            for crop in (real, fake)
        )
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.float32)
        if augmented:
            change = draw_augmentation(rng, self._side)
            real, fake = augment(np.stack([real, fake]), change, rng)
            mask = np.asarray(warp(mask, change), np.float32)
        return real, fake, mask


def pretrain(
    model: ResNetLSTM,
    train_faces: Sequence[FaceClips],
    val_faces: Sequence[FaceClips],
    settings: PretrainingSettings,
    *,
    margin: float,
    device: torch.device,
    on_report: Callable[[PretrainingReport], None],
) -> None:
    """Fit the model's trunk, in place.

    Args:
        model: Only its trunk changes.
        train_faces: Their real videos are shown and forged.
        val_faces: Videos of other people, to measure with.
        settings: How to pretrain.
        margin: The crops' margin, as in the face pipeline's settings.
        device: Where to train.
        on_report: Called every `report_every` steps.
    """
    torch.manual_seed(settings.seed)
    localiser = _Localiser(model.trunk).to(device)
    pairs = _Pairs(train_faces, settings, margin=margin)
    rng = np.random.default_rng(settings.seed)
    val_crops, val_masks = _Pairs(val_faces, settings, margin=margin).draw(
        np.random.default_rng(_VALIDATION_SEED), settings.val_pairs, augmented=False
    )
    optimizer = torch.optim.Adam(localiser.parameters(), lr=settings.learning_rate)
    schedule = warm_up_then_cosine(optimizer, settings.steps)
    losses: list[float] = []
    for step in range(1, settings.steps + 1):
        localiser.train()
        crops, masks = pairs.draw(rng, settings.pairs, augmented=True)
        loss = _loss(localiser(crops.to(device)), masks.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % settings.report_every == 0 or step == settings.steps:
            area = _validate(localiser, val_crops, val_masks, device)
            on_report(PretrainingReport(step=step, loss=float(np.mean(losses)), val_auc=area))
            losses.clear()
    model.cpu()


def _loss(outputs: tuple[Tensor, Tensor], masks: Tensor) -> Tensor:
    mask_logits, label_logits = outputs
    height, width = mask_logits.shape[-2:]
    targets = functional.adaptive_avg_pool2d(masks, (height, width))
    labels = (masks.amax(dim=(1, 2, 3)) > 0).float()
    return functional.binary_cross_entropy_with_logits(
        mask_logits, targets
    ) + functional.binary_cross_entropy_with_logits(label_logits, labels)


@torch.inference_mode()
def _validate(
    localiser: _Localiser, crops: Tensor, masks: Tensor, device: torch.device
) -> float | None:
    localiser.eval()
    scores = [localiser(part.to(device))[1].cpu() for part in torch.split(crops, 64)]
    labels = masks.amax(dim=(1, 2, 3)) > 0
    return roc_auc(labels.numpy(), torch.cat(scores).numpy())
