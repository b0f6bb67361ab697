"""How a checkpoint is trained, stage by stage; part of an experiment's file."""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Share = Annotated[float, Field(ge=0, le=1)]
Balance = Literal["pairs", "weights", "none"]
"""What is done about more fakes than real clips, or fewer. `pairs`: an epoch shows each real clip
once, with one of its forgeries; `weights`: it shows every clip, and the rarer class weighs more in
the loss; `none`: it shows every clip, and all weigh the same."""


class Settings(BaseModel):
    """Unknown names are errors: a misspelt setting would silently do nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AugmentationSettings(Settings):
    """How often a clip is changed, and how; all frames of a clip are changed alike.

    Attributes:
        mirror: Chance of exchanging left and right.
        move: Largest displacement, as a share of the side; zoom and turn grow with it.
        colour: Strength of changes of brightness, tint, contrast and tone curve; 0 is none.
        blur: Chance of a Gaussian blur.
        scale: Chance of scaling down and up again.
        noise: Chance of added noise.
        jpeg: Chance of compression as JPEG, of each frame.
        codec: Chance of compression as H.264, of the whole clip.
        severity: How bad blur, noise and compression get, at their worst: at 0 a blur of 1.6 px, 8
            levels of noise, JPEG at quality 30 and H.264 at a rate factor of 37; at 1 3.2 px, 24
            levels, 10 and 44.
        skip: Chance of showing every other frame, of clips that are long enough: as if the camera
            had taken half as many.
    """

    mirror: Share = 0.5
    move: Annotated[float, Field(ge=0, le=0.25)] = 0.04
    colour: Share = 0.5
    blur: Share = 0.15
    scale: Share = 0.2
    noise: Share = 0.15
    jpeg: Share = 0.3
    codec: Share = 0.1
    severity: Share = 0.0
    skip: Share = 0.0


class OptimiserSettings(Settings):
    """How weights are changed.

    Attributes:
        kind: The method.
        learning_rate: At its highest: it rises over the first steps, then falls along a cosine.
        trunk_factor: On the learning rate of the trunk; 0 freezes it.
        weight_decay: Of matrices and filters; biases and normalisation have none.
        warm_up: Share of all steps over which the learning rate rises.
        gradient_norm: Gradients are scaled down to this norm.
        label_smoothing: Share of the target that is given to the other class.
    """

    kind: Literal["adam", "adamw"] = "adamw"
    learning_rate: PositiveFloat = 5e-4
    trunk_factor: Share = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warm_up: Share = 0.05
    gradient_norm: PositiveFloat = 5.0
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class _StageSettings(Settings):
    """What all stages have.

    Attributes:
        epochs: Most epochs; the learning rate falls to nothing over them.
        batch_size: Clips, or crops, of a batch of one process; even, so that pairs stay together.
        patience: Epochs without a better value after which training stops.
        monitor: What has to get better on the validation people.
        balance: What is done about unequal classes.
        fresh: Share of the forgeries that are made anew whenever they are shown; of clips that
            have none stored, all are.
        repeats: How often an epoch shows each clip of a data set, by the data set's name; 1 where
            it is not said. A fraction shows some.
        side: Crops are scaled down to this side in training and validation, for quick first
            stages; None leaves them.
        kept: Share that the trunk's weights from before the stage have in what comes of it: their
            mean with those that were trained knows what is new, and forgets less (Wortsman et al.,
            "Robust fine-tuning of zero-shot models", CVPR 2022). Validation is without it.
        optimiser: How weights are changed.
        augmentation: How clips are changed.
    """

    epochs: PositiveInt = 20
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)] = 16
    patience: PositiveInt = 3
    monitor: Literal["loss", "auc"] = "loss"
    balance: Balance = "pairs"
    fresh: Share = 0.0
    repeats: dict[str, Annotated[float, Field(ge=0, le=1000)]] = {}
    side: Annotated[int, Field(ge=32, le=256)] | None = None
    kept: Share = 0.0
    optimiser: OptimiserSettings = OptimiserSettings()
    augmentation: AugmentationSettings = AugmentationSettings()


class FrameStage(_StageSettings):
    """Teaches the trunk on single crops, with two heads that are thrown away afterwards.

    Attributes:
        mask_weight: Weight of the question where a crop was forged, beside the one whether it was:
            asked where it is known, of real crops and of forgeries that are made anew.
    """

    kind: Literal["frames"] = "frames"
    mask_weight: Annotated[float, Field(ge=0)] = 1.0


class ClipStage(_StageSettings):
    """Teaches the whole network on clips.

    Attributes:
        window: Frames of each clip that are shown, at most as many as a clip of the crops has.
    """

    kind: Literal["clips"] = "clips"
    window: Annotated[int, Field(ge=1, le=64)] = 16


Stage = Annotated[FrameStage | ClipStage, Field(discriminator="kind")]


class HardwareSettings(Settings):
    """Where training runs.

    Attributes:
        accelerator: `auto` takes a GPU if there is one.
        devices: Processes on each node, one for each device; `auto` for all GPUs, or one CPU.
        nodes: Number of hosts.
        precision: `16-mixed` or `bf16-mixed` compute in half precision where that is safe.
        loaders: Processes that read and augment, for each device; 0 does it in between.
        save_every_s: Seconds between two saves within an epoch.
    """

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: PositiveInt | Literal["auto"] = "auto"
    nodes: PositiveInt = 1
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed"] = "auto"
    loaders: NonNegativeInt = 2
    save_every_s: PositiveFloat = 300.0

    @model_validator(mode="after")
    def _half_precision_needs_a_gpu(self) -> Self:
        if self.precision == "16-mixed" and self.accelerator == "cpu":
            raise ValueError("16-mixed needs a GPU; use bf16-mixed or 32-true")
        return self
