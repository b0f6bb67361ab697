"""Settings of the gateway, read from the environment: `UNMASK_` and the name in capitals."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class GatewaySettings(BaseSettings):
    """Where the gateway listens, and which uploads it takes."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="0 takes any free port.")] = 8000
    max_upload_bytes: Annotated[
        int, Field(gt=0, description="Largest video that is accepted, in bytes.")
    ] = 2 * 1024**3
    max_parallel_uploads: Annotated[
        int, Field(gt=0, description="Uploads at the same time; each may hold 50 MB of memory.")
    ] = 16
    max_parallel_uploads_per_key: Annotated[
        int, Field(gt=0, description="Of them, with one key: it must not take all from others.")
    ] = 8
    upload_idle_timeout_s: Annotated[
        float, Field(gt=0, description="A client that sends nothing for so long is cut off.")
    ] = 30.0
    upload_min_bytes_per_s: Annotated[
        int, Field(gt=0, description="A client that is slower than this on average is cut off.")
    ] = 4096
    idempotency_ttl_h: Annotated[
        float, Field(gt=0, description="An Idempotency-Key is remembered for at least so long.")
    ] = 24.0
    max_event_streams: Annotated[
        int, Field(gt=0, description="Clients that follow videos by events at the same time.")
    ] = 500
    retention_days: Annotated[
        float,
        Field(ge=0, le=36500, description="Videos are erased whole when so old; 0 keeps them."),
    ] = 0.0
    direct_upload_ttl_h: Annotated[
        float, Field(gt=0, le=160, description="A direct upload that is not used by then is lost.")
    ] = 24.0
    direct_upload_part_bytes: Annotated[
        int, Field(ge=5 * 1024**2, description="Size of the parts of a direct upload.")
    ] = 64 * 1024**2
    store_timeout_s: Annotated[
        float, Field(gt=0, description="An object store that takes no byte for so long is down.")
    ] = 120.0
    remains_patience_s: Annotated[
        float,
        Field(
            ge=1,
            description="What is stored of a video without a record for so long is erased.",
        ),
    ] = 600.0
    abandoned_after_s: Annotated[
        float,
        Field(
            ge=1,
            description="A write to the store to which nothing was added for so long is erased: "
            "whoever wrote was killed. Longer than the slowest client needs for 8 MiB.",
        ),
    ] = 3600.0
    max_connections: Annotated[
        int, Field(gt=0, description="Connections of clients at the same time.")
    ] = 1000
    request_head_timeout_s: Annotated[
        float, Field(gt=0, description="A connection on which no whole head comes is closed.")
    ] = 10.0
    request_body_timeout_s: Annotated[
        float, Field(gt=0, description="Bodies other than files have to arrive within this.")
    ] = 30.0
    response_idle_timeout_s: Annotated[
        float, Field(gt=0, description="A client that reads nothing for so long is cut off.")
    ] = 120.0
    keep_alive_s: Annotated[
        int, Field(gt=0, description="An idle connection is closed after this.")
    ] = 20
    shutdown_grace_s: Annotated[
        int, Field(ge=0, description="Time that running requests have to end at shutdown.")
    ] = 8
