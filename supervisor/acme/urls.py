"""Every ACME URL is made and read here, and nowhere else. Pure; all of `supervisor.acme` may import it.

The base comes from the settings, never from a Host header, so that the URLs which clients keep (account URLs above all)
outlive restarts and proxies. Ids in a path are checked for their form; whether they exist is the handlers' business.
The URLs of the CRL and the CA certificates are made by the settings (`Acme.crl_url`) and read in `publishing`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """What a path stands for; the values are words of the logs."""

    DIRECTORY = "directory"
    NEW_NONCE = "new-nonce"
    NEW_ACCOUNT = "new-account"
    NEW_ORDER = "new-order"
    REVOKE_CERT = "revoke-cert"
    KEY_CHANGE = "key-change"
    ACCOUNT = "account"
    ORDERS = "orders"
    ORDER = "order"
    FINALIZE = "finalize"
    AUTHORIZATION = "authz"
    CHALLENGE = "challenge"
    CERTIFICATE = "certificate"
    RENEWAL_INFO = "renewal-info"


class Place(NamedTuple):
    """A path as it was understood: what it stands for and the ids in it, in order."""

    kind: Kind
    ids: tuple[str, ...] = ()

    @property
    def session(self) -> str:
        """The session that the path names; "" for none."""
        return self.ids[0] if self.kind in _OF_SESSION else ""

    @property
    def serial(self) -> str:
        """The serial number that the path names; "" for none."""
        return self.ids[0] if self.kind is Kind.CERTIFICATE else ""


_OF_SESSION: Final = frozenset({Kind.ORDER, Kind.FINALIZE, Kind.AUTHORIZATION, Kind.CHALLENGE})
_FIXED: Final = {
    f"/acme/{kind.value}": Place(kind)
    for kind in (
        Kind.DIRECTORY,
        Kind.NEW_NONCE,
        Kind.NEW_ACCOUNT,
        Kind.NEW_ORDER,
        Kind.REVOKE_CERT,
        Kind.KEY_CHANGE,
    )
}
_ACCOUNT: Final = "[A-Za-z0-9_-]{22}"
_SESSION: Final = "[0-9a-f]{64}"
_NUMBER: Final = "[1-9][0-9]{0,4}"
_SHAPES: Final = tuple(
    (kind, re.compile(shape).fullmatch)
    for kind, shape in (
        (Kind.CHALLENGE, f"/acme/challenge/({_SESSION})/({_NUMBER})"),
        (Kind.AUTHORIZATION, f"/acme/authz/({_SESSION})/({_NUMBER})"),
        (Kind.FINALIZE, f"/acme/order/({_SESSION})/finalize"),
        (Kind.ORDER, f"/acme/order/({_SESSION})"),
        (Kind.CERTIFICATE, f"/acme/certificate/([0-9a-f]{{1,40}})(?:/({_NUMBER}))?"),
        (Kind.ACCOUNT, f"/acme/account/({_ACCOUNT})"),
        (Kind.ORDERS, f"/acme/account/({_ACCOUNT})/orders"),
        # RFC 9773 4.1; what is inside is the handler's to check, so that it can say what is wrong with it.
        (Kind.RENEWAL_INFO, "/acme/renewal-info/([A-Za-z0-9_.=-]{1,200})"),
    )
)


def find(path: str) -> Place | None:
    """What a path stands for; None where there is nothing."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    for kind, fits in _SHAPES:
        if found := fits(path):
            return Place(kind, tuple(part for part in found.groups() if part is not None))
    return None


class Urls:
    """The URLs below `base` (such as "https://ca.example.com", no slash at its end)."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        acme = f"{self.base}/acme"
        self.directory = f"{acme}/directory"
        self.new_nonce = f"{acme}/new-nonce"
        self.new_account = f"{acme}/new-account"
        self.new_order = f"{acme}/new-order"
        self.revoke_cert = f"{acme}/revoke-cert"
        self.key_change = f"{acme}/key-change"
        self.renewal_info = f"{acme}/renewal-info"
        self._accounts = f"{acme}/account/"
        self._orders = f"{acme}/order/"
        self._authorizations = f"{acme}/authz/"
        self._challenges = f"{acme}/challenge/"
        self._certificates = f"{acme}/certificate/"

    def requested(self, path: str, query: str = "") -> str:
        """The URL that a client asked for, which its JWS has to name (RFC 8555 6.4)."""
        return f"{self.base}{path}?{query}" if query else f"{self.base}{path}"

    def account(self, account: str) -> str:
        """An account's URL, which is also its `kid`."""
        return f"{self._accounts}{account}"

    def account_id(self, kid: str) -> str:
        """The id in an account's URL; "" for a URL that is no account's here."""
        account = kid.removeprefix(self._accounts)
        return account if account != kid and re.fullmatch(_ACCOUNT, account) else ""

    def orders(self, account: str) -> str:
        """The list of an account's orders (RFC 8555 7.1.2.1)."""
        return f"{self._accounts}{account}/orders"

    def order(self, session: str) -> str:
        """An order's URL."""
        return f"{self._orders}{session}"

    def finalize(self, session: str) -> str:
        """Where the CSR of an order goes."""
        return f"{self._orders}{session}/finalize"

    def authz(self, session: str, i: int) -> str:
        """The authorization of the order's name number `i`, counted from 1."""
        return f"{self._authorizations}{session}/{i}"

    def challenge(self, session: str, n: int) -> str:
        """Challenge `n` of the session, counted from 1."""
        return f"{self._challenges}{session}/{n}"

    def certificate(self, serial: str, alternate: int = 0) -> str:
        """The chain of a certificate; `alternate` counts the other chains from 1."""
        return f"{self._certificates}{serial}/{alternate}" if alternate else f"{self._certificates}{serial}"
