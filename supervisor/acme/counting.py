"""Whom a limit for client addresses counts. Pure; the handlers that have such a limit import it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

IPV6_PREFIX: Final = 64
"""An IPv6 client has a whole network of addresses (RFC 6177), which counts as one."""

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def counted(peer: str, forwarded: str = "", trusted: Iterable[str] = ()) -> str:
    """Who is counted: an IPv4 address, the /64 of an IPv6 address, or "unknown".

    `peer` is the address of the connection's other end, `forwarded` the X-Forwarded-For fields of its request, and
    `trusted` the networks of the proxies that write them. Only what a trusted proxy has seen itself is believed: from
    the end of the list, where the nearest proxy writes, back to the first address that is none of theirs. A list that
    cannot be read so far, and one that names nobody else, is of no use: then the peer counts.
    """
    address = _parse(peer.partition("%")[0])
    if address is None:
        return "unknown"
    networks = [ipaddress.ip_network(network) for network in trusted]
    if not _is_in(address, networks):
        return _as_one(address)
    for text in reversed(forwarded.split(",")):
        found = _parse(text.strip())
        if found is None:
            break
        if not _is_in(found, networks):
            return _as_one(found)
    return _as_one(address)


def _parse(text: str) -> _Address | None:
    """An address; one of IPv4 that is written as one of IPv6 (RFC 4291 2.5.5.2) is one of IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def _is_in(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks)


def _as_one(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
