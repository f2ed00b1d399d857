"""What a credential for External Account Binding is (RFC 8555 7.3.4). No I/O; anyone may import it.

The operator creates one and hands `kid` and `key` to somebody; the account made with it is bound to it, and what the
credential allows is all that the account may ask for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from stages.errors import Refused
from stages.restriction import Restriction, parse_restriction

KID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KID_BYTES: Final = 12
_KEY_BYTES: Final = 32
"""RFC 7518 3.2: an HS256 key has at least the size of the hash."""
_MAX_NOTE: Final = 200


class CredentialState(StrEnum):
    """Whether an account can be made with a credential. Accounts that were made stay bound, whatever it says."""

    USABLE = "usable"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    USED = "used"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One credential; times are unix seconds.

    Attributes:
        kid: its name, up to 64 characters of the base64url alphabet.
        key: the HMAC key in base64url. A secret.
        created: when.
        restriction: what an account that is made with it may ask for.
        expires: from when on no account can be made with it, 0 for never.
        single: whether only one account can be made with it.
        used: how many accounts were made with it.
        withdrawn: when the operator withdrew it, 0 for not.
        note: whose it is, for people.
    """

    kid: str
    key: str
    created: int
    restriction: Restriction = Restriction()
    expires: int = 0
    single: bool = False
    used: int = 0
    withdrawn: int = 0
    note: str = ""

    def state(self, now: int) -> CredentialState:
        """Whether an account can be made with it now; the store's script decides in the same order."""
        if self.withdrawn:
            return CredentialState.WITHDRAWN
        if self.expires and now >= self.expires:
            return CredentialState.EXPIRED
        if self.single and self.used:
            return CredentialState.USED
        return CredentialState.USABLE


def make_credential(
    random_bytes: Callable[[int], bytes],
    now: int,
    *,
    names: Sequence[str] = (),
    deny: Sequence[str] = (),
    profiles: Sequence[str] = (),
    expires: int = 0,
    single: bool = False,
    note: str = "",
) -> Credential:
    """A new credential with a random kid and key; raises Refused("config", <the argument>, ...) for what cannot be."""
    restriction = parse_restriction(names, deny, profiles)
    if expires and expires <= now:
        raise Refused("config", "expires", "that time is over")
    if len(note) > _MAX_NOTE or not note.isprintable():
        raise Refused("config", "note", f"it is longer than {_MAX_NOTE} characters or is not printable")
    return Credential(
        kid=_base64url(random_bytes(_KID_BYTES)),
        key=_base64url(random_bytes(_KEY_BYTES)),
        created=now,
        restriction=restriction,
        expires=expires,
        single=single,
        note=note,
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
