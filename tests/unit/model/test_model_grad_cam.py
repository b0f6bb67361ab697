"""Grad-CAM: exact, harmless to the network, and a picture of what the network goes by."""

import threading
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from unmask_shared.model.architecture import Architecture, Trunk
from unmask_shared.model.grad_cam import GradCam
from unmask_shared.model.resnet_lstm import FAKE, REAL, ResNetLSTM

SIDE = 128
PATCH = 40
PLACES = [(4, 4), (4, 84), (84, 4), (84, 84), (44, 44)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def clips():
    return torch.randn(3, 6, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def texture(side):
    """A chequerboard, which no smooth picture has."""
    rows, columns = np.indices((side, side)) // 2
    return torch.from_numpy(2.0 * ((rows + columns) % 2) - 1).float()


def smooth_clips(rng, number, side, frames=2):
    coarse = torch.from_numpy(rng.normal(0, 1, (number * frames, 3, 4, 4))).float()
    fine = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    return fine.view(number, frames, 3, side, side)


def planted(clips, top, left, side):
    """The clips with the texture in a square of every frame."""
    changed = clips.clone()
    changed[..., top : top + side, left : left + side] = texture(side)
    return changed


@pytest.fixture(scope="module")
def patch_finder():
    """A small network that learned, in seconds, to call clips with the texture fake.

    Its trunk stays as it was drawn: what such a trunk says of a place comes from near that place,
    so it is known what a map has to show.
    """
    rng = np.random.default_rng(1)
    labels = torch.tensor([REAL, FAKE]).repeat(24)
    clips = smooth_clips(rng, len(labels), SIDE, frames=1)
    for row in torch.nonzero(labels == FAKE).flatten():
        clips[row] = planted(clips[row], *rng.integers(0, SIDE - PATCH + 1, 2), PATCH)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = ResNetLSTM(Architecture(lstm_hidden=8, dropout=0.0)).requires_grad_(False)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # The mean over all that it sees.
        model.trunk(clips[:, 0])
        model.eval()
        # A saturated LSTM has no gradient left to show.
        model.lstm.weight_ih_l0.mul_(0.1)
        model.lstm.weight_ih_l0_reverse.mul_(0.1)
        features = model.trunk(clips[:, 0])[:, None]
        learning = [*model.lstm.parameters(), *model.head.parameters()]
        optimizer = torch.optim.Adam([one.requires_grad_() for one in learning], lr=1e-2)
        for _ in range(60):
            logits = model.head(model.lstm(features)[0].mean(dim=1))
            loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def heat_of(model, clips):
    """(B, S, S) what speaks for a forgery in the first frame, and the score."""
    logits, maps = GradCam(model)(clips)
    heat = nn.functional.interpolate(maps[:, :1].clamp(min=0), size=(SIDE, SIDE), mode="bilinear")
    return heat[:, 0], logits[:, FAKE] - logits[:, REAL]


@pytest.fixture(scope="module")
def unmarked():
    return smooth_clips(np.random.default_rng(5), len(PLACES), SIDE)


@pytest.fixture(scope="module")
def marked(unmarked):
    """One clip for each place of the texture."""
    return torch.stack(
        [planted(clip, *place, PATCH) for clip, place in zip(unmarked, PLACES, strict=True)]
    )


def test_the_map_is_hot_where_the_forgery_is(patch_finder, marked, unmarked):
    heat, score = heat_of(patch_finder, marked)

    assert (score > heat_of(patch_finder, unmarked)[1]).all()
    area = PATCH**2 / SIDE**2
    for one, (top, left) in zip(heat, PLACES, strict=True):
        # A place of the last maps is 32 px wide: the peak may lie half of one beside the texture.
        y, x = divmod(int(one.argmax()), SIDE)
        assert top - 16 <= y < top + PATCH + 16
        assert left - 16 <= x < left + PATCH + 16
        inside = one[top : top + PATCH, left : left + PATCH].sum() / one.sum()
        assert inside > 1.5 * area


def test_hiding_the_hot_place_lowers_the_score_more_than_hiding_a_cold_one(patch_finder, marked):
    heat, score = heat_of(patch_finder, marked)
    blocks = nn.functional.avg_pool2d(heat[:, None], 48, stride=16)[:, 0]

    def hidden(places):
        masked = marked.clone()
        for clip, place in zip(masked, places, strict=True):
            top, left = (16 * p for p in divmod(int(place), blocks.shape[-1]))
            clip[..., top : top + 48, left : left + 48] = 0
        return score - heat_of(patch_finder, masked)[1]

    hot = hidden(blocks.flatten(1).argmax(1))
    cold = hidden(blocks.flatten(1).argmin(1))

    assert (hot > cold).all()
    assert hot.mean() > 3 * cold.abs().mean()


@pytest.mark.parametrize("part", ["head", "lstm", "trunk.layer4", "trunk"])
def test_other_weights_give_another_map(patch_finder, marked, part):
    """The sanity check of Adebayo et al., NeurIPS 2018: a map of the picture alone would stay."""
    learned, _ = heat_of(patch_finder, marked)
    other = ResNetLSTM(patch_finder.architecture).eval()
    other.load_state_dict(patch_finder.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(7)
        for module in other.get_submodule(part).modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    changed, _ = heat_of(other, marked)

    pairs = zip(learned.flatten(1), changed.flatten(1), strict=True)
    alike = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs if pair[1].any()]
    assert max(alike, default=0.0) < 0.95
    assert sum(alike) / len(PLACES) < 0.6


def reference(model, clip):
    """The paper's formula with plain hooks, one clip at a time."""
    kept = []
    handle = model.trunk.get_submodule("layer4").register_forward_hook(
        lambda *call: kept.append(call[2])
    )
    logits = model(clip[None])
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, FAKE] - logits[0, REAL], kept[0])
    return (gradient.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(dim=1).detach()


@pytest.mark.parametrize("trunk", get_args(Trunk))
def test_maps_are_those_of_the_formula_whatever_shares_the_batch(trunk):
    clips = torch.randn(3, 4, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = ResNetLSTM(Architecture(trunk=trunk, lstm_hidden=8, lstm_layers=2)).eval()
    lengths = torch.tensor([4, 2, 3])

    logits, maps = GradCam(model)(clips, lengths)
    assert min(maps.shape[-2:]) > 1
    all_full, full_maps = GradCam(model)(clips)

    torch.testing.assert_close(logits, model(clips, lengths).detach())
    torch.testing.assert_close(all_full, model(clips).detach())
    for clip, length, found, full in zip(clips, lengths, maps, full_maps, strict=True):
        expected = reference(model, clip[:length])
        torch.testing.assert_close(found[:length], expected, atol=1e-6, rtol=1e-3)
        assert not found[length:].any()
        torch.testing.assert_close(full, reference(model, clip), atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("movement", [False, True])
def test_the_contributions_predict_what_a_small_change_of_the_maps_does(clips, movement):
    """Evidence is in units of the score: maps grown by a hundredth move it by that much of it."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        architecture = Architecture(lstm_hidden=8, movement=movement)
        small_model = ResNetLSTM(architecture).eval()
    _, maps = GradCam(small_model)(clips)

    def score(factor):
        stage = small_model.trunk.get_submodule("layer4")
        handle = stage.register_forward_hook(lambda _stage, _inputs, out: out * factor)
        with torch.inference_mode():
            logits = small_model(clips).double()
        handle.remove()
        return logits[:, FAKE] - logits[:, REAL]

    slope = (score(1.01) - score(0.99)) / 0.02
    torch.testing.assert_close(maps.sum(dim=(1, 2, 3)).double(), slope, atol=1e-4, rtol=0.02)


def test_the_network_is_left_as_it_was_and_shares_its_weights(clips):
    model = ResNetLSTM(Architecture(lstm_hidden=8)).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    explain = GradCam(model)

    with torch.inference_mode():
        first, _ = explain(clips)

    assert not any(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    with torch.no_grad():
        model.head.bias += torch.tensor([0.0, 5.0])
    torch.testing.assert_close(explain(clips)[0], first + torch.tensor([0.0, 5.0]))


@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_are_computed_whatever_the_caller_and_the_weights_say(clips, frozen):
    model = ResNetLSTM(Architecture(lstm_hidden=8)).eval().requires_grad_(not frozen)
    with torch.no_grad():
        _, maps = GradCam(model)(clips)
        assert not torch.is_grad_enabled()

    assert maps.abs().amax(dim=(1, 2, 3)).min() > 0
    assert not maps.requires_grad


def test_threads_do_not_get_each_others_maps(small_model, clips):
    explain = GradCam(small_model)
    expected = [explain(clip[None])[1] for clip in clips]
    wrong = []

    def work(number):
        for _ in range(5):
            found = explain(clips[number : number + 1])[1]
            if not torch.equal(found, expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(clips))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_explains_as_the_cpu_does(small_model, clips):
    lengths = torch.tensor([6, 2, 4])
    logits, maps = GradCam(small_model)(clips, lengths)
    on_gpu = ResNetLSTM(small_model.architecture).eval()
    on_gpu.load_state_dict(small_model.state_dict())

    found, there = GradCam(on_gpu.cuda())(clips.cuda(), lengths)

    torch.testing.assert_close(found.cpu(), logits, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(there.cpu(), maps, atol=1e-3, rtol=5e-2)
