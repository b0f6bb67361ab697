"""What a network can start from; part of an experiment's file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

ImageNetTrunk = Literal["resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_lite0"]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FromScratch(_Form):
    """Random weights."""

    kind: Literal["scratch"] = "scratch"


class FromImageNet(_Form):
    """The trunk as trained on ImageNet; a 224 px classifier of 1000 things.

    Attributes:
        path: The published `.pth` file of this very trunk, torchvision's but of efficientnet_lite0,
            or the same tensors as `.safetensors`; None takes it from an installed package that
            brings it, or from torchvision's cache, or downloads it.
    """

    kind: Literal["imagenet"] = "imagenet"
    path: Path | None = None


class FromDlibFace(_Form):
    """dlib's face recogniser, for the trunk `resnet29_face`.

    Attributes:
        path: dlib's `.dat` file; None takes that of the package face_recognition_models.
        settling_crops: Number of crops from which the batch norms learn their statistics.
    """

    kind: Literal["dlib_face"] = "dlib_face"
    path: Path | None = None
    settling_crops: PositiveInt = 512


class FromTeacher(_Form):
    """A trunk of any kind that learns the features of another one trained on ImageNet.

    Attributes:
        network: Who teaches.
        teacher: File of the teacher's weights, or of others like it; None looks for it as
            `FromImageNet` does.
        pictures: Folder of pictures to learn on, also in folders within it; None learns on the
            crops that are trained on afterwards.
        steps: Number of batches.
        batch_size: Pictures in a batch.
        side: Pictures are scaled to this side, in pixels.
        learning_rate: Of AdamW, at its highest.
        save_every: Steps between two saves, from which an interrupted run goes on.
        seed: Of the order of pictures.
    """

    kind: Literal["distillation"] = "distillation"
    network: ImageNetTrunk = "mobilenet_v2"
    teacher: Path | None = None
    pictures: Path | None = None
    steps: PositiveInt = 4000
    batch_size: Annotated[int, Field(ge=2)] = 32
    side: Annotated[int, Field(ge=64, le=512)] = 112
    learning_rate: PositiveFloat = 1e-3
    save_every: PositiveInt = 250
    seed: int = 0


class FromCheckpoint(_Form):
    """Weights of an earlier run.

    Attributes:
        path: A checkpoint's folder, or a `.safetensors` file.
        part: `trunk` leaves the LSTM and the head as they are, so that these may differ.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    path: Path
    part: Literal["trunk", "all"] = "all"


Initialisation = Annotated[
    FromScratch | FromImageNet | FromDlibFace | FromTeacher | FromCheckpoint,
    Field(discriminator="kind"),
]
