"""Settings of the preprocessor worker, beside those that all services share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from unmask_shared.artifacts import SamplingPolicy
from unmask_shared.sandbox import SandboxLimits, SyscallFilter, default_filter
from unmask_shared.settings import JobSettings
from unmask_shared.vision.faces import DetectorName
from unmask_shared.vision.pipeline import VisionSettings

_DEFAULTS = VisionSettings()
_LIMITS = SandboxLimits()
_MIB = 1024 * 1024


class PreprocessorSettings(BaseSettings):
    """How faces are looked for, and how many videos one worker takes at a time."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    face_detector: Annotated[
        DetectorName,
        Field(description="How they compare is in docs/detectors.md; `yunet` needs its model."),
    ] = _DEFAULTS.detector
    crop_size: Annotated[
        int, Field(ge=32, le=256, description="Side of the crops: the checkpoint's input size.")
    ] = _DEFAULTS.crop_size
    crop_margin: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Context on each side of the square from hairline to chin, as a share of "
            "it: the checkpoint's.",
        ),
    ] = _DEFAULTS.crop_margin
    sampling: Annotated[
        SamplingPolicy,
        Field(
            description="`clips` of consecutive frames spread over the video, as the checkpoint "
            "that ships was trained on; `uniform`ly spread single frames; `all` frames."
        ),
    ] = _DEFAULTS.sampling
    clip_length: Annotated[
        int, Field(ge=1, le=128, description="Frames of one clip: that of the checkpoint.")
    ] = _DEFAULTS.clip_length
    max_clips: Annotated[
        int,
        Field(ge=1, le=1000, description="One clip is taken for every 2 seconds, but no more."),
    ] = _DEFAULTS.max_clips
    landmark_overlays: Annotated[
        bool,
        Field(
            description="Draw landmarks for callers who ask for them; if false, such requests are "
            "processed without. The licence of the 68-point model excludes commercial use."
        ),
    ] = True
    yunet_model: Annotated[
        Path | None, Field(description="The file of the detector `yunet`, when that is chosen.")
    ] = None
    decoder_memory_mb: Annotated[
        int, Field(ge=128, description="Memory that decoding one video may take, in MiB.")
    ] = _LIMITS.memory_bytes // _MIB
    decoder_cpu_s: Annotated[
        int, Field(ge=1, description="Processor time that one video may take, in seconds.")
    ] = 600
    decoder_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Time that one video may take, in seconds; below the time limit of stages.",
        ),
    ] = 900.0
    syscall_filter: Annotated[
        SyscallFilter,
        Field(
            description="`required`: decode only under the system call filter; `best-effort`: "
            "where the kernel has none, warn and go on; `off`: never use it."
        ),
    ] = default_filter()
    preprocessor_concurrency: Annotated[int, Field(ge=1)] = 1

    def vision(self) -> VisionSettings:
        """The settings in the form that the pipeline takes."""
        return VisionSettings(
            detector=self.face_detector,
            yunet_model=self.yunet_model,
            crop_size=self.crop_size,
            crop_margin=self.crop_margin,
            sampling=self.sampling,
            clip_length=self.clip_length,
            max_clips=self.max_clips,
        )

    def check_stage_time_limit(self, jobs: JobSettings) -> None:
        """Make sure that a slow video fails with a reason, and does not look like a crash.

        Raises:
            ValueError: Celery would kill the worker before the decoder's time is over.
        """
        if self.decoder_timeout_s >= jobs.stage_time_limit_s:
            raise ValueError(
                f"UNMASK_DECODER_TIMEOUT_S ({self.decoder_timeout_s:g}) must be below "
                f"UNMASK_STAGE_TIME_LIMIT_S ({jobs.stage_time_limit_s})"
            )

    def sandbox_limits(self) -> SandboxLimits:
        """What decoding one video may use."""
        return SandboxLimits(
            memory_bytes=self.decoder_memory_mb * _MIB,
            cpu_s=self.decoder_cpu_s,
            wall_s=self.decoder_timeout_s,
        )
