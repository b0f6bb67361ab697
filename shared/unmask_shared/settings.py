"""Settings of every service, read from the environment: `UNMASK_` and the name in capitals.

Classes only: instances are built by composition roots (`worker`, `asgi`, `__main__`).
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogSettings(BaseSettings):
    """What is logged, and how."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    log_format: Annotated[
        Literal["text", "json"], Field(description="`text` for people, `json` for machines.")
    ] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class StoreSettings(BaseSettings):
    """Where objects are kept."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    object_store: Annotated[
        Literal["local", "s3"], Field(description="A local folder, or any S3 endpoint.")
    ] = "local"
    data_dir: Annotated[Path, Field(description="Folder of the local store.")] = Path(".data")
    s3_endpoint: Annotated[str, Field(description="host:port, without a scheme.")] = (
        "127.0.0.1:9000"
    )
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "unmask"
    s3_region: str = "us-east-1"
    s3_secure: Annotated[bool, Field(description="Speak TLS to the endpoint.")] = False
    s3_public_endpoint: Annotated[
        str,
        Field(
            pattern=r"^(https?://[^/]+/?)?$",
            description="Address under which clients reach the store, such as "
            "https://objects.example.com, for direct uploads; empty if they cannot.",
        ),
    ] = ""


class JobSettings(BaseSettings):
    """How work is queued, leased and tried again."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    redis_url: Annotated[SecretStr, Field(description="redis:// URL of broker and job store.")] = (
        SecretStr("redis://127.0.0.1:6379/0")
    )
    lease_ttl_s: Annotated[
        float, Field(gt=0, description="A worker silent for so long is taken for dead.")
    ] = 15.0
    visibility_timeout_s: Annotated[
        int, Field(gt=0, description="An unacknowledged message is delivered again after this.")
    ] = 60
    max_attempts: Annotated[
        int, Field(gt=0, description="Starts of one stage before a video counts as failed.")
    ] = 3
    stage_time_limit_s: Annotated[
        int, Field(gt=0, description="A stage that runs longer is killed and tried again.")
    ] = 1800

    @model_validator(mode="after")
    def _lease_ends_before_redelivery(self) -> Self:
        # A redelivered message that meets a dead worker's lease would be dropped as a duplicate.
        if self.lease_ttl_s >= self.visibility_timeout_s:
            raise ValueError(
                f"UNMASK_LEASE_TTL_S ({self.lease_ttl_s}) must be below "
                f"UNMASK_VISIBILITY_TIMEOUT_S ({self.visibility_timeout_s})"
            )
        return self
