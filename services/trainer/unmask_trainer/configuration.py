"""The file of an experiment: everything that decides what comes out of a training run."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from unmask_shared.artifacts import FaceMode
from unmask_shared.model.architecture import Architecture
from unmask_shared.model.clips import ShortClips
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.description import Description
from unmask_trainer.initialisation.settings import FromScratch, Initialisation
from unmask_trainer.training.errors import InvalidExperiment
from unmask_trainer.training.settings import ClipStage, HardwareSettings, Settings, Share, Stage


class CropSettings(Settings):
    """What the network is shown; serving does the same, by the card.

    Attributes:
        face_mode: `faces` for aligned crops of each face, `full_frame` for whole pictures.
        size: Side of the crops in pixels.
        margin: Context on each side of the face, as a share of it.
        clip_length: Consecutive frames of one clip.
        short_clips: What becomes of clips that have fewer.
    """

    face_mode: FaceMode = "faces"
    size: Annotated[int, Field(ge=32, le=256)] = VisionSettings.crop_size
    margin: Annotated[float, Field(ge=0, le=1)] = VisionSettings.crop_margin
    clip_length: Annotated[int, Field(ge=1, le=64)] = VisionSettings.clip_length
    short_clips: ShortClips = "mask"

    def vision(self) -> VisionSettings:
        """Settings of the face pipeline."""
        return VisionSettings(
            face_mode=self.face_mode,
            crop_size=self.size,
            crop_margin=self.margin,
            clip_length=self.clip_length,
        )


class SplitSettings(Settings):
    """How folders are divided that were not prepared; prepared ones keep their split.

    Attributes:
        val: Share of the people for validation.
        test: Share of the people for the test.
        seed: Decides who is where. A run that starts from the weights of another has to keep it,
            or it is tested on people that those weights have seen.
    """

    val: Share = 0.12
    test: Share = 0.12
    seed: int = 0


class ExperimentSettings(Settings):
    """An experiment.

    Attributes:
        seed: Of weights, order, forgeries, augmentation and dropout.
        model: The network.
        crops: What it is shown.
        split: How folders are divided that were not prepared.
        initialisation: What the trunk starts from.
        forgeries: Weights of the methods by which forgeries are made anew; all of them, alike,
            where this is empty.
        stages: What is trained, in this order; the last one has to train on clips.
        calibrate_on: Names of the data sets on whose validation people temperature and thresholds
            are chosen; all of them where this is empty.
        hardware: Where it runs; does not belong to what decides the outcome.
        card: What the card says in words.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    model: Architecture = Architecture()
    crops: CropSettings = CropSettings()
    split: SplitSettings = SplitSettings()
    initialisation: Initialisation = FromScratch()
    forgeries: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (ClipStage(),)
    calibrate_on: tuple[str, ...] = ()
    hardware: HardwareSettings = HardwareSettings()
    card: Description = Description(
        name="resnet-lstm", version="0.0.0", data="Not described.", licence="Not stated.", limits=()
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.stages[-1].kind != "clips":
            raise ValueError('the last stage has to train on clips: kind = "clips"')
        for stage in self.stages:
            if stage.kind == "clips" and stage.window > self.crops.clip_length:
                raise ValueError(
                    f"a window of {stage.window} frames does not fit into clips of "
                    f"{self.crops.clip_length}"
                )
        return self

    def decisive(self) -> dict[str, Any]:
        """What decides the outcome: all but words and hardware, as plain data."""
        return self.model_dump(mode="json", exclude={"hardware", "card"})


def read_experiment(path: Path | None, changes: Sequence[str] = ()) -> ExperimentSettings:
    """Read an experiment's file.

    Args:
        path: A TOML file; None for the defaults alone.
        changes: See `parse_experiment`.

    Raises:
        InvalidExperiment: The file cannot be read; or see `parse_experiment`.
    """
    if path is None:
        return parse_experiment("", changes)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidExperiment(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidExperiment(f"{path} is not TOML: {error}") from error
    return parse_experiment(text, changes, name=str(path))


def parse_experiment(
    text: str, changes: Sequence[str] = (), *, name: str = "the experiment"
) -> ExperimentSettings:
    """Read an experiment.

    Args:
        text: TOML.
        changes: `KEY=VALUE` each, which replace what the text says: keys with dots, list positions
            as numbers, values as in TOML; `stages.0.epochs=3` for example.
        name: For messages.

    Raises:
        InvalidExperiment: It says something that does not exist or is out of its range.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidExperiment(f"{name} is not TOML: {error}") from error
    for change in changes:
        _apply(values, change)
    try:
        return ExperimentSettings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'the whole'}: "
            + ("there is no such setting" if one["type"] == "extra_forbidden" else one["msg"])
            for one in error.errors()
        )
        raise InvalidExperiment(f"{name} cannot be used: {problems}") from error


def _apply(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals:
        raise InvalidExperiment(f"{change!r} is not of the form KEY=VALUE")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # Quotes are easily lost in a shell; a word that is no TOML value can only be a text.
        value = text
    *parents, last = key.split(".")
    place: Any = values
    try:
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (IndexError, TypeError, ValueError) as error:
        raise InvalidExperiment(f"{key} is no place in the experiment") from error
