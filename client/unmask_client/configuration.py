"""Where the server is, and with which key: from arguments, then from the environment."""

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import httpx

from unmask_client.errors import InvalidArgument

DEFAULT_URL: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A gateway, and how to speak to it.

    Attributes:
        url: Its base URL.
        headers: What every request carries.
        timeout: For connecting, and between two signs of life.
    """

    url: str
    headers: dict[str, str]
    timeout: httpx.Timeout


def choose_server(url: str | None, *, api_key: str | None, timeout_s: float) -> Server:
    """The server that the arguments name, or else `UNMASK_URL` and `UNMASK_API_KEY`.

    Raises:
        InvalidArgument: The URL is not one of HTTP, or the key is no header's value.
    """
    url = url or os.environ.get("UNMASK_URL") or DEFAULT_URL
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidArgument(f"{url!r} is not a URL: {error}.") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise InvalidArgument(f"The server's URL {url!r} does not begin with http:// or https://.")
    headers = {
        "Accept": "application/json",
        "User-Agent": f"unmask-client/{version('unmask-client')}",
    }
    key = api_key or os.environ.get("UNMASK_API_KEY")
    if key:
        if not (key.isascii() and key.isprintable()):
            raise InvalidArgument("The API key has characters that no key has.")
        headers["Authorization"] = f"Bearer {key.strip()}"
    return Server(url=url, headers=headers, timeout=httpx.Timeout(timeout_s))
