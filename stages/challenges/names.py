"""Which text is a host: a DNS name or an IP address, in one canonical form. For this package alone."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_MOST_NAME: Final = 253
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


def canonical_host(text: str) -> str | None:
    """Return `text` as a lower-case DNS name without a last dot or as an IP address, None when neither.

    IPv6 comes with or without brackets and goes without. What other programs would read as an address, such
    as "127.1", "2130706433" or "0x7f.1", is neither: its last label is a number. Zones ("fe80::1%eth0") are
    refused.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if is_address(bare):
        address = ipaddress.ip_address(bare)
        return None if bare != text and address.version != 6 else str(address)  # noqa: PLR2004  IPv6
    name = text.lower().removesuffix(".")
    if len(name) > _MOST_NAME or not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        return None
    return name


def is_address(host: str) -> bool:
    """Whether `host` is an IP address without a zone."""
    if "%" in host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def bracketed(host: str) -> str:
    """Return `host` as it stands in a URL or a Host header (RFC 3986 3.2.2): IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def endpoint(host: str, port: int) -> str:
    """Return "host:port", IPv6 in brackets."""
    return f"{bracketed(host)}:{port}"
