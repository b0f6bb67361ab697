"""The trunk as it is served: folded, and with the normalisation in it."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from unmask_shared.model.architecture import SMALLEST_INPUT, Architecture, Trunk
from unmask_shared.model.card import CardDraft
from unmask_shared.model.checkpoint import load_checkpoint, save_checkpoint
from unmask_shared.model.frame_maps import FrameNetwork, TorchFrames
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_shared.model.trunks import features_of, last_maps

CPU = torch.device("cpu")


def with_lived_in_batch_norms(architecture: Architecture) -> ResNetLSTM:
    """Random weights; fresh batch norms would be nearly the identity, and folding them no test."""
    torch.manual_seed(3)
    model = ResNetLSTM(architecture)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return model.eval()


@pytest.mark.parametrize("trunk", get_args(Trunk))
def test_maps_and_features_are_those_of_the_trunk_that_was_trained(
    tmp_path, draft: CardDraft, trunk: Trunk
) -> None:
    side = max(64, SMALLEST_INPUT[trunk])
    model = with_lived_in_batch_norms(Architecture(trunk=trunk, lstm_hidden=4))
    card = {"architecture": model.architecture, "input_size": side, "mean": (0.1, 0.2, 0.3)}
    save_checkpoint(tmp_path, model=model, draft=draft.model_copy(update=card))
    checkpoint = load_checkpoint(tmp_path)
    crops = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)
    pictures = CropTransform(mean=(0.1, 0.2, 0.3), std=draft.std)(crops)

    maps = TorchFrames(checkpoint, CPU)(crops)

    with torch.inference_mode():
        expected = last_maps(model.trunk, pictures)
        scale = float(expected.abs().max())
        torch.testing.assert_close(maps, expected, atol=1e-5 * scale, rtol=0)
        torch.testing.assert_close(
            features_of(model.trunk, maps), model.trunk(pictures), atol=1e-5 * scale, rtol=0
        )
    assert not maps.is_inference()  # gradients can begin here


def test_nothing_is_left_to_normalise_and_the_checkpoint_stays_as_it_was(checkpoint_folder) -> None:
    checkpoint = load_checkpoint(checkpoint_folder)
    network = FrameNetwork(checkpoint)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in checkpoint.model.trunk.modules())
