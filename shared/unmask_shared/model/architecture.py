"""The shape of a ResNet-LSTM, as plain data that a card can hold."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Trunk = Literal["resnet18", "resnet34", "resnet50"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Architecture:
    """What has to be known to build the network before its weights are loaded.

    Attributes:
        trunk: torchvision ResNet whose classifier is replaced by the LSTM.
        lstm_hidden: Units of the LSTM in one direction.
        lstm_layers: Stacked LSTM layers.
        bidirectional: Whether a second LSTM reads the clip backwards.
        dropout: Probability of dropping a unit in front of the last layer, while training.
    """

    trunk: Trunk = "resnet18"
    lstm_hidden: Annotated[int, Field(ge=1, le=2048)] = 128
    lstm_layers: Annotated[int, Field(ge=1, le=4)] = 1
    bidirectional: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
