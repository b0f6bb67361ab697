"""Settings of the preprocessor worker, beside those that all services share."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from unmask_shared.artifacts import SamplingPolicy
from unmask_shared.vision.faces import DetectorName
from unmask_shared.vision.pipeline import VisionSettings

_DEFAULTS = VisionSettings()


class PreprocessorSettings(BaseSettings):
    """How faces are looked for, and how many videos one worker takes at a time."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    face_detector: DetectorName = _DEFAULTS.detector
    crop_size: Annotated[
        int, Field(ge=32, le=256, description="Side of the crops: the checkpoint's input size.")
    ] = _DEFAULTS.crop_size
    sampling: Annotated[
        SamplingPolicy,
        Field(
            description="`clips` of consecutive frames spread over the video, as the checkpoint "
            "that ships was trained on; `uniform`ly spread single frames; `all` frames."
        ),
    ] = _DEFAULTS.sampling
    clip_length: Annotated[int, Field(ge=1, le=128)] = _DEFAULTS.clip_length
    max_clips: Annotated[int, Field(ge=1, le=1000)] = _DEFAULTS.max_clips
    landmark_overlays: Annotated[
        bool,
        Field(
            description="Draw landmarks for callers who ask for them; if false, such requests are "
            "processed without. The licence of the 68-point model excludes commercial use."
        ),
    ] = True
    preprocessor_concurrency: Annotated[int, Field(ge=1)] = 1

    def vision(self) -> VisionSettings:
        """The settings in the form that the pipeline takes."""
        return VisionSettings(
            detector=self.face_detector,
            crop_size=self.crop_size,
            sampling=self.sampling,
            clip_length=self.clip_length,
            max_clips=self.max_clips,
        )
