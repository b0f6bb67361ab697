"""What is stored about the webhook of a video."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class DeliveryStatus(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Attempt(BaseModel):
    """One attempt to deliver a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    status_code: Annotated[
        int | None, Field(description="What the receiver answered; null if it did not.")
    ]
    error: Annotated[str | None, Field(description="Why this was no success; null if it was.")]


class Delivery(BaseModel):
    """`webhook.json`: the message about the end of a video, and the attempts to deliver it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: Annotated[str, Field(description="The `webhook-id` header of every attempt.")]
    event: Annotated[str, Field(examples=["video.completed"])]
    url: str
    created_at: datetime
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempts: tuple[Attempt, ...] = ()
    next_attempt_at: Annotated[
        datetime | None, Field(description="Null once there will be no more.")
    ]
