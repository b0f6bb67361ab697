"""Trunks as they were trained on ImageNet."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from unmask_shared.model import efficientnet_lite, mobilenet
from unmask_shared.model.trunks import build_trunk
from unmask_trainer.initialisation.errors import UnusableWeights
from unmask_trainer.initialisation.settings import ImageNetTrunk
from unmask_trainer.initialisation.weight_files import imagenet_tensors, load_exactly


def take_imagenet_weights(trunk: nn.Module, name: ImageNetTrunk, path: Path | None) -> str:
    """Put published weights into a trunk, in place.

    Args:
        trunk: What `build_trunk` made.
        name: Of the trunk.
        path: See `imagenet_tensors`.

    Returns:
        Words for where they came from.

    Raises:
        UnusableWeights: When they cannot be had, or are of another network.
    """
    tensors, origin = imagenet_tensors(name, path)
    whose = f"{path or origin}, for {name},"
    try:
        seen = _of_trunk(name, tensors)
    except KeyError as error:
        raise UnusableWeights(
            f"{whose} does not fit: it is of another network, by its tensor {error}."
        ) from error
    load_exactly(trunk, seen, origin=whose)
    return origin


def load_teacher(name: ImageNetTrunk, path: Path | None) -> tuple[nn.Module, str]:
    """A trunk to learn from, frozen and in evaluation mode, and words for where it came from.

    Raises:
        UnusableWeights: When its weights cannot be had, or are of another network.
    """
    teacher, _ = build_trunk(name)
    origin = take_imagenet_weights(teacher, name, path)
    return teacher.eval().requires_grad_(requires_grad=False), origin


def _of_trunk(name: ImageNetTrunk, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    match name:
        case "mobilenet_v2":
            return mobilenet.from_torchvision(tensors)
        case "efficientnet_lite0":
            return efficientnet_lite.from_published(tensors)
        case _:
            return {key: tensor for key, tensor in tensors.items() if not key.startswith("fc.")}
