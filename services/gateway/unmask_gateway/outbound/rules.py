"""Which URLs of callers this installation connects to."""

import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings

from unmask_gateway.outbound.addresses import IpAddress, is_public
from unmask_shared.errors import SourceUrlRefused

MAX_URL_LENGTH: Final = 2048

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# What is a URL for one program and something else for another.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x20\x7f\\]")
# A name, or an address of IPv6.
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f.]*:[0-9a-f:.]*", re.ASCII)
_KEPT: Final = "/%:@!$&'()*+,;=~-._?"


class UrlRules(BaseSettings):
    """What callers' URLs may point to; subclasses name the variables that it is read from."""

    allowed_hosts: Annotated[
        str,
        Field(
            description="Host names with commas between them; `*.example.com` allows what is "
            "below it. Empty allows all."
        ),
    ] = ""
    allowed_ports: Annotated[
        str, Field(pattern=r"^\s*\d+(\s*,\s*\d+)*\s*$", description="TCP ports with commas.")
    ] = "80,443"
    allow_private: Annotated[
        bool,
        Field(
            description="Also connect to this machine and its networks: only where every caller "
            "may use whatever answers there."
        ),
    ] = False

    def may_connect(self, address: IpAddress) -> bool:
        """Whether an address that a host name stands for is allowed."""
        return self.allow_private or is_public(address)

    def check(self, url: str) -> "Target":
        """Take a URL apart.

        Raises:
            SourceUrlRefused: It is none, or not allowed, whatever its host stands for.
        """
        if len(url) > MAX_URL_LENGTH or _AMBIGUOUS.search(url):
            raise SourceUrlRefused(
                f"A URL has at most {MAX_URL_LENGTH} characters, and no spaces, backslashes or "
                "control characters."
            )
        try:
            parts = urlsplit(url)
            host, port = _host(parts), parts.port
        except (ValueError, UnicodeError) as error:
            raise SourceUrlRefused(f"{url!r} is not a URL: {error}.") from error
        if parts.scheme not in _DEFAULT_PORTS:
            raise SourceUrlRefused(f"The scheme of {url!r} is neither http nor https.")
        if "@" in parts.netloc:
            raise SourceUrlRefused("The URL holds a user name or a password.")
        if not _HOST.fullmatch(host):
            raise SourceUrlRefused(f"{url!r} names no host.")
        target = Target(
            scheme=parts.scheme,
            host=host,
            port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
            path=quote(parts.path or "/", safe=_KEPT)
            + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""),
        )
        if not self._allows_host(host):
            raise SourceUrlRefused(f"The host {host!r} is not among those that are allowed.")
        if target.port not in {int(number) for number in self.allowed_ports.split(",")}:
            raise SourceUrlRefused(f"The port {target.port} is not among {self.allowed_ports}.")
        return target

    def _allows_host(self, host: str) -> bool:
        allowed = [name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip()]
        return not allowed or any(
            host.endswith(name[1:]) if name.startswith("*.") else host == name for name in allowed
        )


@dataclass(frozen=True, kw_only=True)
class Target:
    """A URL taken apart, so that nobody takes it apart differently later.

    Attributes:
        scheme: `http` or `https`.
        host: Lower-case ASCII, without brackets around an IPv6 address.
        port: TCP port.
        path: Path and query, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """What the server is asked for by name."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def _host(parts: SplitResult) -> str:
    """The host as DNS and TLS spell it."""
    host = (parts.hostname or "").rstrip(".")
    return host.encode("idna").decode("ascii") if not host.isascii() else host
