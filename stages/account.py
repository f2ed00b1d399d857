"""What an ACME account is (RFC 8555 7.1.2), and which contacts it may have. No I/O; anyone may import it.

An account is kept in Redis as the hash `account:<id>` (docs/redis.md); `stages.store.account_records` turns it into
this object and back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from stages.errors import Refused
from stages.names import parse_name
from stages.restriction import Restriction

ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")
THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""RFC 7638 with SHA-256, in base64url."""

MAX_CONTACTS: Final = 10
MAX_CONTACT_BYTES: Final = 320
_ID_BYTES: Final = 16
_MAX_LOCAL: Final = 64
"""RFC 5321 4.5.3.1.1."""
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DOT_ATOM: Final = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$&'*+/=?^_`{|}~-]+)*")
"""RFC 5322 3.2.3, without "%": in a URL that begins an encoded byte (RFC 6068 2)."""


class AccountStatus(StrEnum):
    """RFC 8555 7.1.6: an account is valid until its client deactivates it or the operator revokes it; never again."""

    VALID = "valid"
    DEACTIVATED = "deactivated"
    REVOKED = "revoked"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account.

    Attributes:
        id: 22 characters: base64url of 16 random bytes.
        created: unix time in seconds.
        status: see `AccountStatus`.
        jwk: the account key as canonical JSON (RFC 7638 3).
        thumbprint: its thumbprint; no two accounts have the same.
        contact: URLs, as the client spelled them.
        terms: unix time at which the terms of service were agreed to, 0 for never.
        eab: kid of the external account it is bound to (RFC 8555 7.3.4), "" for none.
        binding: the verified externalAccountBinding as it was sent (JSON), "" for none.
        ended: unix time at which it was deactivated or revoked, 0 while it is valid.
        restriction: what the operator lets it ask for, beside what its external account may.
    """

    id: str
    created: int
    status: AccountStatus
    jwk: str
    thumbprint: str
    contact: tuple[str, ...] = ()
    terms: int = 0
    eab: str = ""
    binding: str = ""
    ended: int = 0
    restriction: Restriction = Restriction()


def new_id(random_bytes: Callable[[int], bytes]) -> str:
    """An id for a new account, which tells nothing and cannot be guessed."""
    return base64.urlsafe_b64encode(random_bytes(_ID_BYTES)).decode().rstrip("=")


def parse_contacts(texts: Sequence[object]) -> tuple[str, ...]:
    """Check the `contact` of an account (RFC 8555 7.3): mailto URLs with one address each; repeated ones are dropped.

    Raises Refused with the field such as "contact[1]": `unsupportedContact` for another scheme, `invalidContact` for
    what cannot be an address (RFC 8555 6.7), `malformed` for what is no text, and for too many.
    """
    if len(texts) > MAX_CONTACTS:
        raise Refused("malformed", "contact", f"{len(texts)} contacts are given, at most {MAX_CONTACTS} are kept")
    return tuple(dict.fromkeys(_parse_contact(text, f"contact[{index}]") for index, text in enumerate(texts)))


def _parse_contact(text: object, field: str) -> str:
    if not isinstance(text, str):
        raise Refused("malformed", field, "it is not a text")
    if len(text) > MAX_CONTACT_BYTES:
        raise Refused("invalidContact", field, f"it is longer than {MAX_CONTACT_BYTES} bytes")
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise Refused("invalidContact", field, "it is not a URL such as mailto:admin@example.com")
    if scheme[1].lower() != "mailto":
        raise Refused("unsupportedContact", field, "only mailto URLs are supported")
    _check_address(text[scheme.end() :], field)
    return text


def _check_address(address: str, field: str) -> None:
    """RFC 8555 7.3: no hfields and one addr-spec; the address is a dot-atom and a host name."""
    if not address.isascii() or not address.isprintable():
        raise Refused("invalidContact", field, "the address is not plain ASCII text")
    if "?" in address:
        raise Refused("invalidContact", field, "header fields (what follows a question mark) are not allowed")
    if "," in address:
        raise Refused("invalidContact", field, "it holds more than one address; give each a URL of its own")
    if "%" in address:
        raise Refused("invalidContact", field, "percent-encoded characters are not allowed")
    local, at, domain = address.rpartition("@")
    if not at:
        raise Refused("invalidContact", field, "the address has no @")
    if len(local) > _MAX_LOCAL or not _DOT_ATOM.fullmatch(local):
        raise Refused("invalidContact", field, "what stands before the @ is not a mailbox")
    try:
        name = parse_name(domain, field)
    except Refused as refused:
        raise Refused("invalidContact", field, f"what follows the @ is no host name: {refused.reason}") from None
    if name.kind != "dns" or name.wildcard:
        raise Refused("invalidContact", field, "what follows the @ is not a host name")
