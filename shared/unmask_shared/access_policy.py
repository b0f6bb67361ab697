"""Whether callers need a key, and on which addresses they may go without one."""

import ipaddress
import logging
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from unmask_shared.errors import UnmaskError

log = logging.getLogger(__name__)


class OpenAccessRefused(UnmaskError):
    """The gateway would answer other machines without asking them for a key."""

    code = "open_access_refused"
    title = "Anybody who reaches this address could use this installation"
    action = (
        "Set UNMASK_ACCESS=keys and make a key with `python -m unmask_gateway keys create`, or set "
        "UNMASK_ALLOW_OPEN_ACCESS=true if something in front of it keeps strangers out."
    )


class AccessPolicy(BaseSettings):
    """Who may use the API."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    access: Annotated[
        Literal["open", "keys"],
        Field(description="`keys` asks every caller for one; `open` is for this machine alone."),
    ] = "open"
    allow_open_access: Annotated[
        bool, Field(description="Lets `open` listen on addresses that other machines reach.")
    ] = False
    open_metrics: Annotated[
        bool, Field(description="Lets anybody read /metrics, also where keys are asked for.")
    ] = False

    def check_address(self, host: str) -> None:
        """Return if the gateway may listen on this address.

        Args:
            host: An IP address or a name, as given to the server.

        Raises:
            OpenAccessRefused: Other machines could use it without a key.
        """
        if self.access == "keys" or is_loopback(host):
            return
        if not self.allow_open_access:
            raise OpenAccessRefused(f"{host} is no loopback address, and UNMASK_ACCESS is `open`.")
        log.warning("anybody who reaches %s can use this installation: no key is asked for", host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there; False for names but `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
