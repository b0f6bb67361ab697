"""Tells clients when to ask again."""

from typing import Any, Final

from fastapi import Response

_POLL_AFTER_S: Final = 1

RETRY_AFTER: Final[dict[str, Any]] = {
    "Retry-After": {
        "description": "Seconds to wait before asking again; absent once nothing will change.",
        "schema": {"type": "integer"},
    }
}
"""What the API's description says of the header."""


def polling_headers(*, again: bool) -> dict[str, str]:
    """What keeps caches from answering, and says when to ask again if anything may change."""
    return {"Cache-Control": "no-store"} | ({"Retry-After": str(_POLL_AFTER_S)} if again else {})


def tell_pollers(response: Response, *, again: bool) -> None:
    """Add these headers to a response."""
    response.headers.update(polling_headers(again=again))
