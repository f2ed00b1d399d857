"""`logs.format = "console"` and "logfmt": lines for people, and for readers of key=value. For `supervisor.logs`."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from structlog.processors import LogfmtRenderer

_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}
_EVENT_WIDTH: Final = 24
_Given = tuple[str, str, dict[str, Any]]


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
        texts = " ".join(f"{paint(key, '36')}={_plain(value)}" for key, value in whole.items())
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
    """key=value, in the order time, level, event, fields; lists and tables are JSON.

    Args:
        bare: as in `Console`.
    """

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare
        self._render = LogfmtRenderer(bool_as_flag=False)

    def head(self, level: str, event: str, context: dict[str, Any]) -> _Given:
        """Just what is given."""
        return level, event, context

    def line(self, stamp: str, head: _Given, fields: dict[str, Any], _body: bytes) -> bytes:
        """One line."""
        level, event, context = head
        whole = {} if self._bare else {"time": stamp, "level": level}
        pairs = {"event": event, **context, **fields}.items()
        whole |= {_key(key): _json(value) if isinstance(value, list | dict) else value for key, value in pairs}
        return (self._render(None, "", whole) + "\n").encode("utf-8", "backslashreplace")


def _key(key: str) -> str:
    """A key without what would end it."""
    return "".join("_" if char in ' "=' else char for char in key)


def _plain(value: Any) -> str:
    if isinstance(value, str) and value and not set(' "=') & set(value):
        return value
    return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
