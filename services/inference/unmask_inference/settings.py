"""Settings of the inference worker, beside those that all services share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from unmask_inference.engines import EngineName
from unmask_shared.model.quality import QualityLimits

_LIMITS = QualityLimits()


class InferenceSettings(BaseSettings):
    """Which checkpoint judges, and on what."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_", protected_namespaces=())

    model_dir: Annotated[
        Path,
        Field(
            description="Folder with card.json and weights: the checkpoint that judges as long as "
            "none is activated in the registry. Others have to judge what it judges (face mode)."
        ),
    ] = Path("models/default")
    model_poll_s: Annotated[
        float, Field(gt=0, description="How often to look which version is active, in seconds.")
    ] = 5.0
    models_kept: Annotated[
        int,
        Field(
            ge=1,
            description="Published versions that stay in memory beside the built-in checkpoint: "
            "the active one, and those that videos on their way were accepted with.",
        ),
    ] = 3
    crop_size: Annotated[
        int | None,
        Field(
            ge=32,
            description="Side of the preprocessor's crops: published checkpoints of another one "
            "are refused. By default that of the checkpoint in `model_dir`.",
        ),
    ] = None
    crop_margin: Annotated[
        float | None,
        Field(ge=0, le=1, description="The same for their margin."),
    ] = None
    device: Annotated[
        str, Field(description="`auto` (CUDA when there is one), `cpu` or `cuda`.")
    ] = "auto"
    inference_engine: Annotated[
        EngineName,
        Field(
            description="What runs the network on a CPU: `onnxruntime`, or `torch`, which is "
            "slower; `auto` takes the fastest that works. On CUDA it is always PyTorch."
        ),
    ] = "auto"
    inference_jobs: Annotated[
        int,
        Field(
            ge=1,
            description="Videos at the same time: while the network looks at the faces of one, "
            "others are fetched and stored. Their crops are in memory, 1 MB for each clip.",
        ),
    ] = 4
    batch_size: Annotated[int, Field(ge=1, description="Most clips in one forward pass.")] = 4
    batch_wait_ms: Annotated[
        float,
        Field(ge=0, description="Longest wait of a clip for those of other videos on their way."),
    ] = 5.0
    torch_threads: Annotated[
        int,
        Field(
            ge=0,
            description="Of PyTorch, and of ONNX Runtime on a CPU. 0 takes one for each core.",
        ),
    ] = 0
    heatmaps_per_face: Annotated[
        int,
        Field(
            ge=0,
            le=16,
            description="Most heatmaps of each face, for callers who ask for them; with 0 such "
            "requests are processed without.",
        ),
    ] = 4
    min_face_side: Annotated[
        float,
        Field(
            ge=0,
            description="A clip in which the face is smaller, in pixels of the shown picture, is "
            "not judged. 0 judges any.",
        ),
    ] = _LIMITS.smallest_face
    min_sharpness: Annotated[
        float,
        Field(
            ge=0,
            description="A clip in which the face is less sharp is not judged: the variance of "
            "its Laplacian in that of its grey levels. 0 judges any.",
        ),
    ] = _LIMITS.least_sharpness
    min_judged_frames: Annotated[
        int, Field(ge=0, description="A face with fewer usable frames is not judged.")
    ] = _LIMITS.fewest_frames
    min_usable_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="A face of whose frames a smaller share is usable is not judged, nor a "
            "video of whose sampled frames a smaller share could be decoded.",
        ),
    ] = _LIMITS.least_share

    def quality_limits(self) -> QualityLimits:
        """What a face has to show so that it is judged."""
        return QualityLimits(
            smallest_face=self.min_face_side,
            least_sharpness=self.min_sharpness,
            fewest_frames=self.min_judged_frames,
            least_share=self.min_usable_share,
        )
