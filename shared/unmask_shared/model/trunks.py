"""The part of the network that looks at one frame, by the name that stands on the card."""

from typing import Any, assert_never

import torch
from torch import Tensor, nn

from unmask_shared.model import face_resnet, inverted_residuals
from unmask_shared.model.architecture import Trunk
from unmask_shared.model.efficientnet_lite import EfficientNetLite
from unmask_shared.model.face_resnet import FaceResNet
from unmask_shared.model.mobilenet import MobileNet
from unmask_shared.model.torchvision_import import load_torchvision


def build_trunk(name: Trunk) -> tuple[nn.Module, int]:
    """Build a trunk with random weights.

    Args:
        name: A torchvision ResNet, which loses its classifier, or one of our own making.

    Returns:
        A module from (N, 3, S, S) to (N, features), in the channels-last memory format, which on
        CPUs is faster for all of them; and the number of features. `layer4` is the last stage of
        all but `resnet29_face`, which has one more.
    """
    trunk: Any
    match name:
        case "resnet18" | "resnet34" | "resnet50":
            trunk = getattr(load_torchvision().models, name)(weights=None)
            features: int = trunk.fc.in_features
            trunk.fc = nn.Identity()
        case "resnet29_face":
            trunk, features = FaceResNet(), face_resnet.FEATURES
        case "mobilenet_v2":
            trunk, features = MobileNet(), inverted_residuals.FEATURES
        case "efficientnet_lite0":
            trunk, features = EfficientNetLite(), inverted_residuals.FEATURES
        case _:
            assert_never(name)
    return trunk.to(memory_format=torch.channels_last), features


def stage_maps(trunk: nn.Module, pictures: Tensor) -> list[Tensor]:
    """What a trunk sees of a picture at four scales, finest first.

    Args:
        trunk: What `build_trunk` made.
        pictures: (N, 3, S, S) float32, normalised.

    Returns:
        The outputs of `layer1` to `layer4`: (N, C, s, s) each, where s is about a 4th, an 8th, a
        16th and a 32nd of S, less in `resnet29_face`, which does not pad.
    """
    maps = pictures.contiguous(memory_format=torch.channels_last)
    for name in ("conv1", "bn1", "relu", "maxpool"):
        maps = trunk.get_submodule(name)(maps)
    seen = []
    for number in range(1, 5):
        maps = trunk.get_submodule(f"layer{number}")(maps)
        seen.append(maps)
    return seen


def last_maps(trunk: nn.Module, pictures: Tensor) -> Tensor:
    """What a trunk sees at its last stage that still tells places apart.

    That is `layer4` in all our trunks. `resnet29_face` has one more, but of a crop of 112 px that
    one leaves a single place.

    Args:
        trunk: What `build_trunk` made.
        pictures: (N, 3, S, S) float32, normalised.

    Returns:
        (N, C, h, w), where C is the number of features in all our trunks.
    """
    return stage_maps(trunk, pictures)[-1]


def features_of(trunk: nn.Module, maps: Tensor) -> Tensor:
    """What the trunk makes of its last maps; the rest of its forward pass.

    Args:
        trunk: What `build_trunk` made.
        maps: (N, C, h, w), from `last_maps`.

    Returns:
        (N, features).
    """
    if isinstance(trunk, FaceResNet):
        maps = trunk.get_submodule("layer5")(maps)
    return maps.mean(dim=(2, 3))
