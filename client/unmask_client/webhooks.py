"""Tells a webhook of this installation from one of anybody else (Standard Webhooks)."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from unmask_client.errors import InvalidArgument, InvalidWebhook
from unmask_client.models import Video


class WebhookEvent(BaseModel):
    """What a webhook tells; deliveries are repeated, so `webhook-id` may come twice.

    Attributes:
        type: Such as `video.completed`.
        timestamp: When it happened.
        data: The video as it ended.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    timestamp: datetime
    data: Video


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str) -> WebhookEvent:
    """Check who sent a webhook and when, and read it.

    Args:
        headers: Those of the request; case does not matter.
        body: Its body, byte for byte as it came.
        secret: The `whsec_...` that the server signs with.

    Raises:
        InvalidWebhook: The signature is not of this secret, is older than 5 minutes, or missing.
        InvalidArgument: The secret is none.
    """
    try:
        verifier = Webhook(secret)
    except (EmptyWebhookSecretError, ValueError) as error:
        raise InvalidArgument("The webhook secret is not `whsec_` and Base64.") from error
    try:
        verifier.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        raise InvalidWebhook(f"{error}.") from error
    try:
        return WebhookEvent.model_validate_json(body)
    except ValidationError as error:
        raise InvalidWebhook("The body is signed, but not an event about a video.") from error
