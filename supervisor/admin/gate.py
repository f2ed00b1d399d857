"""Who may ask the admin listener: the token, and the Host that a browser names. Pure; for `supervisor.admin` only."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Callable
from typing import Final

from supervisor.http.message import Request

REALM: Final = "ca-supervisor"
CHALLENGES: Final = (
    ("WWW-Authenticate", f'Bearer realm="{REALM}"'),
    ("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"'),
)
"""What a request without the token is told (RFC 9110 11.6.1, RFC 6750 3, RFC 7617 2)."""


class Gate:
    """What a request must bring.

    Args:
        token: the token in effect; "" where none is asked for.
        browsers: whether a browser can come; none does on a unix socket.
    """

    def __init__(self, token: Callable[[], str], *, browsers: bool) -> None:
        self._token = token
        self._browsers = browsers

    def lets_in(self, request: Request) -> bool:
        """Whether the request has the token, where one is asked for: as Bearer, or as the password of Basic."""
        token = self._token()
        if not token:
            return True
        shown = _shown(request.headers.get("authorization", ""))
        return shown is not None and hmac.compare_digest(shown, token.encode())

    def knows_host(self, request: Request) -> bool:
        """Whether Host is one that a listener without a token can have: an IP address or "localhost".

        A web page of elsewhere whose name is made to point here (DNS rebinding) would be read by the browser as its
        own; it names itself in Host. With a token there is nothing to read for it.
        """
        if not self._browsers or self._token():
            return True
        host = _host(request.headers.get("host", ""))
        return host == "localhost" or _is_address(host)


def _shown(authorization: str) -> bytes | None:
    """The token that a request shows; None for none."""
    scheme, _, rest = authorization.partition(" ")
    rest = rest.strip(" ")
    if scheme.lower() == "bearer":
        return rest.encode("latin-1")
    if scheme.lower() == "basic":
        try:
            _, colon, password = base64.b64decode(rest, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        return password if colon else None
    return None


def _host(field: str) -> str:
    """The host of a Host field in lower case, without port and brackets (RFC 9110 7.2)."""
    if field.startswith("["):
        inner, _, rest = field[1:].partition("]")
        return inner.lower() if not rest or rest.startswith(":") else ""
    return field.partition(":")[0].lower().removesuffix(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
