"""Settings of what leaves the gateway, read from the environment."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from unmask_gateway.outbound.rules import UrlRules


class SourceUrlSettings(UrlRules):
    """Which files are fetched for callers; the size is that of uploads."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_SOURCE_URL_")

    timeout_s: Annotated[
        float, Field(gt=0, description="A file that takes longer is not fetched.")
    ] = 600.0
    idle_timeout_s: Annotated[
        float, Field(gt=0, description="A server that sends nothing for so long has failed.")
    ] = 20.0
