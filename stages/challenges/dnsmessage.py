"""DNS messages: writes a question, reads what answers it (RFC 1035 4, RFC 6891). Pure; for `lookup` alone.

Of an answer no more is read than a lookup needs: the question, the records that the CNAMEs lead to, and the lengths of
all others, which must fit. dnspython reads the data of those records; its messages and names cost several times the
rest of a validation.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import dns.exception
import dns.rdata
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

UDP_PAYLOAD: Final = 1232
"""Octets that we say we take over UDP: what passes an IPv6 path without fragments."""

MOST_LINKS: Final = 16
"""CNAMEs that are followed in one answer."""

_HEADER: Final = 12
_RECORD: Final = 10
"""Octets between the owner of a record and its data."""
_MOST_LABEL: Final = 63
_MOST_NAME: Final = 255
_POINTER: Final = 0xC0
_QR, _TC, _RD, _RA = 0x8000, 0x0200, 0x0100, 0x0080
_OPCODE: Final = 0x7800
_WITHOUT_QUESTION: Final = frozenset({Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})
"""What a server may say that could not read the question, or did not care to repeat it."""


class BadAnswer(ValueError):  # noqa: N818  an answer about what came
    """A message that is no usable answer; its text says why, without any of its bytes."""


class ChainTooLong(ValueError):  # noqa: N818  as above
    """The CNAMEs of an answer go in a circle, or are more than MOST_LINKS."""


class Question(NamedTuple):
    """One question: a random id, a name as `encode_name` gives it, a type."""

    ident: int
    name: bytes
    kind: RdataType

    def encode(self, *, edns: bool) -> bytes:
        """The message that asks it, with recursion, and with OPT where `edns` is (RFC 6891 6.1.2)."""
        header = b"".join(number.to_bytes(2) for number in (self.ident, _RD, 1, 0, 0, int(edns)))
        opt = b"\0" + b"".join(number.to_bytes(2) for number in (RdataType.OPT, UDP_PAYLOAD, 0, 0, 0)) if edns else b""
        return header + self._asked() + opt

    def is_answered_by(self, data: bytes) -> bool:
        """Whether the message has its id and repeats its question; some errors come without (RFC 1035 4.1.1)."""
        if len(data) < _HEADER:
            return False
        flags, questions = int.from_bytes(data[2:4]), int.from_bytes(data[4:6])
        if int.from_bytes(data[:2]) != self.ident or flags & (_QR | _OPCODE) != _QR:
            return False
        if not questions:
            return flags & 0x0F in _WITHOUT_QUESTION
        asked = self._asked()
        return questions == 1 and data[_HEADER : _HEADER + len(asked)].lower() == asked.lower()

    def _asked(self) -> bytes:
        return self.name + self.kind.to_bytes(2) + RdataClass.IN.to_bytes(2)


class Answer(NamedTuple):
    """What an answer says at the end of its CNAMEs.

    Attributes:
        rcode: the response code, with what OPT adds to it.
        records: those of the type that was asked for.
        onward: the name to ask for next, where the server did not follow a CNAME out of its zone; else b"".
    """

    rcode: int
    records: tuple[Rdata, ...]
    onward: bytes


def encode_name(text: str) -> bytes:
    """A name of ASCII labels (RFC 1035 3.1). Raises ValueError where DNS cannot hold it."""
    labels = [label.encode("ascii") for label in text.split(".")]
    if not all(0 < len(label) <= _MOST_LABEL for label in labels):
        raise ValueError("a label has 1 to 63 octets")
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(name) > _MOST_NAME:
        raise ValueError("a name has at most 255 octets")
    return name


def is_truncated(data: bytes) -> bool:
    """Whether there is more of an answer than came; what came does not matter then (RFC 2181 9)."""
    return bool(int.from_bytes(data[2:4]) & _TC)


def read_answer(data: bytes, question: Question) -> Answer:
    """Read the message that answers the question, and go along its CNAMEs.

    Raises:
        ChainTooLong: see there.
        BadAnswer: it answers another question, is malformed, or says that its own records do not exist.
    """
    if not question.is_answered_by(data):
        raise other_answer(data)
    try:
        return _read(data, question)
    except (IndexError, dns.exception.DNSException):
        raise _no_answer() from None


def other_answer(data: bytes) -> BadAnswer:
    """What to say of a message that answers nothing that was asked."""
    try:
        flags, at = int.from_bytes(data[2:4]), _HEADER
        for _ in range(int.from_bytes(data[4:6])):
            at = _read_name(data, at)[1] + 4
    except (IndexError, BadAnswer):
        return _no_answer()
    whole = at <= len(data) and not flags & _OPCODE
    return BadAnswer("an answer to another question") if whole else _no_answer()


def _no_answer() -> BadAnswer:
    return BadAnswer("what is no DNS answer")


class _Record(NamedTuple):
    """Where a record's data are in the message."""

    kind: int
    begin: int
    end: int


