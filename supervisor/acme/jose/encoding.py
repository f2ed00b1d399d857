"""Strict readers for the two encodings of JOSE: base64url without padding, and JSON.

Used by `supervisor.acme` for everything a client sends. Both readers accept exactly one spelling where a lax one
accepts many: what is signed, compared or kept must mean the same to everyone who reads it.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from supervisor.acme.problems import AcmeProblem

MAX_DEPTH: Final = 16
"""Arrays and objects inside one another; a newAccount with a binding has three."""

TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
TO_URL: Final = bytes.maketrans(b"+/", b"-_")
TOO_DEEP: Final = f"the JSON has more than {MAX_DEPTH} arrays or objects inside one another"

_JSON: Final = msgspec.json.Decoder()


def to_base64url(raw: bytes) -> str:
    """RFC 7515 2: base64url without padding."""
    return binascii.b2a_base64(raw, newline=False).translate(TO_URL).rstrip(b"=").decode("ascii")


def from_base64url(text: object, field: str) -> bytes:
    """The bytes that `to_base64url` writes as `text`; raises AcmeProblem("malformed") for any other text.

    That is stricter than RFC 7515 asks in one point: the unused bits of the last character must be zero.
    """
    if not isinstance(text, str):
        raise AcmeProblem("malformed", f"{field}: it must be a string of base64url")
    try:
        sent = text.encode("ascii")
        # A length of 1 modulo 4 is no base64url; three characters of padding make the decoder say so.
        raw = binascii.a2b_base64(sent.translate(TO_STANDARD) + b"=" * (-len(sent) % 4))
    except ValueError:
        raise _not_base64url(field) from None
    # The decoder skips what is not base64; then the way back leads elsewhere.
    if binascii.b2a_base64(raw, newline=False).translate(TO_URL).rstrip(b"=") != sent:
        raise _not_base64url(field)
    return raw


def json_object(text: bytes, field: str) -> dict[str, Any]:
    """A JSON object (RFC 8259, I-JSON of RFC 7493); raises AcmeProblem("malformed") for anything else.

    Refused: other encodings than UTF-8, a byte order mark, a member that is there twice, NaN and Infinity,
    numbers no double holds, lone surrogates, anything after the object, more than MAX_DEPTH levels.
    """
    try:
        value = _JSON.decode(text)
    except RecursionError:
        raise AcmeProblem("malformed", f"{field}: {TOO_DEEP}") from None
    except (ValueError, msgspec.DecodeError):
        raise AcmeProblem("malformed", f"{field}: it is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise AcmeProblem("malformed", f"{field}: it must be a JSON object")
    _check_members_once(text, value, field)
    return value


def canonical_json(members: dict[str, str]) -> str:
    """RFC 7638 3.3: members in order, no spaces. Only for values that need no escapes."""
    return json.dumps(members, separators=(",", ":"), sort_keys=True)


def _check_members_once(text: bytes, value: dict[str, Any], field: str) -> None:
    """Refuse duplicate members, of which msgspec keeps the last and says nothing (RFC 7515 5.2 step 4 lets us refuse).

    A text without escapes has two quotation marks for each string in it. msgspec is several times as fast as a
    decoder that hands over every pair, and drops the strings of a duplicate: then the text has too many.
    """
    strings = _count_strings(value, MAX_DEPTH, field)
    if b"\\" in text:
        json.loads(text, object_pairs_hook=lambda pairs: _check_pairs(pairs, field))
    elif text.count(b'"') != 2 * strings:
        raise _twice(field)


def _check_pairs(pairs: list[tuple[str, Any]], field: str) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _twice(field)
    return members


def _count_strings(value: dict[str, Any] | list[Any], levels: int, field: str) -> int:
    """How many strings are in it, the names of members among them."""
    if not levels:
        raise AcmeProblem("malformed", f"{field}: {TOO_DEEP}")
    count: int = 0
    members: Iterable[Any] = value
    if isinstance(value, dict):
        count, members = len(value), value.values()
    for member in members:
        kind = type(member)
        if kind is str:
            count += 1
        elif kind is dict or kind is list:
            count += _count_strings(member, levels - 1, field)
    return count


def _twice(field: str) -> AcmeProblem:
    return AcmeProblem("malformed", f"{field}: a member is there twice")


def _not_base64url(field: str) -> AcmeProblem:
    return AcmeProblem("malformed", f"{field}: it is not base64url, which has no padding and no spaces (RFC 7515 2)")
