"""Which contact URLs an account may have (RFC 8555 7.3): mailto with one address. Pure; `accounts` uses it.

What is accepted is kept and shown as it was sent. No mail is ever sent by this program, so that nothing is tested
but the form.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from supervisor.acme.problems import AcmeProblem

MOST: Final = 10
"""Contacts of one account."""
LONGEST: Final = 320
"""Characters of one contact: RFC 5321 4.5.3.1 allows 64 for the local part and 255 for the domain."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
"""An addr-spec (RFC 5322 3.4.1) of the usual kind: no quoted local part, no address literal."""
_ESCAPED: Final = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})+")
"""Printable ASCII in which each "%" begins two hex digits (RFC 3986 2.1)."""


def check_contacts(value: object) -> tuple[str, ...]:
    """The `contact` of an account; raises AcmeProblem.

    malformed: no list of strings. unsupportedContact: another scheme than mailto. invalidContact: a mailto URL with
    header fields or not exactly one address (RFC 8555 7.3 and RFC 6068 2), no URL, too long or too many.
    """
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise AcmeProblem("malformed", "contact: it must be a list of strings")
    if len(value) > MOST:
        raise AcmeProblem("invalidContact", f"contact: {len(value)} URLs are given, at most {MOST} are allowed")
    for index, text in enumerate(value):
        _check(text, f"contact[{index}]")
    return tuple(value)


def _check(text: str, field: str) -> None:
    if len(text) > LONGEST:
        raise AcmeProblem("invalidContact", f"{field}: it is longer than {LONGEST} characters")
    found = _SCHEME.fullmatch(text)
    if found is None:
        raise AcmeProblem("invalidContact", f"{field}: it is not a URL such as mailto:admin@example.org")
    if found[1].lower() != "mailto":
        raise AcmeProblem("unsupportedContact", f"{field}: only mailto URLs are accepted, such as mailto:a@example.org")
    _check_mailto(found[2], field)


def _check_mailto(address: str, field: str) -> None:
    if not _ESCAPED.fullmatch(address):
        raise AcmeProblem("invalidContact", f"{field}: it is not a mailto URL in ASCII (RFC 6068 2)")
    if "?" in address or "#" in address:
        raise AcmeProblem("invalidContact", f"{field}: a mailto URL with header fields is not accepted (RFC 8555 7.3)")
    if "," in address:
        raise AcmeProblem("invalidContact", f"{field}: a mailto URL must have one address only (RFC 8555 7.3)")
    try:
        decoded = unquote_to_bytes(address).decode("ascii")
    except UnicodeDecodeError:
        raise AcmeProblem("invalidContact", f"{field}: its address is not ASCII") from None
    if not _ADDRESS.fullmatch(decoded):
        raise AcmeProblem("invalidContact", f"{field}: its address is not of the form name@host")
