"""The shape of a ResNet-LSTM, as plain data that a card can hold."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Trunk = Literal[
    "resnet18", "resnet34", "resnet50", "resnet29_face", "mobilenet_v2", "efficientnet_lite0"
]

SMALLEST_INPUT: Final[dict[Trunk, int]] = {
    "resnet18": 32,
    "resnet34": 32,
    "resnet50": 32,
    "resnet29_face": 103,
    "mobilenet_v2": 32,
    "efficientnet_lite0": 32,
}
"""Sides in pixels; of smaller crops nothing is left for a trunk's last stage to look at."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Architecture:
    """What has to be known to build the network before its weights are loaded.

    Attributes:
        trunk: What looks at single frames: a torchvision ResNet without its classifier, or
            `resnet29_face`, the network of dlib's face recogniser, or `mobilenet_v2` or
            `efficientnet_lite0`, whose blocks are residual ones, too.
        lstm_hidden: Units of the LSTM in one direction.
        lstm_layers: Stacked LSTM layers.
        bidirectional: Whether a second LSTM reads the clip backwards.
        dropout: Probability of dropping a unit in front of the last layer, while training.
        movement: Whether the LSTM is shown, beside each frame's features, how far the trunk's last
            maps moved since the frame before. It does not find that by itself: without it, the
            order of frames says nothing to it (`docs/experiments.md`).
    """

    trunk: Trunk = "resnet18"
    lstm_hidden: Annotated[int, Field(ge=1, le=2048)] = 128
    lstm_layers: Annotated[int, Field(ge=1, le=4)] = 1
    bidirectional: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    movement: bool = False
