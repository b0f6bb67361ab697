import cv2
import numpy as np
import pytest
import torch
from media_factory import admiral, astronaut

from unmask_shared.model.torchvision_import import load_torchvision
from unmask_shared.model.transforms import CropTransform
from unmask_shared.model.trunks import build_trunk
from unmask_trainer.initialisation.distil import STATE_FILE, distil
from unmask_trainer.initialisation.distillation import Distillation
from unmask_trainer.initialisation.errors import UnusableWeights
from unmask_trainer.initialisation.imagenet import load_teacher
from unmask_trainer.initialisation.pictures import PictureFolder, random_squares, whole_squares
from unmask_trainer.initialisation.settings import FromTeacher


class Killed(Exception):
    """Stands for a signal."""


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("teacher") / "mobilenet_v2.pth"
    torch.save(load_torchvision().models.mobilenet_v2(weights=None).state_dict(), path)
    return path


@pytest.fixture
def teacher(teacher_file):
    return load_teacher("mobilenet_v2", teacher_file)[0]


@pytest.fixture
def settings():
    return FromTeacher(steps=6, batch_size=2, side=64, save_every=3, learning_rate=2e-3)


def draw(rng, count):
    portraits = [astronaut().pixels, admiral().pixels]
    return [portraits[i] for i in rng.integers(2, size=count)]


def new_trunk():
    torch.manual_seed(4)
    return build_trunk("resnet18")[0]


def learn(trunk, teacher, settings, folder, on_report=lambda report: None):
    distil(
        trunk,
        teacher,
        draw,
        settings,
        device=torch.device("cpu"),
        folder=folder,
        on_report=on_report,
    )


@pytest.mark.parametrize("name", ["resnet18", "resnet29_face"])
def test_a_trunk_that_learns_gets_nearer_to_its_teacher(name, teacher):
    torch.manual_seed(5)
    module = Distillation(build_trunk(name)[0], teacher).train()
    rng = np.random.default_rng(1)
    pictures = CropTransform()(random_squares(draw(rng, 4), 112, rng))
    learners = [weights for weights in module.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(learners, lr=2e-3)
    taught = {name: value.clone() for name, value in teacher.state_dict().items()}
    losses = []
    for _ in range(12):
        loss = module(pictures)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))

    assert 0.9 < losses[0] < 2.0
    assert losses[-1] < 0.8 * losses[0]
    assert all(torch.equal(value, taught[name]) for name, value in teacher.state_dict().items())


def test_an_interrupted_distillation_ends_in_the_same_trunk(teacher, settings, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    reports = []
    whole, broken, resumed = new_trunk(), new_trunk(), new_trunk()
    learn(whole, teacher, settings, tmp_path / "whole", reports.append)

    def die(report):
        raise Killed(report)

    with pytest.raises(Killed):
        learn(broken, teacher, settings, tmp_path / "broken", die)
    learn(resumed, teacher, settings, tmp_path / "broken")

    assert [report.step for report in reports] == [3, 6]
    assert all(
        torch.allclose(value, resumed.state_dict()[name], atol=1e-6)
        for name, value in whole.state_dict().items()
    )
    assert not torch.equal(broken.conv1.weight, whole.conv1.weight)


def test_the_state_of_another_distillation_is_not_gone_on_with(teacher, settings, tmp_path):
    learn(new_trunk(), teacher, settings.model_copy(update={"steps": 1}), tmp_path)

    with pytest.raises(UnusableWeights, match=f"{STATE_FILE} is the state of a distillation with"):
        learn(new_trunk(), teacher, settings, tmp_path)


def test_a_teacher_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "resnet.pth"
    torch.save(build_trunk("resnet18")[0].state_dict(), path)

    message = r"resnet\.pth, for mobilenet_v2, does not fit: .* missing"
    with pytest.raises(UnusableWeights, match=message):
        load_teacher("mobilenet_v2", path)


def test_a_folder_gives_the_same_pictures_for_the_same_seed(tmp_path):
    (tmp_path / "more").mkdir()
    for number, place in enumerate(["a.png", "more/b.PNG", "more/c.png"]):
        cv2.imwrite(str(tmp_path / place), np.full((8, 6, 3), (0, 0, 60 * number), np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    folder = PictureFolder(tmp_path)

    drawn = folder(np.random.default_rng(2), 20)

    assert {int(picture[0, 0, 0]) for picture in drawn} == {0, 60, 120}  # red comes first
    again = folder(np.random.default_rng(2), 20)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_a_folder_without_pictures_or_with_a_broken_one_is_refused(tmp_path):
    with pytest.raises(UnusableWeights, match="has no pictures to learn on"):
        PictureFolder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no png")

    with pytest.raises(UnusableWeights, match=r"a\.png is no picture"):
        PictureFolder(tmp_path)(np.random.default_rng(0), 1)


def test_squares_are_cut_from_pictures_of_any_shape():
    pictures = [np.full((h, w, 3), 7, np.uint8) for h, w in ((40, 90), (90, 40), (33, 33))]

    squares = random_squares(pictures, 48, np.random.default_rng(0))

    assert squares.shape == whole_squares(pictures, 48).shape == (3, 48, 48, 3)
    assert squares.dtype == np.uint8
    assert (squares == 7).all()


def test_half_of_the_random_squares_are_mirrored():
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0)
    pictures = [np.repeat(ramp, 3, axis=2)] * 40

    squares = random_squares(pictures, 32, np.random.default_rng(0)).astype(int)

    assert 10 < (squares[:, 0, 0, 0] > squares[:, 0, -1, 0]).sum() < 30
