"""External Account Binding (RFC 8555 7.3.4): is a new account's key vouched for by one of the operator's credentials?

`accounts` asks, in the order of the clause. Whether the credential can still be used is decided again, and for good,
in the store's step that makes the account: two accounts cannot be made at once with a credential for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from stages.account import Account
from stages.external import Credential, CredentialState
from stages.store.accounts import read_credential
from stages.store.store import Store
from supervisor.acme.jose.encoding import from_base64url, json_object
from supervisor.acme.jose.jwk import Jwk, parse_jwk
from supervisor.acme.jose.jws import Jws, check_url, parse_binding, verify_mac
from supervisor.acme.problems import AcmeProblem

FIELD: Final = "externalAccountBinding"
UNKNOWN: Final = f"{FIELD}: its kid is unknown, or its signature is not by the key of that kid"
"""One answer for both, so that kids cannot be tried out."""

ENDED: Final[Mapping[CredentialState, str]] = MappingProxyType(
    {
        CredentialState.WITHDRAWN: f"{FIELD}: the CA's operator has withdrawn its kid",
        CredentialState.EXPIRED: f"{FIELD}: the time in which its kid could be used is over",
        CredentialState.USED: f"{FIELD}: its kid is good for one account, and has been used",
    }
)
"""Told only to who has the credential's key."""


class Binding(msgspec.Struct, frozen=True):
    """A binding that was verified.

    Attributes:
        kid: the credential's.
        text: the JSON as sent, which the account object shows (RFC 8555 7.3.4).
    """

    kid: str
    text: str


NONE: Final = Binding("", "")
"""Of an account that has no binding."""


async def verify_binding(store: Store, value: object, outer: Jws, key: Jwk, now: int) -> Binding:
    """Check the `externalAccountBinding` of a newAccount request, signed by `key` as `outer`.

    Raises AcmeProblem: malformed or badSignatureAlgorithm for what is no such JWS, unauthorized for another `url`,
    an unknown kid, a wrong MAC, another key in the payload, and a credential that cannot be used any more.
    """
    inner = parse_binding(value)
    check_url(inner, outer.url)
    credential = await read_credential(store, inner.kid or "")
    if credential is None:
        raise AcmeProblem("unauthorized", UNKNOWN)
    _check_mac(inner, credential)
    _check_payload(inner, key)
    check_state(credential.state(now))
    return Binding(credential.kid, msgspec.json.encode(value).decode())


async def credential_of(store: Store, account: Account) -> Credential | None:
    """The credential that an account is bound to, whose rules hold for its orders; None for an account without one.

    It may be withdrawn or expired: its rules still hold. Raises AcmeProblem("unauthorized") where its record is gone,
    for then nobody knows what the account may ask for.
    """
    if not account.eab:
        return None
    credential = await read_credential(store, account.eab)
    if credential is None:
        raise AcmeProblem(
            "unauthorized", "the external account that this account is bound to is not on record any more"
        )
    return credential


def check_state(state: CredentialState) -> None:
    """Raise AcmeProblem("unauthorized") for a credential with which no account can be made any more."""
    if state in ENDED:
        raise AcmeProblem("unauthorized", ENDED[state])


def shown(text: str) -> Any:
    """The binding of an account on record, as its object shows it."""
    return msgspec.Raw(text.encode())


def _check_mac(inner: Jws, credential: Credential) -> None:
    try:
        verify_mac(inner, from_base64url(credential.key, "key"))
    except AcmeProblem as problem:
        raise AcmeProblem("unauthorized", UNKNOWN) from problem


def _check_payload(inner: Jws, key: Jwk) -> None:
    """RFC 8555 7.3.4 step 5: the payload is the very key that signs the request."""
    if parse_jwk(json_object(inner.payload, f"{FIELD}: payload")) != key:
        raise AcmeProblem("unauthorized", f"{FIELD}: its payload is another key than the one that signs the request")
