"""Keeps web sites away from an installation that asks for no key: browsers run their scripts here.

A page of another site can send forms to this machine, and, with a name of its own that begins to
stand for 127.0.0.1 (DNS rebinding), even read the answers. Browsers tell both by their headers.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from unmask_gateway.problems import problem_response
from unmask_shared.errors import UnmaskError

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class HostNotServed(UnmaskError):
    """The request is for a name that is not this machine's."""

    code = "host_not_served"
    http_status = 421
    title = "This machine goes by another name"
    action = (
        "Use an address such as http://127.0.0.1 or http://localhost; to be reached by other "
        "names, set UNMASK_ACCESS=keys."
    )


class CrossSiteRequest(UnmaskError):
    """A page of another site sends the request."""

    code = "cross_site_request"
    http_status = 403
    title = "Pages of other sites may send nothing here"
    action = "Use the page of this installation; to allow other sites, set UNMASK_ACCESS=keys."


class ThisMachineOnly:
    """Answers what people and programs of this machine ask, not what web sites do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse requests under foreign names, and changes that other sites ask for."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refusal: UnmaskError | None = None
            if not _is_here(headers.get("host")):
                refusal = HostNotServed("The Host header names no address of this machine.")
            elif scope["method"] not in _READING and _is_cross_site(headers):
                refusal = CrossSiteRequest("The request comes from a page of another site.")
            if refusal is not None:
                await problem_response(Request(scope), refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_here(host: str | None) -> bool:
    """Whether this is no name that somebody else's DNS could have given us."""
    if not host:  # browsers always send it
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_cross_site(headers: Headers) -> bool:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin is not None and _netloc(origin) != headers.get("host")


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