def _read(data: bytes, question: Question) -> Answer:
    questions, answers, authorities, others = (int.from_bytes(data[at : at + 2]) for at in (4, 6, 8, 10))
    flags = int.from_bytes(data[2:4])
    at, rcode = _HEADER, flags & 0x0F
    for _ in range(questions):
        _, at = _read_name(data, at)
        at += 4
    owned: dict[bytes, list[_Record]] = {}
    for number in range(answers + authorities + others):
        owner, at = _read_name(data, at)
        begin = at + _RECORD
        kind, end = int.from_bytes(data[at : at + 2]), begin + int.from_bytes(data[at + 8 : begin])
        if end > len(data):
            raise _no_answer()
        if kind == RdataType.OPT and number >= answers + authorities:
            rcode |= data[at + 4] << 4  # RFC 6891 6.1.3
        elif number < answers and int.from_bytes(data[at + 2 : at + 4]) == RdataClass.IN:
            owned.setdefault(owner, []).append(_Record(kind, begin, end))
        at = end
    name, found = _follow(data, question, owned)
    if found and rcode == Rcode.NXDOMAIN:
        raise BadAnswer("an answer that contradicts itself")
    stopped = name != question.name.lower() and not found and rcode != Rcode.NXDOMAIN and not flags & _RA
    records = [dns.rdata.from_wire(RdataClass.IN, question.kind, data, r.begin, r.end - r.begin) for r in found]
    return Answer(rcode, tuple(dict.fromkeys(records)), name if stopped else b"")


def _follow(data: bytes, question: Question, owned: dict[bytes, list[_Record]]) -> tuple[bytes, list[_Record]]:
    """The name at the end of the CNAMEs, and its records of the type that was asked for."""
    name = question.name.lower()
    for _ in range(MOST_LINKS):
        records = owned.get(name, [])
        if found := [record for record in records if record.kind == question.kind]:
            return name, found
        alias = next((record for record in records if record.kind == RdataType.CNAME), None)
        if alias is None:
            return name, []
        name, end = _read_name(data, alias.begin)
        if end != alias.end:
            raise _no_answer()
    raise ChainTooLong


def _read_name(data: bytes, at: int) -> tuple[bytes, int]:
    """The name at a place, in lower case and without pointers (RFC 1035 4.1.4), and where it ends.

    Pointers lead back, so that no name is endless. Raises IndexError or BadAnswer.
    """
    name, end, before = b"", 0, at
    while length := data[at]:
        if length <= _MOST_LABEL:
            name += data[at : at + length + 1]
            at += length + 1
            if len(name) >= _MOST_NAME:
                raise _no_answer()
        elif length >= _POINTER:
            end = end or at + 2
            at = (length - _POINTER) << 8 | data[at + 1]
            if at >= before:
                raise _no_answer()
            before = at
        else:
            raise _no_answer()
    return name.lower() + b"\0", end or at + 1
