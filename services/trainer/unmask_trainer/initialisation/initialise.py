"""Gives a new network the weights that an experiment starts from."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, assert_never

import numpy as np
import torch
from torch import nn

from unmask_shared.model.checkpoint import CARD_FILE, WEIGHTS_FILE, load_checkpoint
from unmask_shared.model.face_resnet import FaceResNet
from unmask_shared.model.resnet_lstm import ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.initialisation.batch_norms import settle_batch_norms
from unmask_trainer.initialisation.distil import DistillationReport, distil
from unmask_trainer.initialisation.dlib_face import convert_dlib_face, dlib_face_file
from unmask_trainer.initialisation.errors import UnusableWeights
from unmask_trainer.initialisation.imagenet import load_teacher, take_imagenet_weights
from unmask_trainer.initialisation.pictures import DrawPictures, PictureFolder, whole_squares
from unmask_trainer.initialisation.settings import (
    FromCheckpoint,
    FromDlibFace,
    FromImageNet,
    FromScratch,
    FromTeacher,
    Initialisation,
)
from unmask_trainer.initialisation.weight_files import load_exactly, read_tensors

_TRUNK: Final = "trunk."
_SETTLING_SEED: Final = 20
_SETTLING_BATCH: Final = 32


def initialise(
    model: ResNetLSTM,
    how: Initialisation,
    *,
    crops: DrawPictures,
    side: int,
    device: torch.device,
    folder: Path,
    on_report: Callable[[DistillationReport], None],
) -> str:
    """Put initial weights into a model, in place; it stays on the CPU.

    Args:
        model: Newly built: what is not initialised keeps its random weights.
        how: What to start from.
        crops: Crops of the training people; `dlib_face` measures on them, and `distillation`
            learns on them if it was given no other pictures.
        side: What crops will be trained on, in pixels.
        device: Where to distil.
        folder: An existing folder, where a distillation keeps its state.
        on_report: Told how a distillation goes.

    Returns:
        A sentence for the card on what the network started from.

    Raises:
        UnusableWeights: When the weights are missing, damaged, or do not fit this model.
        InvalidCheckpoint: When a checkpoint to start from is damaged.
    """
    match how:
        case FromScratch():
            return "Trained from random weights."
        case FromImageNet():
            return _from_imagenet(model, how)
        case FromDlibFace():
            return _from_dlib_face(model, how, crops, side)
        case FromTeacher():
            teacher, origin = load_teacher(how.network, how.teacher)
            draw = crops if how.pictures is None else PictureFolder(how.pictures)
            distil(
                model.trunk, teacher, draw, how, device=device, folder=folder, on_report=on_report
            )
            return (
                f"The trunk was taught the features of {how.network} trained on ImageNet "
                f"({origin}), in {how.steps} steps of {how.batch_size} pictures."
            )
        case FromCheckpoint():
            return _from_checkpoint(model, how)
        case _:
            assert_never(how)


def _from_imagenet(model: ResNetLSTM, how: FromImageNet) -> str:
    name = model.architecture.trunk
    if name == "resnet29_face":
        raise UnusableWeights(
            "there is no resnet29_face trained on ImageNet: start it from dlib_face, or choose "
            "another trunk."
        )
    origin = take_imagenet_weights(model.trunk, name, how.path)
    return f"The trunk was trained on ImageNet ({origin})."


def _from_dlib_face(model: ResNetLSTM, how: FromDlibFace, crops: DrawPictures, side: int) -> str:
    if not isinstance(model.trunk, FaceResNet):
        raise UnusableWeights(
            f"dlib's face recogniser fits the trunk resnet29_face, not "
            f"{model.architecture.trunk}: change one of the two."
        )
    path = how.path or dlib_face_file()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableWeights(f"{path} cannot be read ({error.strerror}).") from error
    model.trunk.load_state_dict(convert_dlib_face(data).trunk.state_dict())
    rng, transform = np.random.default_rng(_SETTLING_SEED), CropTransform()
    counts = [_SETTLING_BATCH] * (how.settling_crops // _SETTLING_BATCH)
    counts += [rest] if (rest := how.settling_crops % _SETTLING_BATCH) else []
    settle_batch_norms(
        model.trunk, (transform(whole_squares(crops(rng, count), side)) for count in counts)
    )
    return "The trunk is dlib's face recogniser (Davis King, CC0), converted."


def _from_checkpoint(model: ResNetLSTM, how: FromCheckpoint) -> str:
    if (how.path / CARD_FILE).is_file():
        checkpoint = load_checkpoint(how.path)
        tensors = checkpoint.model.state_dict()
        origin = f"{checkpoint.card.name} {checkpoint.card.version}"
    else:
        path = how.path / WEIGHTS_FILE if how.path.is_dir() else how.path
        tensors, origin = read_tensors(path), path.name
    target: nn.Module = model
    if how.part == "trunk":
        target = model.trunk
        tensors = {
            name.removeprefix(_TRUNK): tensor
            for name, tensor in tensors.items()
            if name.startswith(_TRUNK)
        }
    load_exactly(target, tensors, origin=str(how.path))
    return f"{'The trunk' if how.part == 'trunk' else 'The network'} began as that of {origin}."
