"""Settings of the preprocessor worker, beside those that all services share."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from unmask_shared.vision.pipeline import VisionSettings

_DEFAULTS = VisionSettings()


class PreprocessorSettings(BaseSettings):
    """How faces are looked for, and how many videos one worker takes at a time."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    face_detector: Literal["libfacedetection", "dlib-hog"] = _DEFAULTS.detector
    crop_size: Annotated[
        int, Field(ge=32, le=256, description="Side of the crops: the checkpoint's input size.")
    ] = _DEFAULTS.crop_size
    clip_length: Annotated[int, Field(ge=1, le=128)] = _DEFAULTS.clip_length
    max_clips: Annotated[int, Field(ge=1, le=1000)] = _DEFAULTS.max_clips
    preprocessor_concurrency: Annotated[int, Field(ge=1)] = 1

    def vision(self) -> VisionSettings:
        """The settings in the form that the pipeline takes."""
        return VisionSettings(
            detector=self.face_detector,
            crop_size=self.crop_size,
            clip_length=self.clip_length,
            max_clips=self.max_clips,
        )
