"""Sets up structlog: JSON lines, or coloured text on a terminal. The program calls `setup` once, at start.

Modules log with `structlog.get_logger()` and an event of `supervisor.logs.events`; ids are bound once
(`log.bind(session=...)`). Every value is made safe on its way out (`supervisor.logs.safety`).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from supervisor.logs.output import Output
from supervisor.logs.safety import HIDDEN, is_secret, safe_error, safe_text, safe_value

_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}
_METHODS: Final = (
    "debug",
    "info",
    "warning",
    "warn",
    "error",
    "critical",
    "fatal",
    "msg",
    "log",
    "exception",
)
_AS_IT_IS: Final = frozenset({float, bool})
_EVENT_WIDTH: Final = 24

_Render = Callable[[str, dict[str, Any]], bytes]


class Logs:
    """The log set-up in effect. `close` gives the standard library's logging back."""

    def __init__(self, output: Output, wrapper: type[FilteringBoundLogger], handler: _Library) -> None:
        self._output = output
        self._wrapper = wrapper
        self._handler = handler

    def set_level(self, level: str) -> None:
        """Write events from `level` up, from now on and in every logger that exists; below is a no-op."""
        source = structlog.make_filtering_bound_logger(level)
        for name in (*_METHODS, "is_enabled_for", "get_effective_level"):
            setattr(self._wrapper, name, getattr(source, name))
        logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))

    def flush(self, seconds: float = 1.0) -> None:
        """Wait at most `seconds` for lines that standard output has not taken yet."""
        self._output.flush(seconds)

    def close(self) -> None:
        """Flush, and undo what `setup` did."""
        self.flush()
        logging.getLogger().removeHandler(self._handler)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def setup(level: str, form: str, *, fd: int = 1, clock: Callable[[], float] = time.time) -> Logs:
    """Log to a file descriptor.

    Args:
        level: "debug", "info", "warning" or "error".
        form: "json", "console", or "auto": console on a terminal, JSON elsewhere.
        fd: where lines go; standard output.
        clock: unix seconds.
    """
    is_terminal = _is_terminal(fd)
    stamp = _stamper(clock)
    console = form == "console" or (form == "auto" and is_terminal)
    finish = _console(colours=is_terminal) if console else _json()

    def render(_: Any, method: str, event: MutableMapping[str, Any]) -> bytes:
        level = "error" if method == "exception" else method
        try:
            return finish(stamp(), _line(level, event))
        except Exception as error:  # noqa: BLE001  a value that cannot be printed must not stop the work
            failed = {
                "level": level,
                "event": safe_text(str(event.get("event"))),
                "unprintable": type(error).__name__,
            }
            return finish(stamp(), failed)

    def lost(lines: int) -> bytes:
        return finish(stamp(), {"level": "warning", "event": "logs.dropped", "lines": lines})

    class Logger(structlog.make_filtering_bound_logger("debug")):  # type: ignore[misc]  # one class, so that
        """The class of every logger: changing its methods changes the level everywhere."""

    output = Output(fd, lost)
    structlog.configure(
        processors=[render],
        wrapper_class=Logger,
        context_class=dict,
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )
    handler = _Library()
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(capture=True)
    logs = Logs(output, Logger, handler)
    logs.set_level(level)
    return logs


class _Library(logging.Handler):
    """What libraries say through `logging` (such as asyncio's warnings) becomes the event library.message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  a library's wrong format string is its own fault
            message = str(record.msg)
        log = structlog.get_logger()
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        log.log(level, "library.message", library=record.name, message=message, exc_info=record.exc_info)


def _line(level: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"level": level, "event": safe_text(str(event["event"]))}
    error = None
    for key, value in event.items():
        if key == "exc_info":
            error = value
        elif key != "event":
            name, secret, kind = *_field(key), type(value)
            if secret:
                line[name] = HIDDEN
            elif kind in _AS_IT_IS:
                line[name] = value
            else:
                line[name] = safe_text(value) if kind is str else safe_value(key, value)
    if error:
        line |= _error(error)
    return line


@lru_cache(maxsize=1024)
def _field(key: str) -> tuple[str, bool]:
    """A field's name as it is printed, and whether its value is not; keys are few, so the answer is kept."""
    return safe_text(key), is_secret(key)


def _error(given: Any) -> dict[str, Any]:
    """What `exc_info` stands for: an exception, the three parts of one, or the one being handled."""
    error = given[1] if isinstance(given, tuple) else given
    error = error if isinstance(error, BaseException) else sys.exc_info()[1]
    return safe_error(error) if error is not None else {}


def _stamper(clock: Callable[[], float]) -> Callable[[], str]:
    """A clock that gives "2012-07-06T14:45:26.123Z"; a second's text is made once."""
    second, text = -1, ""

    def stamp() -> str:
        nonlocal second, text
        now = clock()
        whole = int(now)
        if whole != second:
            second, text = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return f"{text}.{int((now - whole) * 1000):03d}Z"

    return stamp


def _json() -> _Render:
    encode = msgspec.json.Encoder().encode

    def finish(stamp: str, line: dict[str, Any]) -> bytes:
        return b'{"time":"%b",%b\n' % (stamp.encode(), encode(line)[1:])

    return finish


def _console(*, colours: bool) -> _Render:
    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colours else text

    def finish(stamp: str, line: dict[str, Any]) -> bytes:
        level, event = line.pop("level"), line.pop("event")
        trace = line.pop("trace", [])
        fields = " ".join(f"{paint(key, '36')}={_plain(value)}" for key, value in line.items())
        head = f"{paint(stamp[11:23], '2')} {paint(f'{level:8}', _COLOURS.get(level, '0'))}"
        rows = [f"{head} {paint(f'{event:{_EVENT_WIDTH}}', '1')} {fields}".rstrip()]
        rows += [f"    {frame}" for frame in trace]
        return ("\n".join(rows) + "\n").encode("utf-8", "backslashreplace")

    return finish


def _plain(value: Any) -> str:
    if isinstance(value, str) and value and not set(' "=') & set(value):
        return value
    return msgspec.json.encode(value).decode()


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
