"""Checkpoints for tests: copies of the one that ships, changed where a test needs it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import VersionManifest

DEFAULT_CHECKPOINT = Path(__file__).parents[2] / "models" / "default"
NAME = "resnet-lstm"


def copy_checkpoint(
    folder: Path,
    *,
    change_weights: Callable[[dict[str, Tensor]], None] | None = None,
    **card_changes: Any,
) -> Path:
    """The checkpoint that ships with other fields on its card, and perhaps other weights.

    The card always names the weights that are there, as a careless tool would see to.
    """
    shutil.copytree(DEFAULT_CHECKPOINT, folder)
    card = json.loads((folder / "card.json").read_text()) | card_changes
    if change_weights is not None:
        weights = folder / "weights.safetensors"
        tensors = safetensors.torch.load(weights.read_bytes())
        change_weights(tensors)
        weights.write_bytes(safetensors.torch.save(tensors))
        card["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def give_no_numbers(tensors: dict[str, Tensor]) -> None:
    """Leave all weights finite, but let the network take the root of a negative number."""
    next(tensor for name, tensor in tensors.items() if name.endswith("running_var")).fill_(-1)


def publish_unchecked(registry: ModelRegistry, folder: Path, version: str) -> VersionManifest:
    """Publish past the trainer, which would try the checkpoint first."""
    files = {file: folder / file for file in ("card.json", "weights.safetensors")}
    return registry.publish(NAME, version, files)
