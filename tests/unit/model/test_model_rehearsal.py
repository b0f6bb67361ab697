"""A checkpoint that loads and yet cannot judge is found before it does."""

from pathlib import Path

import pytest
import torch

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.rehearsal import rehearse

MODEL_DIR = Path(__file__).parents[3] / "models" / "default"


def test_the_checkpoint_that_ships_passes() -> None:
    rehearse(ClipClassifier(load_checkpoint(MODEL_DIR)))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_finite_weights_that_give_no_numbers_are_refused(
    checkpoint_folder: Path, batch_size: int
) -> None:
    checkpoint = load_checkpoint(checkpoint_folder)
    variances = [tensor for name, tensor in checkpoint.model.named_buffers() if "var" in name]
    variances[0].fill_(-1.0)  # a batch norm takes its root
    assert all(torch.isfinite(tensor).all() for tensor in checkpoint.model.state_dict().values())
    with pytest.raises(InvalidCheckpoint, match="not finite"):
        rehearse(ClipClassifier(checkpoint, batch_size=batch_size))


def test_a_network_that_cannot_be_run_is_refused_with_the_reason(checkpoint_folder: Path) -> None:
    checkpoint = load_checkpoint(checkpoint_folder)
    checkpoint.model.head = torch.nn.Linear(3, 2)
    with pytest.raises(InvalidCheckpoint, match=r"cannot be run here: .*shapes"):
        rehearse(ClipClassifier(checkpoint))
