"""`logs.format = "console"` and "logfmt": lines for people, and for readers of key=value. For `supervisor.logs`."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}
_EVENT_WIDTH: Final = 24
_Given = tuple[str, str, dict[str, Any]]

_encode: Final = msgspec.json.Encoder().encode
_wants_quotes: Final = re.compile(r'[ "=\n]|\A\Z').search


class Console:
    """Time of day, level, event and fields, with colours on a terminal; the frames of a trace on lines of their own.

    Args:
        colours: for a terminal.
        bare: without time and level, which the journal has in fields of its own.
    """

    def __init__(self, *, colours: bool, bare: bool = False) -> None:
        self._colours = colours
        self._bare = bare

    def head(self, level: str, event: str, context: dict[str, Any]) -> _Given:
        """Just what is given."""
        return level, event, context

    def line(self, stamp: str, head: _Given, fields: dict[str, Any], _body: bytes) -> bytes:
        """One line, or some more for a trace."""
        paint, (level, event, context) = self._paint, head
        whole = {**context, **fields}
        trace = whole.pop("trace", [])
        texts = " ".join(f"{paint(key, '36')}={_value(value)}" for key, value in whole.items())
        if self._bare:
            start = event
        else:
            level = paint(f"{level:8}", _COLOURS.get(level, "0"))
            start = f"{paint(stamp[11:23], '2')} {level} {paint(f'{event:{_EVENT_WIDTH}}', '1')}"
        rows = [f"{start} {texts}".rstrip(), *(f"    {frame}" for frame in trace)]
        return ("\n".join(rows) + "\n").encode("utf-8", "backslashreplace")

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text


class Logfmt:
    """key=value, in the order time, level, event, fields. What wants quotation marks is a JSON string.

    Args:
        bare: as in `Console`.
    """

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare

    def head(self, level: str, event: str, context: dict[str, Any]) -> str:
        """What stands between the time and the fields."""
        return pairs({"event": event, **context} if self._bare else {"level": level, "event": event, **context})

    def line(self, stamp: str, head: str, fields: dict[str, Any], _body: bytes) -> bytes:
        """One line."""
        start = head if self._bare else f"time={stamp} {head}"
        return (f"{start} {pairs(fields)}\n" if fields else f"{start}\n").encode("utf-8", "backslashreplace")


def pairs(fields: dict[str, Any]) -> str:
    """Fields as key=value; a list or a table is JSON in a string, a key keeps nothing that would end it."""
    found = []
    for key, value in fields.items():
        name = key if not _wants_quotes(key) else re.sub(r'[ "=\n]', "_", key)
        kind = type(value)
        if kind is str and not _wants_quotes(value):
            found.append(f"{name}={value}")
        else:
            text = _value(value)
            found.append(f"{name}={_value(text) if kind is list or kind is dict else text}")
    return " ".join(found)


def _value(value: Any) -> str:
    """A text as it is, where it needs no quotation marks; anything else as JSON."""
    if type(value) is str and not _wants_quotes(value):
        return value
    return _encode(value).decode()
