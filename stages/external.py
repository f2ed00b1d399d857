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
from stages.name_policy import NamePolicy

KID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KID_BYTES: Final = 12
_KEY_BYTES: Final = 32
"""RFC 7518 3.2: an HS256 key has at least the size of the hash."""
_MAX_NOTE: Final = 200
_PROFILE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


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
        names: rules as of names.allow_domains and names.allow_ips; an account may ask for the names that one of them
            covers. Empty allows what the CA allows.
        profiles: the profiles that an account may ask for; empty for all.
        expires: from when on no account can be made with it, 0 for never.
        single: whether only one account can be made with it.
        used: how many accounts were made with it.
        withdrawn: when the operator withdrew it, 0 for not.
        note: whose it is, for people.
    """

    kid: str
    key: str
    created: int
    names: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
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

    def allows_profile(self, profile: str) -> bool:
        """Whether an account may ask for this profile."""
        return not self.profiles or profile in self.profiles

    def policy(self) -> NamePolicy | None:
        """The rules for names as a policy to be asked beside the CA's own; None when there are none."""
        if not self.names:
            return None
        networks = [rule for rule in self.names if _is_network(rule)]
        domains = [rule for rule in self.names if not _is_network(rule)]
        # An empty allow list allows every name of its kind; rules for one kind only are to allow none of the other.
        return NamePolicy.from_settings(
            allow_domains=domains or (_NO_DOMAIN,),
            allow_ips=networks,
            deny_ips=() if networks else ("0.0.0.0/0", "::/0"),
        )


_NO_DOMAIN: Final = ".invalid"
"""RFC 2606 2: no name is below it that could be proven."""


def _is_network(rule: str) -> bool:
    return ":" in rule or "/" in rule or rule.replace(".", "").isdigit()


def make_credential(
    random_bytes: Callable[[int], bytes],
    now: int,
    *,
    names: Sequence[str] = (),
    profiles: Sequence[str] = (),
    expires: int = 0,
    single: bool = False,
    note: str = "",
) -> Credential:
    """A new credential with a random kid and key; raises Refused("config", "names[0]", ...) for what cannot be."""
    for index, profile in enumerate(profiles):
        if not _PROFILE.fullmatch(profile):
            raise Refused("config", f"profiles[{index}]", "it is not the name of a profile")
    if expires and expires <= now:
        raise Refused("config", "expires", "that time is over")
    if len(note) > _MAX_NOTE or not note.isprintable():
        raise Refused("config", "note", f"it is longer than {_MAX_NOTE} characters or is not printable")
    credential = Credential(
        kid=_base64url(random_bytes(_KID_BYTES)),
        key=_base64url(random_bytes(_KEY_BYTES)),
        created=now,
        names=tuple(names),
        profiles=tuple(profiles),
        expires=expires,
        single=single,
        note=note,
    )
    _check_names(credential)
    return credential


def _check_names(credential: Credential) -> None:
    try:
        credential.policy()
    except Refused as refused:
        raise Refused("config", "names", f"there is a rule that cannot be used: {refused.reason}") from None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
