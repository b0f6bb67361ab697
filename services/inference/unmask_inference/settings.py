"""Settings of the inference worker, beside those that all services share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class InferenceSettings(BaseSettings):
    """Which checkpoint judges, and on what."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_", protected_namespaces=())

    model_dir: Annotated[
        Path,
        Field(
            description="Folder with card.json and weights: the checkpoint that judges as long as "
            "none is activated in the registry. Others have to judge what it judges (face mode, "
            "margin)."
        ),
    ] = Path("models/default")
    model_poll_s: Annotated[
        float, Field(gt=0, description="How often to look which version is active, in seconds.")
    ] = 5.0
    crop_size: Annotated[
        int | None,
        Field(
            ge=32,
            description="Side of the preprocessor's crops: published checkpoints of another one "
            "are refused. By default that of the checkpoint in `model_dir`.",
        ),
    ] = None
    device: Annotated[
        str, Field(description="`auto` (CUDA when there is one), `cpu` or `cuda`.")
    ] = "auto"
    batch_size: Annotated[int, Field(ge=1, description="Clips in one forward pass.")] = 4
    torch_threads: Annotated[int, Field(ge=0, description="0 lets torch decide.")] = 0
