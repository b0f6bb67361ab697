"""Settings of keys, read from the environment: `UNMASK_` and the name in capitals."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
