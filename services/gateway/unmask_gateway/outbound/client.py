"""HTTP requests to URLs that callers chose."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import httpcore

from unmask_gateway.outbound.network import CheckedNetwork, Resolve, resolve_by_system
from unmask_gateway.outbound.rules import UrlRules


class RequestFailed(Exception):
    """There is no answer, or only a part of one; the text says why."""


class OutboundClient:
    """Sends requests where the rules allow it: past proxies, and with nothing that it remembers."""

    def __init__(
        self,
        rules: UrlRules,
        *,
        idle_timeout_s: float,
        resolve: Resolve = resolve_by_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare to send.

        Args:
            rules: Which URLs are allowed.
            idle_timeout_s: A server that does nothing for so long has failed.
            resolve: Finds the addresses of a host.
            tls: Whose certificates are trusted; those that the system trusts by default.
        """
        self.rules = rules
        self._idle_timeout_s = idle_timeout_s
        self._network = CheckedNetwork(resolve, rules.may_connect)
        self._tls = tls or ssl.create_default_context()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> AsyncIterator[httpcore.Response]:
        """Send a request and hand out its answer, of which only the head has come.

        Redirects are not followed.

        Raises:
            SourceUrlRefused: The URL, or an address of its host, is not allowed.
            RequestFailed: No answer came.
        """
        target = self.rules.check(url)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._idle_timeout_s)
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._tls, max_keepalive_connections=0, network_backend=self._network
        ) as pool:
            request = pool.stream(
                method,
                httpcore.URL(
                    scheme=target.scheme, host=target.host, port=target.port, target=target.path
                ),
                headers=[("Host", target.host_header), *(headers or {}).items()],
                content=content,
                extensions={"timeout": limits},
            )
            with translated():
                response = await request.__aenter__()
            try:
                yield response
            finally:
                await request.__aexit__(None, None, None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what goes wrong on the network into `RequestFailed`.

    Raises:
        RequestFailed: Something did.
    """
    try:
        yield
    except httpcore.TimeoutException as error:
        raise RequestFailed("the server does not answer in time") from error
    except httpcore.NetworkError as error:
        raise RequestFailed(f"the connection failed ({error or type(error).__name__})") from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise RequestFailed("the server does not speak HTTP as it should") from error
