"""Which addresses may be dialled: a validator is a client that strangers can aim. For this package alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from stages.errors import Refused

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


NEVER: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ipaddress.ip_network(text), why)
    for text, why in (
        ("0.0.0.0/8", "unspecified"),  # RFC 1122 3.2.1.3; Linux takes 0.0.0.0 for the host itself
        ("169.254.0.0/16", "link-local"),  # RFC 3927; cloud metadata lives here
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),  # RFC 1112 4, RFC 919 7
        ("100.100.100.200/32", "a cloud's metadata service"),
        ("192.0.0.192/32", "a cloud's metadata service"),
        ("::/128", "unspecified"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local, which RFC 3879 withdrew"),
        ("ff00::/8", "multicast"),
        ("100::/64", "the discard prefix"),  # RFC 6666
        ("fd00:ec2::/32", "a cloud's metadata service"),
        ("fd20:ce::254/128", "a cloud's metadata service"),
    )
)
"""Refused whatever the configuration says."""

KEYWORDS: Final[dict[str, tuple[Network, ...]]] = {
    "loopback": _networks("127.0.0.0/8", "::1/128"),
    "private": _networks(
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"
    ),  # RFC 1918, RFC 6598, RFC 4193
}
"""The names that stand for networks; "public" is all that is in none of these, `SPECIAL` and `NEVER`."""

SPECIAL: Final = _networks(
    "192.0.0.0/24",  # RFC 6890 2.2.2
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",  # RFC 5737, documentation
    "198.18.0.0/15",  # RFC 2544, benchmarks
    "::/96",  # RFC 4291 2.5.5.1, IPv4-compatible, withdrawn
    "64:ff9b:1::/48",  # RFC 8215, local translation
    "2001:2::/48",  # RFC 5180, benchmarks
    "2001:10::/28",
    "2001:20::/28",  # RFC 4843, RFC 7343, hashes that look like addresses
    "2001:db8::/32",
    "3fff::/20",  # RFC 3849, RFC 9637, documentation
    "5f00::/16",  # RFC 9602, segment routing
)
"""Nobody's public addresses: reached only where `allow` names their network."""

EMBEDDING: Final[tuple[tuple[ipaddress.IPv6Network, int], ...]] = (
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, RFC 4291 2.5.5.1
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated, RFC 7915
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052 2.1
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 of a local operator who uses /96 prefixes
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056 2
    (ipaddress.IPv6Network("2001::/32"), 64),  # Teredo's server, RFC 4380 4; its client is handled apart
)
"""IPv6 networks that carry an IPv4 address, and how many bits stand to its right."""


class AddressPolicy:
    """What may be dialled. `deny` beats `allow`; `NEVER` and the CA's own listeners beat both.

    An IPv6 address that carries an IPv4 address must pass for both; an IPv4-mapped one is judged as that IPv4
    address.

    Args:
        allow: networks in CIDR form and the keywords "public", "private", "loopback".
        deny: the same, refused.
        own: address and port of what belongs to the CA itself: its listeners and its store. An unspecified
            address ("0.0.0.0", "::") stands for every address of this host; port 0 for every port.
        is_local: whether an address is one of this host's; asked only where a port of such a wildcard is
            dialled.

    Raises:
        Refused: kind "malformed", where a network or an address cannot be read.
    """

    def __init__(
        self,
        allow: Iterable[str],
        deny: Iterable[str] = (),
        own: Iterable[tuple[str, int]] = (),
        is_local: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        allow, deny = tuple(allow), tuple(deny)
        self._allow = _read_networks("validation.allow", allow)
        self._deny = _read_networks("validation.deny", deny)
        self._allow_public = "public" in allow
        self._deny_public = "public" in deny
        self._is_local = is_local
        self._own: set[tuple[Address, int]] = set()
        self._own_everywhere: set[int] = set()
        for text, port in own:
            address = _read_address(text)
            if address.is_unspecified:
                self._own_everywhere.add(port)
            else:
                self._own.add((address, port))

    def judge(self, address: str, port: int) -> str | None:
        """Return None when the address may be dialled at this port, or else why not: "it is link-local"."""
        try:
            read = ipaddress.ip_address(address)
        except ValueError:
            return "it is no IP address"
        if getattr(read, "scope_id", None):
            return "it names a network interface"
        return self._judge(read, port)

    def _judge(self, address: Address, port: int) -> str | None:
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is not None:
                return self._judge(address.ipv4_mapped, port)
            for inner in _embedded(address):
                if why := self._judge(inner, port):
                    return f"it carries {inner}: {why}"
        return self._never(address) or self._belongs_to_us(address, port) or self._by_configuration(address)

    @staticmethod
    def _never(address: Address) -> str | None:
        for network, why in NEVER:
            if address in network:
                return f"it is {why}"
        return None

    def _belongs_to_us(self, address: Address, port: int) -> str | None:
        named = (address, port) in self._own or (address, 0) in self._own
        everywhere = port in self._own_everywhere or 0 in self._own_everywhere
        if named or (everywhere and (address.is_loopback or self._is_local(str(address)))):
            return "it is a listener of this CA"
        return None

    def _by_configuration(self, address: Address) -> str | None:
        if _within(address, self._deny):
            return "validation.deny names it"
        if _within(address, self._allow):
            return None
        for keyword, networks in KEYWORDS.items():
            if _within(address, networks):
                return f"it is {keyword}, and validation.allow does not name it"
        if _within(address, SPECIAL):
            return "it is set aside by IANA, and validation.allow does not name its network"
        if self._deny_public:
            return "validation.deny names it"
        return None if self._allow_public else "it is public, and validation.allow does not name it"


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses inside an IPv6 address; ::1 and :: are themselves."""
    number = int(address)
    if number <= 1:
        return []
    found = [ipaddress.IPv4Address(number >> shift & 0xFFFFFFFF) for network, shift in EMBEDDING if address in network]
    if address.teredo:
        found.append(address.teredo[1])
    return found


def _read_networks(field: str, texts: Iterable[str]) -> tuple[Network, ...]:
    found: list[Network] = []
    for n, text in enumerate(texts):
        if text in KEYWORDS:
            found.extend(KEYWORDS[text])
        elif text != "public":
            try:
                found.append(ipaddress.ip_network(text))
            except ValueError as error:
                raise Refused(
                    "malformed", f"{field}[{n}]", 'neither a network such as "10.0.0.0/8" nor a keyword'
                ) from error
    return tuple(found)


def _read_address(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise Refused("malformed", "validation.own", "a listener's address is no IP address") from error
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
