"""Connects to no other address than the one that was checked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any, Final

import httpcore

from unmask_gateway.outbound.addresses import IpAddress
from unmask_gateway.threads import run_in_thread
from unmask_shared.errors import SourceUrlRefused

Resolve = Callable[[str, int], Awaitable[list[IpAddress]]]

# Of a host with many addresses.
_MOST_TRIED: Final = 4


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once and connects to an address of that answer, after all were checked.

    A name that stands for a public address when it is checked and for a private one when it is
    connected to (DNS rebinding) gains nothing: there is no second look. TLS still asks for the
    name, since `httpcore` does that on the connection that it gets from here.
    """

    def __init__(self, resolve: Resolve, may_connect: Callable[[IpAddress], bool]) -> None:
        """Prepare to connect.

        Args:
            resolve: Finds the addresses of a host; raises `OSError` if it has none.
            may_connect: Whether an address is allowed.
        """
        self._resolve = resolve
        self._may_connect = may_connect
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host, trying its addresses one after the other.

        Raises:
            SourceUrlRefused: One of its addresses is not allowed.
            httpcore.NetworkError: It has none, or none answers.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from error
        # All of them: an answer that mixes public and private addresses is an attempt.
        if not all(map(self._may_connect, addresses)):
            raise SourceUrlRefused(f"{host!r} is not a public address.")
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses[:_MOST_TRIED]:
            try:
                return await self._tcp.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


async def resolve_by_system(host: str, port: int) -> list[IpAddress]:
    """Ask the system's resolver, which reads numbers of any notation as it connects to them."""
    found = await run_in_thread(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), name="resolve"
    )
    return list(dict.fromkeys(ip_address(str(address[0])) for *_, address in found))
