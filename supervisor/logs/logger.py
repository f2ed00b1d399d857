"""The class of every logger: from `log.info("x.y", field=1)` to a finished line, at little cost. For `setup` only.

structlog makes, binds and caches loggers; the chain of processors that it has is left out, because a line has only one.
Nearly every line is a known event whose values are short printable ASCII: what such a line starts with is made once and
kept, its fields are encoded once, and the encoded bytes are looked at instead of each value. Any other line is made
safe value by value (`supervisor.logs.safety`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import msgspec
from structlog import BoundLoggerBase

from supervisor.logs.formats import Format
from supervisor.logs.outlet.output import Output
from supervisor.logs.safety import LONGEST, PRIVATE, is_secret, safe_error, safe_text, safe_value

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_ALIASES: Final = {"warn": "warning", "fatal": "critical", "msg": "info"}
_URGENT: Final = frozenset({"warning", "error", "critical"})
_RESERVED: Final = frozenset({"time", "level", "event", "exc_info"})
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_LARGE: Final = 1 << 63
"""Numbers from here on are written as text: readers of JSON keep 64 bits at most."""
_SAFE: Final = bytes(char for char in range(0x20, 0x7F) if char != ord("\\"))
"""What encoded fields may consist of: JSON writes a quotation mark and a control character with a backslash."""
_PRIVATE: Final = PRIVATE.encode()
_KEPT: Final = 1024

_encode: Final = msgspec.json.Encoder().encode
_Head = Any


class Pen:
    """What all loggers write with. `form` can be exchanged while loggers live; `output` is set once it is made."""

    output: Output

    def __init__(self, form: Format[_Head], stamp: Callable[[], str]) -> None:
        self.form = form
        self.stamp = stamp

    def line(self, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        """A line whose values are made safe one by one; a value that cannot be printed costs the line its fields."""
        form = self.form
        try:
            safe = _safe(fields)
            return form.line(self.stamp(), form.head(level, safe_text(str(event)), {}), safe, _encode(safe))
        except Exception as error:  # noqa: BLE001  a value that cannot be printed must not stop the work
            failed = {"unprintable": type(error).__name__}
            return form.line(self.stamp(), form.head(level, safe_text(str(event)), {}), failed, _encode(failed))


class Logger(BoundLoggerBase):
    """A logger with its bound fields. `make_logger` gives its class the pen and the level."""

    pen: ClassVar[Pen]
    least: ClassVar[int]

    def __init__(self, logger: object, processors: Any, context: dict[str, Any]) -> None:
        super().__init__(logger, processors, context)
        self._form: Format[_Head] | None = None
        self._heads: dict[tuple[str, ...], _Head] = {}

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write a line; never raises for what the values or the destination do."""
        pen = self.pen
        form = pen.form
        if form is not self._form:
            self._form, self._heads = form, {}
        known = (level, event, *fields)
        head = self._heads.get(known)
        if head is None:
            head = self._new_head(form, known)
        if head is not None and (body := _body(fields)):
            line = form.line(pen.stamp(), head, fields, body)
        else:
            line = pen.line(level, event, {**self._context, **fields})
        pen.output.put(line, urgent=level in _URGENT)

    def _new_head(self, form: Format[_Head], known: tuple[str, ...]) -> _Head | None:
        """What lines of this level, event and fields start with; None where their values need a look one by one."""
        level, event, *keys = known
        if type(event) is not str or not _RESERVED.isdisjoint({*keys, *self._context}):
            return None
        if any(key in self._context or is_secret(key) or safe_text(key) != key for key in keys):
            return None
        try:
            head = form.head(level, safe_text(event), _safe(self._context))
        except Exception:  # noqa: BLE001  a bound value that cannot be printed: `Pen.line` says so in the line
            return None
        if len(self._heads) >= _KEPT:
            self._heads.clear()
        self._heads[known] = head
        return head

    def log(self, level: int, event: str, *args: Any, **fields: Any) -> None:
        """Write at a level that is a number of `logging`."""
        if level >= self.least:
            self.write(logging.getLevelName(level).lower(), event % args if args else event, fields)

    def is_enabled_for(self, level: int) -> bool:
        """Whether events of this level are written."""
        return level >= self.least

    def get_effective_level(self) -> int:
        """The least level that is written."""
        return self.least


def make_logger(pen: Pen) -> type[Logger]:
    """A class of loggers of its own: what `set_level` does to it counts for all loggers that are made of it."""
    return type("Logger", (Logger,), {"pen": pen, "least": 0})


def set_level(logger: type[Logger], level: str) -> None:
    """Write events from `level` up, from now on and in every logger of this class; the rest does nothing at all."""
    logger.least = LEVELS[level]
    for name, number in LEVELS.items():
        setattr(logger, name, _method(name) if number >= logger.least else _nothing)
    for alias, name in _ALIASES.items():
        setattr(logger, alias, getattr(logger, name))
    setattr(logger, "exception", _exception if LEVELS["error"] >= logger.least else _nothing)  # noqa: B010  mypy: it is declared nowhere


def _method(level: str) -> Callable[..., None]:
    def write(self: Logger, event: str, *args: Any, **fields: Any) -> None:
        self.write(level, event % args if args else event, fields)

    return write


def _exception(self: Logger, event: str, *args: Any, **fields: Any) -> None:
    self.write("error", event % args if args else event, {"exc_info": True, **fields})


def _body(fields: dict[str, Any]) -> bytes:
    """The fields as JSON, when they are safe to print as they are; else nothing."""
    for value in fields.values():
        kind = type(value)
        if kind is not str and (kind not in _PLAIN or (kind is int and not -_LARGE < value < _LARGE)):
            return b""
    try:
        body = _encode(fields)
    except UnicodeEncodeError:  # half a surrogate pair
        return b""
    return b"" if len(body) > LONGEST or body.translate(None, _SAFE) or _PRIVATE in body else body


def _nothing(_self: Logger, _event: str, *_args: Any, **_fields: Any) -> None:
    """An event below the level."""


def _safe(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in JSON's types, bounded and printable; those that would hide time, level or event get a "_"."""
    line: dict[str, Any] = {}
    for key, value in fields.items():
        if key != "exc_info":
            name = f"{key}_" if key in _RESERVED else safe_text(key)
            line[name] = safe_value(key, value)
    error = fields.get("exc_info")
    return {**line, **_error(error)} if error else line


def _error(given: Any) -> dict[str, Any]:
    """What `exc_info` stands for: an exception, the three parts of one, or the one being handled."""
    error = given[1] if isinstance(given, tuple) else given
    error = error if isinstance(error, BaseException) else sys.exc_info()[1]
    return safe_error(error) if error is not None else {}
