"""Settings of the embedded stack; everything else is passed on to its parts."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StandaloneSettings(BaseSettings):
    """Where the embedded stack listens and keeps its data."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    data_dir: Annotated[Path, Field(description="Valkey's file, and the local object store.")] = (
        Path(".data")
    )
    stop_grace_s: Annotated[
        float, Field(ge=0, description="Time that each part has to finish its work at shutdown.")
    ] = 10.0
