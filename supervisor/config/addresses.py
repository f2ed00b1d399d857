"""How the addresses of listeners and the front door's URLs are written in config.toml. Pure.

`Address`, `addresses`, `tcp_addresses`, `socket_path` and `host_of` are for whoever listens or looks at listeners; the
rest is for `supervisor.config`.

Text goes in, its canonical form comes out; a wrong one raises `ValueError` with one sentence.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, StrictStr

from stages.errors import Refused
from stages.names import parse_name

_PORT_MAX: Final = 65_535
_UNIX: Final = "unix:"
_PATH_MAX: Final = 107
"""Bytes of sun_path, less its NUL (unix(7))."""
_LISTEN: Final = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})|(localhost)):([0-9]{1,5})")


class Address(NamedTuple):
    """Where a listener waits: an IP address or "localhost" without brackets, and a port."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def any(self) -> bool:
        """Whether it stands for every address of this machine (of its IP version)."""
        return self.host in {"0.0.0.0", "::"}  # noqa: S104  the text is compared, nothing is bound

    def overlaps(self, other: Address) -> bool:
        """Whether the two cannot both be listened on."""
        if self.port != other.port:
            return False
        if "localhost" in (self.host, other.host):
            return self.any or other.any or (self.loopback and other.loopback)
        same_version = (":" in self.host) == (":" in other.host)
        return self.host == other.host or (same_version and (self.any or other.any))


def addresses(text: str) -> tuple[Address, ...]:
    """The addresses in the text of a listen setting, in its order; none for the empty text."""
    found = []
    for each in text.split(",") if text else ():
        match = _LISTEN.fullmatch(each.strip())
        if match is None or not 0 < int(match[4]) <= _PORT_MAX:
            raise ValueError(_WANTED_LISTEN)
        host = match[3]
        if not host:
            try:
                host = str(ipaddress.ip_address(match[1] or match[2]))
            except ValueError:
                raise ValueError(_WANTED_LISTEN) from None
        found.append(Address(host, int(match[4])))
    return tuple(found)


_WANTED_LISTEN: Final = 'must be empty or addresses and ports such as "0.0.0.0:443,[::]:443", separated by commas'


def check_listens(text: str) -> str:
    """Empty, or any addresses and ports, with commas between them."""
    found = addresses(text)
    for place, address in enumerate(found):
        if any(address.overlaps(other) for other in found[:place]):
            raise ValueError("names the same address and port twice")
    return ",".join(
        f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
        for address in found
    )


def socket_path(text: str) -> Path | None:
    """The path in a listen setting such as "unix:/run/ca-supervisor/admin.sock"; None for addresses and ports."""
    return Path(text.removeprefix(_UNIX)) if text.startswith(_UNIX) else None


def tcp_addresses(text: str) -> tuple[Address, ...]:
    """As `addresses`, and none for a unix socket."""
    return () if text.startswith(_UNIX) else addresses(text)


def check_listen(text: str) -> str:
    """Empty, one address and port, or a unix socket's absolute path."""
    wanted = 'must be empty, an address and port such as "127.0.0.1:8470", or "unix:" and an absolute path'
    path = socket_path(text)
    if path is not None:
        if not path.is_absolute() or "\0" in text:
            raise ValueError(wanted)
        if len(os.fsencode(path)) > _PATH_MAX:
            raise ValueError(f"has a path of more than {_PATH_MAX} bytes, which a unix socket cannot have")
        return text
    try:
        found = addresses(text)
    except ValueError:
        raise ValueError(wanted) from None
    if len(found) > 1:
        raise ValueError(wanted)
    return text


def check_https_base(text: str) -> str:
    """Empty, or an https:// URL of a host and nothing more (RFC 8555 6.1)."""
    return _base(text, "https", 443)


def check_http_base(text: str) -> str:
    """Empty, or an http:// URL of a host and nothing more: who checks a certificate must not need another for it."""
    return _base(text, "http", 80)


def _base(text: str, scheme: str, standard_port: int) -> str:
    """The URL in lower case, without the standard port and without a slash at its end."""
    if not text:
        return text
    example = f"{scheme}://ca.example.org"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f'must be a URL such as "{example}"') from None
    if parts.scheme != scheme or not parts.hostname or port == 0 or re.fullmatch(r"[!-~]+", text) is None:
        raise ValueError(f'must be a URL such as "{example}"')
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise ValueError(f'must have no path or query after the host, as in "{example}"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("must have no user name or password")
    host = check_host(parts.hostname)
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{bracketed}" + (f":{port}" if port not in {None, standard_port} else "")


def check_host(text: str) -> str:
    """A DNS name or an IP address that a certificate can have, in canonical form."""
    try:
        name = parse_name(text, "host")
    except Refused:
        name = None
    if name is None or name.wildcard:
        raise ValueError('must be a DNS name or an IP address, such as "ca.example.org" or "192.0.2.1"')
    return name.value


def host_of(url: str) -> str:
    """The host of a URL that the checks above have passed, an IPv6 address without brackets; "" for none."""
    return urlsplit(url).hostname or ""


Listen = Annotated[StrictStr, AfterValidator(check_listen)]
Listens = Annotated[StrictStr, AfterValidator(check_listens)]
HttpsBase = Annotated[StrictStr, AfterValidator(check_https_base)]
HttpBase = Annotated[StrictStr, AfterValidator(check_http_base)]
Host = Annotated[StrictStr, AfterValidator(check_host)]
