import pytest
import torch
from pydantic import ValidationError

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.resnet_lstm import ResNetLSTM, movement

ATOL = 1e-5


@pytest.fixture
def clips() -> torch.Tensor:
    return torch.randn(3, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[False, True], ids=["features alone", "with movement"])
def small_model(request) -> ResNetLSTM:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return ResNetLSTM(Architecture(lstm_hidden=8, movement=request.param)).eval()


@torch.inference_mode()
def test_one_pair_of_logits_for_each_clip(small_model, clips):
    assert small_model(clips).shape == (3, 2)


@torch.inference_mode()
def test_the_order_of_the_frames_matters(small_model, clips):
    forwards, backwards = small_model(clips), small_model(clips.flip(1))

    assert (forwards - backwards).abs().max() > 100 * ATOL


@torch.inference_mode()
def test_clips_of_a_batch_do_not_see_each_other(small_model, clips):
    alone = torch.cat([small_model(clips[i : i + 1]) for i in range(len(clips))])

    torch.testing.assert_close(small_model(clips), alone, atol=ATOL, rtol=0)


@torch.inference_mode()
def test_frames_behind_a_clips_length_are_never_looked_at(small_model, clips):
    lengths = torch.tensor([6, 2, 4])
    spoilt = clips.clone()
    spoilt[1, 2:] = torch.nan
    spoilt[2, 4:] = 1e6

    torch.testing.assert_close(small_model(spoilt, lengths), small_model(clips, lengths))
    torch.testing.assert_close(
        small_model(clips, lengths)[1:2], small_model(clips[1:2, :2]), atol=ATOL, rtol=0
    )


@torch.inference_mode()
def test_full_lengths_are_the_same_as_none(small_model, clips):
    full = torch.full((3,), 6)

    torch.testing.assert_close(small_model(clips, full), small_model(clips), atol=ATOL, rtol=0)


def test_movement_is_how_far_each_place_is_from_the_frame_before_in_its_clip():
    frames = torch.tensor([1.0, 4.0, 2.0, 7.0, 7.0, 9.0])
    maps = frames[:, None, None, None] * torch.tensor([[1.0, -1.0]])

    moved = movement(maps, torch.tensor([3, 1, 2]))

    # The first frame of a clip has none before it, and a lone one nothing to move from.
    assert moved[:, 0, 0, 0].tolist() == [3, 3, 2, 0, 2, 2]
    assert torch.equal(moved[..., 0], moved[..., 1])


@torch.inference_mode()
def test_a_place_that_trembles_shows_in_movement_even_if_the_mean_over_places_stays():
    here, there = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    torch.manual_seed(0)
    model = ResNetLSTM(Architecture(lstm_hidden=8, movement=True)).eval()
    still, trembling = (
        torch.stack(frames)[:, None].expand(4, 512, 1, 2)
        for frames in ([here] * 4, [here, there, here, there])
    )
    lengths = torch.tensor([4])

    assert not torch.allclose(
        model.of_maps(still, lengths), model.of_maps(trembling, lengths), atol=ATOL
    )


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_lstm_reads_time_along_the_second_axis_in_the_directions_asked_for(bidirectional):
    model = ResNetLSTM(Architecture(lstm_hidden=8, bidirectional=bidirectional))

    assert model.lstm.batch_first
    assert model.lstm.bias
    assert model.lstm.bidirectional is bidirectional
    assert model.head.in_features == (16 if bidirectional else 8)


@torch.inference_mode()
def test_only_a_bidirectional_lstm_lets_the_last_frame_change_the_first_step(clips):
    changed = clips.clone()
    changed[:, -1] += 1

    def first_step(bidirectional: bool, frames: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        model = ResNetLSTM(Architecture(lstm_hidden=8, bidirectional=bidirectional)).eval()
        steps, _ = model.lstm(model.trunk(frames.flatten(0, 1)).view(3, 6, -1))
        return steps[:, 0]

    assert not torch.allclose(first_step(True, clips), first_step(True, changed))
    torch.testing.assert_close(first_step(False, clips), first_step(False, changed))


def test_every_frame_and_every_weight_receives_gradient(small_model, clips):
    frames = clips.clone().requires_grad_()

    small_model(frames).sum().backward()

    assert frames.grad is not None
    assert (frames.grad.abs().amax(dim=(0, 2, 3, 4)) > 0).all()
    assert all(parameter.grad is not None for parameter in small_model.parameters())


def test_dropout_acts_in_training_only(clips):
    torch.manual_seed(0)
    model = ResNetLSTM(Architecture(lstm_hidden=8, dropout=0.5)).eval()

    assert torch.equal(model(clips), model(clips))
    model.dropout.train()
    assert not torch.equal(model(clips), model(clips))


@pytest.mark.parametrize(
    ("trunk", "features"),
    [("resnet18", 512), ("resnet34", 512), ("resnet50", 2048), ("resnet29_face", 256)],
)
def test_each_trunk_feeds_the_lstm_without_its_classifier(trunk, features):
    model = ResNetLSTM(Architecture(trunk=trunk, lstm_hidden=4))

    assert model.lstm.input_size == features
    assert not [name for name in model.state_dict() if name.startswith("trunk.fc")]


@pytest.mark.parametrize(
    "wrong", [{"trunk": "vgg"}, {"lstm_hidden": 0}, {"dropout": 1.0}, {"surprise": 1}]
)
def test_an_impossible_architecture_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Architecture(**wrong)
