"""What the rows of `ablations.py` are measured on: crops of people whom none was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from unmask_shared.model.transforms import CropTransform
from unmask_trainer.configuration import (
    CropSettings,
    ExperimentSettings,
    SplitSettings,
    read_experiment,
)
from unmask_trainer.data_sets import DataSet, load_data_sets, load_faces
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.datasets.splits import Split
from unmask_trainer.evaluation.degradations import jpeg
from unmask_trainer.training.objectives import FrameObjective

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "ablations.toml"
METHODS = ("self_blend", "face_swap", "mouth_reenactment", "network", "box_paste")
TRAINED_ON = ("dfdc", "congress")
HELD_OUT = "lfw"


@dataclass(frozen=True, kw_only=True)
class Exam:
    """Crops that nobody was trained on; all fields of one length N.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB.
        labels: (N,) 0 for real, 1 for fake.
        people: (N,) who is shown.
        methods: (N,) how it was forged; empty for real crops.
    """

    crops: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: NDArray[np.str_]
    methods: NDArray[np.str_]

    def save(self, path: Path) -> None:
        np.savez(path, **self.__dict__)

    @classmethod
    def load(cls, path: Path) -> "Exam":
        with np.load(path) as stored:
            return cls(**stored)


def make_exams(data: Path, prepared: int, dev: Path | None, folder: Path) -> dict[str, Exam]:
    """The exams, made once: all rows judge the same forgeries of photographs.

    `prepared` is the side of the data's crops, in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = read_experiment(EXPERIMENT)
    names = {*TRAINED_ON, HELD_OUT} | ({"dev"} if dev else set())
    if missing := [name for name in sorted(names) if not (folder / f"{name}.npz").exists()]:
        sets = {one.name: one for one in load_prepared(data, prepared, (*TRAINED_ON, HELD_OUT))}
        for name in missing:
            match name:
                case "dfdc":
                    exam = _as_it_is(sets["dfdc"].parts[Split.VAL], frames=1)
                case "lfw":
                    people = tuple(one for part in sets[HELD_OUT].parts.values() for one in part)
                    exam = _forged(people[:150], settings, each=METHODS)
                case "congress":
                    parts = sets["congress"].parts
                    exam = _forged(parts[Split.VAL] + parts[Split.TEST], settings)
                case _:
                    assert dev is not None
                    crops = CropSettings(size=prepared, margin=settings.crops.margin)
                    exam = _as_it_is(load_faces(dev, crops.vision(), workers=1), frames=4)
            exam.save(folder / f"{name}.npz")
    return {name: Exam.load(folder / f"{name}.npz") for name in sorted(names)}


def _as_it_is(faces: Sequence[FaceClips], *, frames: int) -> Exam:
    """Up to `frames` crops of each video, spread over it."""
    shown: list[tuple[NDArray[np.uint8], FaceClips]] = []
    for item in faces:
        crops = item.load()
        places = np.linspace(0, len(crops) - 1, min(frames, len(crops))).round().astype(int)
        shown += [(np.array(crops[place]), item) for place in places]
    return Exam(
        crops=np.stack([crop for crop, _ in shown]),
        labels=np.array([item.video.label for _, item in shown]),
        people=np.array([item.video.person or item.video.group for _, item in shown]),
        methods=np.array([item.video.method for _, item in shown]),
    )


def _forged(
    faces: Sequence[FaceClips], settings: ExperimentSettings, *, each: Sequence[str] = ()
) -> Exam:
    """Photographs and forgeries of them, by `each` method or by one in turn, compressed alike."""
    makers = {
        name: FreshForgeries(faces, margin=settings.crops.margin, methods={name: 1.0})
        for name in METHODS
    }
    crops, people, methods = [], [], []
    for number, item in enumerate(faces):
        rng = np.random.default_rng([7, number])
        real, person = np.array(item.load()[:1]), item.video.person or item.video.group
        quality = int(rng.integers(50, 96))
        crops.append(jpeg(real, quality)[0])
        people.append(person)
        methods.append("")
        for name in each or (METHODS[number % len(METHODS)],):
            forged = makers[name].forge(real, item.video.group, rng)
            crops.append(jpeg(forged.crops, quality)[0])
            people.append(person)
            methods.append(name)
    return Exam(
        crops=np.stack(crops),
        labels=np.array([int(bool(name)) for name in methods]),
        people=np.array(people),
        methods=np.array(methods),
    )


@cache
def load_prepared(data: Path, prepared: int, names: tuple[str, ...]) -> tuple[DataSet, ...]:
    """The crops as they were prepared, which is larger than most rows want them."""
    crops = CropSettings(size=prepared, margin=read_experiment(EXPERIMENT).crops.margin)
    folders = [data / name for name in names]
    return tuple(load_data_sets(folders, crops.vision(), SplitSettings(), workers=1))


@torch.inference_mode()
def frame_scores(
    objective: FrameObjective, crops: NDArray[np.uint8], side: int
) -> NDArray[np.float64]:
    """(N,) log-odds of being fake."""
    objective.eval()
    found = []
    for first in range(0, len(crops), 64):
        batch = np.stack([scaled_crop(crop, side) for crop in crops[first : first + 64]])
        pixels = CropTransform().normalise(torch.from_numpy(batch))
        with torch.autocast("cpu", torch.bfloat16):
            features = objective.trunk()(pixels.contiguous(memory_format=torch.channels_last))
        found.append(objective.label_head(features.float())[:, 0].double().numpy())
    return np.concatenate(found)


def scaled_crop(crop: NDArray[np.uint8], side: int) -> cv2.typing.MatLike:
    """As a stage with a `side` scales crops."""
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
