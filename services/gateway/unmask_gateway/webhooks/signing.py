"""Signs messages, after https://github.com/standard-webhooks/standard-webhooks (version 1)."""

import base64
import hashlib
import hmac
from datetime import datetime


def signed_headers(key: bytes, *, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that let a receiver check who sent a message, and when.

    Args:
        key: What sender and receiver share.
        message_id: The same for each attempt at a message.
        body: The message.
        now: When it is sent.
    """
    timestamp = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"v1,{signature}",
    }
