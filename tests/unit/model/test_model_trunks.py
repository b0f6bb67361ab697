from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.architecture import SMALLEST_INPUT, Architecture, Trunk
from unmask_shared.model.card import CardDraft
from unmask_shared.model.checkpoint import load_card, load_checkpoint, save_checkpoint
from unmask_shared.model.mobilenet import from_torchvision
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.torchvision_import import load_torchvision
from unmask_shared.model.trunks import build_trunk, stage_maps

FACE = Architecture(trunk="resnet29_face", lstm_hidden=4)


@pytest.fixture
def face_draft(draft):
    return CardDraft.model_validate(
        {**draft.model_dump(), "architecture": FACE, "input_size": 112, "dtype": "float16"}
    )


@pytest.mark.parametrize("name", get_args(Trunk))
@torch.inference_mode()
def test_a_trunk_gives_as_many_features_as_it_says_from_its_smallest_input_on(name):
    trunk, features = build_trunk(name)
    side = SMALLEST_INPUT[name]

    assert trunk.eval()(torch.randn(2, 3, side, side)).shape == (2, features)


@pytest.mark.parametrize("side", [112, 150, 160, 224])
@torch.inference_mode()
def test_the_face_trunk_takes_crops_of_all_common_sizes(side):
    trunk, _ = build_trunk("resnet29_face")

    described = trunk.eval()(torch.randn(2, 3, side, side))

    assert described.shape == (2, 256)
    assert described.isfinite().all()


def test_the_face_trunk_has_29_convolutions_and_says_which_size_is_too_small():
    trunk, _ = build_trunk("resnet29_face")

    assert sum(isinstance(part, torch.nn.Conv2d) for part in trunk.modules()) == 29
    with pytest.raises(ValueError, match="at least 103 px, not 96x96"):
        trunk(torch.zeros(1, 3, 96, 96))


@pytest.mark.parametrize(
    ("name", "channels", "sides"),
    [
        ("resnet18", [64, 128, 256, 512], [28, 14, 7, 4]),
        ("resnet29_face", [32, 64, 128, 256], [26, 13, 6, 3]),
        ("mobilenet_v2", [24, 32, 96, 1280], [28, 14, 7, 4]),
        ("efficientnet_lite0", [24, 40, 112, 1280], [28, 14, 7, 4]),
    ],
)
@torch.inference_mode()
def test_stage_maps_are_what_the_stages_put_out(name, channels, sides):
    trunk, _ = build_trunk(name)
    seen = []
    for number in range(1, 5):
        stage = trunk.get_submodule(f"layer{number}")
        stage.register_forward_hook(lambda _, __, maps: seen.append(maps.clone()))
    pictures = torch.randn(2, 3, 112, 112)
    trunk.eval()(pictures)
    passed = seen[:]

    maps = stage_maps(trunk, pictures)

    assert [tuple(part.shape[1:]) for part in maps] == [
        (width, side, side) for width, side in zip(channels, sides, strict=True)
    ]
    assert all(torch.equal(a, b) for a, b in zip(maps, passed, strict=True))


def test_every_weight_of_the_face_trunk_learns():
    torch.manual_seed(0)
    trunk, _ = build_trunk("resnet29_face")

    trunk(torch.randn(4, 3, 112, 112)).square().sum().backward()

    assert [name for name, weight in trunk.named_parameters() if not weight.grad.any()] == []


@torch.inference_mode()
def test_a_checkpoint_with_the_face_trunk_comes_back(tmp_path, face_draft):
    torch.manual_seed(2)
    model = ResNetLSTM(FACE).eval()
    clips = torch.randn(1, 4, 3, 112, 112)

    save_checkpoint(tmp_path, model=model, draft=face_draft)
    loaded = load_checkpoint(tmp_path)

    assert loaded.card.architecture == FACE
    assert torch.allclose(loaded.model(clips), model(clips), atol=5e-3)


def test_a_card_whose_crops_are_too_small_for_its_trunk_is_refused(tmp_path, face_draft):
    with pytest.raises(ValidationError, match="input_size must be at least 103"):
        CardDraft.model_validate({**face_draft.model_dump(), "input_size": 96})
    save_checkpoint(tmp_path, model=ResNetLSTM(FACE), draft=face_draft)
    card = (tmp_path / "card.json").read_text()
    (tmp_path / "card.json").write_text(card.replace('"input_size": 112', '"input_size": 64'))

    with pytest.raises(InvalidCheckpoint, match="resnet29_face, not 64"):
        load_card(tmp_path)


@torch.inference_mode()
def test_mobilenet_answers_as_torchvision_does_with_the_same_weights():
    torch.manual_seed(0)
    theirs = load_torchvision().models.mobilenet_v2(weights=None).eval()
    ours, _ = build_trunk("mobilenet_v2")
    ours.load_state_dict(from_torchvision(theirs.state_dict()))
    pictures = torch.randn(2, 3, 112, 112)

    expected = theirs.features(pictures).mean(dim=(2, 3))

    assert torch.allclose(ours.eval()(pictures), expected, atol=1e-5)
