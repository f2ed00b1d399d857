"""Entries of the journal's native protocol: a field for each of ours, beside the line itself. For `supervisor.logs`.

MESSAGE is the line in the form that `logs.format` names, PRIORITY its level as syslog counts it, and each field `x` of
an event is CA_X: `journalctl CA_SESSION=...` finds the lines of a session. The protocol is described in
https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from supervisor.logs.formats import Format

IDENTIFIER: Final = "ca-supervisor"
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""syslog(3)."""
_LONGEST_NAME: Final = 64

_encode: Final = msgspec.json.Encoder().encode
_Given = tuple[bytes, Any]


class Journal:
    """Entries for journald. `message` makes their MESSAGE."""

    def __init__(self, message: Format[Any]) -> None:
        self._message = message

    def head(self, level: str, event: str, context: dict[str, Any]) -> _Given:
        """The fields that do not change, and what the message starts with."""
        fixed = {"PRIORITY": _PRIORITIES.get(level, 6), "SYSLOG_IDENTIFIER": IDENTIFIER, "CA_EVENT": event}
        parts = [_field(key.encode(), value) for key, value in fixed.items()]
        parts += [_field(_name(key), value) for key, value in context.items()]
        return b"".join(parts), self._message.head(level, event, context)

    def line(self, stamp: str, head: _Given, fields: dict[str, Any], body: bytes) -> bytes:
        """An entry, whole: one datagram."""
        fixed, start = head
        message = self._message.line(stamp, start, fields, body)[:-1]
        parts = [_field(_name(key), value) for key, value in fields.items()]
        return b"".join((_framed(b"MESSAGE", message), fixed, *parts))


def _field(name: bytes, value: Any) -> bytes:
    """A text as it is, None as nothing, anything else as JSON writes it."""
    if type(value) is str:
        return _framed(name, value.encode("utf-8", "backslashreplace"))
    return _framed(name, b"" if value is None else _encode(value))


def _framed(name: bytes, value: bytes) -> bytes:
    """NAME=value; a value with a line break has its length (64 bits, little-endian) before it instead."""
    if b"\n" in value:
        return b"%b\n%b%b\n" % (name, len(value).to_bytes(8, "little"), value)
    return b"%b=%b\n" % (name, value)


@lru_cache(maxsize=1024)
def _name(key: str) -> bytes:
    """CA_ and the key in the letters of a field's name: A to Z, 0 to 9, "_", at most 64."""
    return f"CA_{re.sub(r'[^A-Z0-9_]', '_', key.upper())}"[:_LONGEST_NAME].encode("ascii")
