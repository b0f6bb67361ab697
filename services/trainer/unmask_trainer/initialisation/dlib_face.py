"""dlib's face recogniser as the weights of a `resnet29_face` trunk.

The network was trained on about 3 million pictures of 7485 people; its author gave it to the
public domain (CC0): https://github.com/davisking/dlib-models.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unmask_shared.model.face_resnet import FEATURES, FaceResNet
from unmask_shared.model.transforms import IMAGENET_MEAN, IMAGENET_STD
from unmask_shared.packaged_files import file_in_package
from unmask_trainer.initialisation.dlib_file import DlibLayer, LayerKind, read_layers
from unmask_trainer.initialisation.errors import UnusableWeights

DESCRIPTOR: Final = 128

_FILE: Final = "dlib_face_recognition_resnet_model_v1.dat"
# What the file's input layer subtracts from RGB in 0 to 255; its own scale is 1 / 256.
_DLIB_MEAN: Final = (122.782, 117.001, 104.298)
_DLIB_SCALE: Final = 256.0


@dataclass(frozen=True, kw_only=True)
class DlibFaceNetwork:
    """The converted network.

    Attributes:
        trunk: In evaluation mode; takes crops as `CropTransform` normalises them.
        projection: (128, 256): the trunk's features times this are dlib's face descriptor.
    """

    trunk: FaceResNet
    projection: Tensor


def dlib_face_file() -> Path:
    """Where the package face_recognition_models keeps the network; the package is not imported.

    Raises:
        UnusableWeights: When it is not installed.
    """
    path = file_in_package("face_recognition_models", f"models/{_FILE}")
    if path is not None:
        return path
    raise UnusableWeights(f"{_FILE} was not found: pip install face_recognition_models")


def convert_dlib_face(data: bytes) -> DlibFaceNetwork:
    """Make a trunk that answers as dlib's network does.

    Args:
        data: The file at `dlib_face_file()`.

    Raises:
        UnusableWeights: When the file is damaged or holds another network.
    """
    layers = list(read_layers(data))
    trunk = FaceResNet().eval()
    modules = [part for part in trunk.modules() if isinstance(part, (nn.Conv2d, nn.BatchNorm2d))]
    expected: list[LayerKind] = [
        "convolution" if isinstance(part, nn.Conv2d) else "affine" for part in modules
    ]
    found = [layer.kind for layer in layers]
    if found != [*expected, "fully_connected"]:
        raise UnusableWeights(
            f"the file holds {len(found)} layers with weights: {', '.join(found[:4])} ...; "
            f"dlib's face recogniser has {len(expected) + 1}. Take {_FILE}."
        )
    with torch.no_grad():
        for first in range(0, len(modules), 2):
            convolution, norm = modules[first : first + 2]
            _convert(convolution, norm, layers[first], layers[first + 1], stem=first == 0)
    # dlib has inputs in rows and outputs in columns.
    projection = _shaped(layers[-1].parameters, FEATURES, DESCRIPTOR).T.contiguous()
    return DlibFaceNetwork(trunk=trunk, projection=projection)


def _convert(
    convolution: nn.Module, norm: nn.Module, weights: DlibLayer, affine: DlibLayer, *, stem: bool
) -> None:
    if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError("in this trunk a batch norm follows each convolution")
    size = convolution.weight.numel()
    channels = convolution.out_channels
    kernel = _shaped(weights.parameters[:size], *convolution.weight.shape)
    bias = _shaped(weights.parameters[size:], channels)
    factor, offset = _shaped(affine.parameters, 2, channels)
    if stem:
        kernel, bias = _for_our_normalisation(kernel, bias)
    convolution.weight.copy_(kernel)
    # With a variance of 1 and a mean of 0, what is left of the batch norm is the affine layer.
    norm.weight.copy_(factor * (1 + norm.eps) ** 0.5)
    norm.bias.copy_(offset + factor * bias)


def _for_our_normalisation(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Kernel and bias that do with `CropTransform`'s output what these do with dlib's.

    Exact, because dlib's first convolution has no padding.
    """
    scale = torch.tensor(IMAGENET_STD) * 255 / _DLIB_SCALE
    shift = (torch.tensor(IMAGENET_MEAN) * 255 - torch.tensor(_DLIB_MEAN)) / _DLIB_SCALE
    return (
        kernel * scale[:, None, None],
        bias + (kernel * shift[:, None, None]).sum(dim=(1, 2, 3)),
    )


def _shaped(values: NDArray[np.float32], *shape: int) -> Tensor:
    if values.size != int(np.prod(shape)):
        raise UnusableWeights(
            f"a layer of the file has {values.size} parameters where dlib's face recogniser has "
            f"{int(np.prod(shape))}. Take {_FILE}."
        )
    return torch.from_numpy(values.reshape(shape))
