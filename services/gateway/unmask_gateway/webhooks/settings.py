"""Settings of webhooks, read from the environment: `UNMASK_WEBHOOK_` and the name in capitals."""

import base64
import binascii
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from unmask_gateway.outbound.rules import UrlRules


class WebhookSettings(UrlRules):
    """Whom outcomes are sent to, and how."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_WEBHOOK_")

    secret: Annotated[
        SecretStr | None,
        Field(
            description="`whsec_` and 24 to 64 random bytes in Base64, with which messages are "
            "signed; without it there are no webhooks."
        ),
    ] = None
    timeout_s: Annotated[
        float, Field(gt=0, le=60, description="A receiver that takes longer has failed.")
    ] = 15.0

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is None or not secret.get_secret_value():
            return None
        if not 24 <= len(key_of(secret)) <= 64:
            raise ValueError("UNMASK_WEBHOOK_SECRET has not 24 to 64 bytes behind `whsec_`")
        return secret


def key_of(secret: SecretStr) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        ValueError: It does not have the form that Standard Webhooks gives to secrets.
    """
    prefix, _, encoded = secret.get_secret_value().partition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("UNMASK_WEBHOOK_SECRET is not in Base64 behind `whsec_`") from error
    if prefix != "whsec":
        raise ValueError("UNMASK_WEBHOOK_SECRET does not begin with `whsec_`")
    return key
