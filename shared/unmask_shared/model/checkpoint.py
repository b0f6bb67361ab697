"""A checkpoint is a folder: `weights.safetensors` and, written last, `card.json`.

Pickle is never loaded, so opening a checkpoint cannot run code.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.card import CardDraft, ModelCard
from unmask_shared.model.resnet_lstm import ResNetLSTM

WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "card.json"

_MOST_PROBLEMS = 10
_SHOWN = 200

_DTYPES = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A card with its network: float32, on the CPU, in evaluation mode."""

    card: ModelCard
    model: ResNetLSTM


def load_card(folder: Path) -> ModelCard:
    """Read and check `card.json` alone.

    Raises:
        InvalidCheckpoint: When it is missing or not a valid card.
    """
    try:
        text = (folder / CARD_FILE).read_bytes()
    except OSError as error:
        raise InvalidCheckpoint(
            f"{folder / CARD_FILE} cannot be read ({error.strerror}). A checkpoint is a folder "
            f"with {WEIGHTS_FILE} and {CARD_FILE}."
        ) from error
    return parse_card(text, origin=str(folder / CARD_FILE))


def parse_card(text: bytes, *, origin: str) -> ModelCard:
    """Check the content of a `card.json`.

    Args:
        text: JSON.
        origin: Where it comes from, for the error.

    Raises:
        InvalidCheckpoint: When it is not a valid card.
    """
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))[:_SHOWN] or 'card'}: {item['msg'][:_SHOWN]}"
            for item in found[:_MOST_PROBLEMS]
        )
        if len(found) > _MOST_PROBLEMS:
            problems += f"; and {len(found) - _MOST_PROBLEMS} more"
        raise InvalidCheckpoint(
            f"{origin} is not a card that this version of Unmask reads: {problems}."
        ) from error


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and check that the weights are those that the card speaks of.

    Args:
        folder: Holds `weights.safetensors` and `card.json`.

    Raises:
        InvalidCheckpoint: When a file is missing or damaged, the weights' SHA-256 is not the
            card's, or a tensor has a name, shape, type or value that the architecture excludes.
    """
    card = load_card(folder)
    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidCheckpoint(
            f"{path} cannot be read ({error.strerror}). Copy the weights beside the card."
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.weights_sha256:
        raise InvalidCheckpoint(
            f"{path} has SHA-256 {digest}, but its card says {card.weights_sha256}. The file is "
            f"damaged or belongs to another card: copy both files again."
        )
    try:
        tensors = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise InvalidCheckpoint(f"{path} is not a safetensors file: {error}.") from error
    model = ResNetLSTM(card.architecture)
    _check_tensors(path, tensors, model.state_dict(), _DTYPES[card.dtype])
    model.load_state_dict(tensors)
    return Checkpoint(card=card, model=model.eval())


def save_checkpoint(folder: Path, *, model: ResNetLSTM, draft: CardDraft) -> ModelCard:
    """Write a checkpoint; each file appears whole or not at all, the card last.

    While an older checkpoint in the same folder is being replaced, a reader may meet the new
    weights beside the old card; the hash makes that an `InvalidCheckpoint`, never a wrong result.

    Args:
        folder: Created when missing.
        model: The network to store, in `draft.dtype`.
        draft: The card without the weights' hash.

    Returns:
        The card as written.

    Raises:
        ValueError: When the card's architecture is not the model's, or a weight is not finite.
    """
    if model.architecture != draft.architecture:
        raise ValueError(f"the card says {draft.architecture}, the model is {model.architecture}")
    dtype = _DTYPES[draft.dtype]
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise ValueError(f"not finite as {draft.dtype}: {', '.join(broken)}")
    data = safetensors.torch.save(tensors)
    card = ModelCard(
        **{name: getattr(draft, name) for name in CardDraft.model_fields},
        weights_sha256=hashlib.sha256(data).hexdigest(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write_atomically(folder / WEIGHTS_FILE, data)
    _write_atomically(folder / CARD_FILE, card.model_dump_json(indent=2).encode() + b"\n")
    return card


def _check_tensors(
    path: Path, found: dict[str, Tensor], expected: dict[str, Tensor], dtype: torch.dtype
) -> None:
    missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or unknown:
        raise InvalidCheckpoint(
            f"{path} does not fit the card's architecture: missing {sorted(missing)[:5]}, "
            f"unknown {sorted(unknown)[:5]}. Publish the checkpoint again from its training run."
        )
    for name, tensor in found.items():
        want_dtype = dtype if expected[name].is_floating_point() else expected[name].dtype
        want_shape = tuple(expected[name].shape)
        if tuple(tensor.shape) != want_shape or tensor.dtype != want_dtype:
            raise InvalidCheckpoint(
                f"{path}: {name} is {tensor.dtype} of shape {tuple(tensor.shape)}, the card asks "
                f"for {want_dtype} of {want_shape}. Publish the checkpoint again."
            )
        if not tensor.isfinite().all():
            raise InvalidCheckpoint(
                f"{path}: {name} holds values that are not finite. The training run diverged."
            )


def _write_atomically(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
