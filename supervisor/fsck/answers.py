"""Turns the server's answers, which may be errors, into what `supervisor.fsck` judges. Pure, but for the CRL's file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509

from stages.errors import Refused
from supervisor.fsck.sessions import SessionLook
from supervisor.recovery.decide import Places
from supervisor.upkeep.crl import read_crl

_MOST_CHALLENGES: Final = 10_000
_MOST_DIGITS: Final = 6
_WRONG_TYPE: Final = "not of the type that the schema says"
_KINDS: Final = {"certificate", "inflight", "account", "account-key", "eab"}
_SESSION_KEY: Final = re.compile(r"([0-9a-f]{64})(?::(names|[1-9][0-9]{0,4}))?")


class Named(msgspec.Struct, frozen=True):
    """What a key's name says: `kind` is one of _KINDS, "session" or "child"."""

    kind: str
    id: str
    rest: str = ""


def read_name(key: str) -> Named | None:
    """What the name of a key says, behind the prefix; None for keys of which there is only one, and limits.

    The list of an account's orders says that the account should be there.
    """
    if found := _SESSION_KEY.fullmatch(key):
        return Named("child", found[1], found[2]) if found[2] else Named("session", found[1])
    kind, _, rest = key.partition(":")
    if kind == "account":
        rest = rest.removesuffix(":orders")
    return Named(kind, rest) if kind in _KINDS and rest else None


def session_look(
    session: str,
    record: tuple[Any, Any, Any, list[Any]],
    *,
    places: int,
    active: int,
    quarantined: bool,
    left: tuple[str, ...] = (),
) -> SessionLook:
    """A look from the server's answers: hash, names, the certificate's hash, the challenges' hashes."""
    fields, unreadable = read_fields(record[0])
    certificate, _ = read_fields(record[2])
    names: tuple[str, ...] = ()
    if isinstance(record[1], Exception):
        unreadable = unreadable or f"names: {_WRONG_TYPE}"
    else:
        names = tuple(text(name) for name in record[1])
    challenges = []
    for n, hash_ in enumerate(record[3], 1):
        challenge, problem = read_fields(hash_)
        unreadable = unreadable or (f"challenge {n}: {problem}" if problem else "")
        challenges.append(challenge)
    return SessionLook(
        session=session,
        fields=fields,
        names=names,
        challenges=tuple(challenges),
        unreadable=unreadable,
        places=places,
        active=active,
        quarantined=quarantined,
        certificate=certificate,
        left=left,
    )


def read_fields(hash_: Any) -> tuple[dict[str, str], str]:
    """The text of a hash, and why it has none."""
    if isinstance(hash_, Exception):
        return {}, _WRONG_TYPE
    try:
        return {field.decode(): value.decode() for field, value in hash_.items()}, ""
    except UnicodeDecodeError:
        return {}, "not UTF-8 text"


def places_bits(seen: Iterable[tuple[int, int]]) -> int:
    """Bits of `Places` of (bit, how often the session stands there)."""
    bits = 0
    for bit, times in seen:
        if times:
            bits |= bit | (int(Places.TWICE) if times > 1 or bits & bit else 0)
    return bits


def count_of(hash_: Any) -> int:
    """How many challenges a hash, as the server gave it, says that it has."""
    return 0 if isinstance(hash_, Exception) else count_in({"challenges": text(hash_.get(b"challenges", b"0"))})


def count_in(fields: dict[str, str]) -> int:
    """How many challenges a hash says that it has; 0 when it says no number."""
    said = fields.get("challenges", "0")
    number = said.isascii() and said.isdigit() and len(said) <= _MOST_DIGITS
    return min(int(said), _MOST_CHALLENGES) if number else 0


def serial_of(hash_: Any) -> str:
    """The serial in a hash, as the server gave it."""
    return "" if isinstance(hash_, Exception) else text(hash_.get(b"serial", b""))


def or_empty(answer: Any) -> list[Any]:
    """A list, or an empty one for an error."""
    return answer if isinstance(answer, list) else []


def crl_entries(file: Path) -> tuple[int | None, dict[str, int], str]:
    """Number and entries (serial, unix time) of a CRL, or why it cannot be read."""
    try:
        number = read_crl(file).number
        data = file.read_bytes()
        crl = (x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl)(data)
    except (Refused, OSError, ValueError) as error:
        return None, {}, error.reason if isinstance(error, Refused) else type(error).__name__
    return number, {f"{e.serial_number:x}": int(e.revocation_date_utc.timestamp()) for e in crl}, ""


def text(value: bytes) -> str:
    """A text whatever the bytes are."""
    return value.decode("utf-8", "backslashreplace")
