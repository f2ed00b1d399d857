"""Which URLs an http-01 validation asks for, and where a redirect may lead. No I/O; for this package alone.

A URL is kept as its checked parts, and is shown as scheme, host and port only: a path that a stranger's
server chose stays out of every text.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from stages.challenges.names import bracketed, canonical_host

PORTS: Final = {"http": 80, "https": 443}
"""The two schemes and their ports; a configured port is allowed beside them."""

MOST_LOCATION: Final = 2048


class BadRedirect(ValueError):  # noqa: N818  an answer about what came
    """A Location that is not followed; its text says why, without any of its bytes."""


class Url(msgspec.Struct, frozen=True):
    """One address of a resource: `path` holds the query too, and both are printable ASCII without spaces."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port: the value of the Host header (RFC 9110 7.2)."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{bracketed(self.host)}{port}"

    @property
    def origin(self) -> str:
        """What is shown of it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def request(self) -> bytes:
        """The whole GET request."""
        lines = (
            f"GET {self.path} HTTP/1.1",
            f"Host: {self.authority}",
            "User-Agent: ca-supervisor",
            "Accept: */*",
            "Connection: close",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def first_url(host: str, port: int, token: str) -> Url:
    """Return where RFC 8555 8.3 puts the key authorization of a token."""
    return Url("http", host, port, f"/.well-known/acme-challenge/{token}")


def redirected(base: Url, locations: list[bytes], ports: Collection[int]) -> Url:
    """Return where a redirect leads.

    Args:
        base: the URL that was asked.
        locations: the values of its response's Location headers.
        ports: the ports that are allowed beside 80 and 443.

    Raises:
        BadRedirect: there is not exactly one Location; it is longer than 2 KiB or not printable ASCII; it has
            user information, a fragment, another scheme, another port, or no host that is a DNS name or an
            address.
    """
    if len(locations) != 1:
        raise BadRedirect(f"it has {len(locations)} Location headers")
    raw = locations[0].strip(b" \t")
    if len(raw) > MOST_LOCATION:
        raise BadRedirect(f"its Location is longer than {MOST_LOCATION} bytes")
    if not raw or any(byte <= 0x20 or byte >= 0x7F for byte in raw):  # noqa: PLR2004  space and DEL
        raise BadRedirect("its Location is empty or not printable ASCII")
    try:
        parts = urlsplit(urljoin(f"{base.origin}{base.path}", raw.decode("ascii")))
        port = parts.port
    except ValueError as error:
        raise BadRedirect("its Location is no URL") from error
    return _checked(parts, port, ports)


def _checked(parts: SplitResult, port: int | None, ports: Collection[int]) -> Url:
    if parts.scheme not in PORTS:
        raise BadRedirect("its Location is neither http nor https")
    if "@" in parts.netloc:
        raise BadRedirect("its Location has user information")
    if parts.fragment:
        raise BadRedirect("its Location has a fragment")
    host = canonical_host(f"[{parts.hostname}]" if "[" in parts.netloc else parts.hostname or "")
    if host is None:
        raise BadRedirect("its Location names no host that is a DNS name or an address")
    port = PORTS[parts.scheme] if port is None else port
    if port not in PORTS.values() and port not in ports:
        raise BadRedirect(f"its Location names port {port}, which is not allowed")
    path = parts.path or "/"
    return Url(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path)
