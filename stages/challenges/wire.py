"""DNS messages as bytes (RFC 1035 4, RFC 6891): a question out, its answers in. For `resolving` alone.

Why not dnspython: building, sending and reading one query with it costs five times the CPU of this file, and
a busy validator does little else. The tests hold this file against dnspython. Names are kept in wire form, in
lower case: length octets are below "A", so that `bytes.lower` never touches them, and a dot inside a label
stays what it is.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

import msgspec

A: Final = 1
CNAME: Final = 5
TXT: Final = 16
AAAA: Final = 28
_OPT: Final = 41
_IN: Final = 1

NOERROR: Final = 0
FORMERR: Final = 1
NXDOMAIN: Final = 3
RCODES: Final = {
    FORMERR: "FORMERR",
    2: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
}  # RFC 1035 4.1.1

UDP_PAYLOAD: Final = 1232
"""Octets that we say we take over UDP: what passes an IPv6 path without fragments."""

_HEADER: Final = struct.Struct("!6H")
_FIXED: Final = struct.Struct("!HHIH")  # type, class, TTL, length of a resource record
_MOST_NAME: Final = 255
_MOST_LABEL: Final = 63
_MOST_RECORDS: Final = 1000
_MOST_CNAMES: Final = 16
_POINTER: Final = 0xC0


class Unreadable(ValueError):  # noqa: N818  an answer about what came
    """Bytes that are no DNS answer, or a chain of CNAMEs that does not end."""


class Record(msgspec.Struct, frozen=True):
    """A resource record: owner in wire form; `data` is an address, a wire-form name or joined TXT strings."""

    owner: bytes
    type: int
    data: bytes


class Reply(msgspec.Struct, frozen=True):
    """An answer: its id, the question that it repeats, and its A, AAAA, CNAME and TXT records."""

    id: int
    name: bytes
    type: int
    rcode: int
    truncated: bool
    recursive: bool
    records: list[Record]

    def follow(self) -> tuple[bytes, list[bytes]]:
        """Go along the CNAMEs from the question; return the last name and the data of the type asked for.

        Raises:
            Unreadable: the chain has more than 16 links or goes in a circle.
        """
        name = self.name
        for _ in range(_MOST_CNAMES + 1):
            found = [r.data for r in self.records if r.type == self.type and r.owner == name]
            onward = next((r.data for r in self.records if r.type == CNAME and r.owner == name), None)
            if found or onward is None:
                return name, found
            name = onward
        raise Unreadable("a chain of CNAMEs that does not end")


def encode_name(name: str) -> bytes:
    """Return a host name in wire form, lower-case.

    Raises:
        Unreadable: a label is empty or longer than 63 octets, or the name is longer than 255.
    """
    wire = bytearray()
    for label in name.lower().removesuffix(".").encode("ascii").split(b"."):
        if not 0 < len(label) <= _MOST_LABEL:
            raise Unreadable("a label of the name is empty or too long")
        wire.append(len(label))
        wire += label
    wire.append(0)
    if len(wire) > _MOST_NAME:
        raise Unreadable("the name is too long")
    return bytes(wire)


def encode_query(ident: int, name: bytes, kind: int, *, edns: bool) -> bytes:
    """Return a recursive query of class IN, with an OPT record (RFC 6891 6.1) when `edns`."""
    query = _HEADER.pack(ident, 0x0100, 1, 0, 0, int(edns)) + name + struct.pack("!HH", kind, _IN)
    return query + b"\0" + _FIXED.pack(_OPT, UDP_PAYLOAD, 0, 0) if edns else query


def decode_reply(message: bytes) -> Reply:
    """Read an answer; the authority and additional sections are not looked at.

    Raises:
        Unreadable: it is cut short, malformed, not an answer to one question, or has more than 1,000 records.
    """
    try:
        ident, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
        if not flags & 0x8000 or flags & 0x7800 or questions != 1 or answers > _MOST_RECORDS:
            raise Unreadable("what is no answer to one question")
        name, at = _read_name(message, _HEADER.size)
        kind, klass = struct.unpack_from("!HH", message, at)
        if klass != _IN:
            raise Unreadable("an answer of another class")
        truncated = bool(flags & 0x0200)
        # a truncated answer is asked for again over TCP (RFC 2181 9), so what is left of it does not matter
        records = [] if truncated else _read_records(message, at + 4, answers)
    except (IndexError, struct.error) as error:
        raise Unreadable("an answer that is cut short") from error
    return Reply(ident, name, kind, flags & 0xF, truncated, bool(flags & 0x0080), records)


def _read_records(message: bytes, at: int, count: int) -> list[Record]:
    records = []
    for _ in range(count):
        owner, at = _read_name(message, at)
        kind, klass, _, length = _FIXED.unpack_from(message, at)
        at += _FIXED.size
        end = at + length
        if end > len(message):
            raise Unreadable("an answer that is cut short")
        if klass == _IN and kind in {A, AAAA, CNAME, TXT}:
            records.append(Record(owner, kind, _read_data(message, at, end, kind)))
        at = end
    return records


def _read_data(message: bytes, at: int, end: int, kind: int) -> bytes:
    if kind == CNAME:
        name, after = _read_name(message, at)
        if after != end:
            raise Unreadable("a CNAME of the wrong length")
        return name
    data = message[at:end]
    if kind == TXT:
        return _join_strings(data)
    if len(data) != (4 if kind == A else 16):
        raise Unreadable("an address of the wrong length")
    return data


def _join_strings(data: bytes) -> bytes:
    """Join the character-strings of a TXT record (RFC 1035 3.3.14) without anything between them."""
    joined = bytearray()
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise Unreadable("a TXT string that is cut short")
        joined += data[at + 1 : end]
        at = end
    return bytes(joined)


def _read_name(message: bytes, at: int) -> tuple[bytes, int]:
    """Return the name at an offset, uncompressed and in lower case, and the offset after it."""
    name = bytearray()
    after = -1
    start = at
    while True:
        length = message[at]
        if length >= _POINTER:
            target = (length & 0x3F) << 8 | message[at + 1]
            if after < 0:
                after = at + 2
            if target >= start:  # only backwards, so that every walk ends
                raise Unreadable("a compression pointer that does not point back")
            at = start = target
            continue
        if length > _MOST_LABEL:
            raise Unreadable("a label type that nobody uses")
        label = message[at : at + 1 + length]
        name += label
        at += 1 + length
        if len(label) != 1 + length or len(name) > _MOST_NAME:
            raise Unreadable("a name that is cut short or too long")
        if not length:
            return bytes(name).lower(), at if after < 0 else after


def address_text(data: bytes) -> str:
    """Return the text of an A or AAAA record's data."""
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)  # noqa: PLR2004  octets
