"""Only what was signed with the secret, and just now, is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from unmask_client import InvalidArgument, InvalidWebhook, Verdict, verify_webhook
from unmask_gateway.schemas import COMPLETED_EXAMPLE

SECRET = "whsec_" + "c2VjcmV0" * 4
BODY = json.dumps(
    {"type": "video.completed", "timestamp": "2026-05-04T09:30:00Z", "data": COMPLETED_EXAMPLE}
)


def signed(body: str = BODY, *, secret: str = SECRET, age_s: float = 0.0) -> dict[str, str]:
    then = datetime.now(UTC) - timedelta(seconds=age_s)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(then.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", then, body),
    }


def test_a_signed_webhook_is_read() -> None:
    event = verify_webhook(signed(), BODY.encode(), SECRET)
    assert event.type == "video.completed"
    assert event.data.result is not None
    assert event.data.result.verdict is Verdict.FAKE


@pytest.mark.parametrize(
    "make_headers",
    [
        dict,
        lambda: signed(BODY + " "),
        lambda: signed(secret="whsec_" + "b3RoZXIh" * 4),
        lambda: signed(age_s=600),
        lambda: signed(age_s=-600),
        lambda: signed() | {"Webhook-Signature": "nonsense"},
        lambda: signed() | {"Webhook-Signature": "v1,*"},
        lambda: signed() | {"Webhook-Timestamp": "yesterday"},
    ],
    ids=["none", "body", "secret", "old", "early", "no-scheme", "no-signature", "no-time"],
)
def test_what_was_not_signed_like_that_is_refused(
    make_headers: Callable[[], dict[str, str]],
) -> None:
    # Signed now: minutes may pass between collecting and running a test.
    with pytest.raises(InvalidWebhook):
        verify_webhook(make_headers(), BODY.encode(), SECRET)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{}"])
def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidWebhook):
        verify_webhook(signed(body.decode("latin-1")), body, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_a"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(InvalidArgument):
        verify_webhook(signed(), BODY.encode(), secret)
