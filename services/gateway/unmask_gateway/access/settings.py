"""Settings of keys and limits, read from the environment: `UNMASK_` and the name in capitals."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from unmask_shared.access_policy import AccessPolicy


class KeySettings(BaseSettings):
    """The key that is stored nowhere; `AccessPolicy` says whether keys are asked for at all."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_", env_ignore_empty=True)

    admin_key: Annotated[
        SecretStr | None,
        Field(
            min_length=32,
            description="A key that may do everything, for whoever makes the others; any 32 "
            "characters or more that nobody guesses.",
        ),
    ] = None


class LimitSettings(BaseSettings):
    """What one key may use, and all together; 0 is any amount.

    Keys with the scope `admin` are only limited by what concerns all.
    """

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    requests_per_minute: Annotated[int, Field(ge=0, description="Of any kind.")] = 1200
    uploads_per_minute: Annotated[
        int, Field(ge=0, description="Requests that bring videos in.")
    ] = 60
    unfinished_videos_per_key: Annotated[
        int, Field(ge=0, description="Videos that wait or are worked on.")
    ] = 100
    open_batches_per_key: Annotated[
        int, Field(ge=0, description="Batches that have items without an outcome.")
    ] = 20
    waiting_videos: Annotated[
        int, Field(ge=0, description="Videos of everybody that no worker has taken yet.")
    ] = 10_000
    stored_bytes_per_key: Annotated[
        int, Field(ge=0, description="Size of all videos that are kept, as they were sent.")
    ] = 0


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """All of it together, read from the environment where nothing else is given.

    Attributes:
        policy: Whether keys are asked for.
        operator: The key of the operator.
        limits: What one key may use.
    """

    policy: AccessPolicy = field(default_factory=AccessPolicy)
    operator: KeySettings = field(default_factory=KeySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
