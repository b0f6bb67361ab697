"""Settings of the inference worker, beside those that all services share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class InferenceSettings(BaseSettings):
    """Which checkpoint is served, and on what."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_", protected_namespaces=())

    model_dir: Annotated[Path, Field(description="Folder with card.json and weights.")] = Path(
        "models/default"
    )
    device: Annotated[
        str, Field(description="`auto` (CUDA when there is one), `cpu` or `cuda`.")
    ] = "auto"
    batch_size: Annotated[int, Field(ge=1, description="Clips in one forward pass.")] = 4
    torch_threads: Annotated[int, Field(ge=0, description="0 lets torch decide.")] = 0
