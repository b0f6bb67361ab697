"""Tells addresses of the public internet from those of this machine and its networks."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

IpAddress = IPv4Address | IPv6Address

# Relays of 6to4 (RFC 7526), which Python takes for public.
_NO_PUBLIC_IPV4: Final = (IPv4Network("192.88.99.0/24"),)
# All that is given out for the public internet lies here (IANA IPv6 Address Space).
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# Tunnels (RFC 3056, RFC 4380): a relay would take the packet to the IPv4 address inside.
_TUNNELS: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
# RFC 6052: the network's own translator takes the packet to the IPv4 address in the last 32 bits.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: IpAddress) -> bool:
    """Whether a packet to this address leaves for the public internet."""
    if isinstance(address, IPv6Address):
        inner = _ipv4_inside(address)
        if inner is not None:
            return is_public(inner)
        return (
            address in _GLOBAL_UNICAST
            and address.is_global
            and not any(address in tunnel for tunnel in _TUNNELS)
        )
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NO_PUBLIC_IPV4)
    )


def _ipv4_inside(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
