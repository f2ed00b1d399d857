"""Sets up structlog: what a line looks like and where it goes. The program calls `setup` once, at start.

Modules log with `structlog.get_logger()` and an event of `supervisor.logs.events`; ids are bound once
(`log.bind(session=...)`). Every value is made safe on its way out (`supervisor.logs.safety`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import structlog

from supervisor.logs.destination import find_form, find_sink
from supervisor.logs.logger import Logger, Pen, make_logger, set_level
from supervisor.logs.outlet.file import LogFile
from supervisor.logs.outlet.output import BACKLOG, Output

_MOMENT = 1.0


class Logs:
    """The log set-up in effect. `close` gives the standard library's logging back."""

    def __init__(self, pen: Pen, logger: type[Logger], handler: _Library) -> None:
        self._pen = pen
        self._logger = logger
        self._handler = handler

    @property
    def dropped(self) -> int:
        """Lines that were lost since the start, because their destination was too slow, full or gone."""
        return self._pen.output.dropped

    @property
    def queued(self) -> int:
        """Bytes of lines that wait for their destination."""
        return self._pen.output.queued

    def set_level(self, level: str) -> None:
        """Write events from `level` up, from now on and in every logger that exists; below is a no-op."""
        set_level(self._logger, level)
        logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))

    def set_form(self, form: str) -> None:
        """Write lines in this form from now on: a value of logs.format."""
        self._pen.form = find_form(form, self._pen.output.sink)

    def reopen(self) -> str:
        """Open the log file again, after it was moved away; its path, or "" where the logs go elsewhere.

        Raises Refused ("logs.to") when it cannot be opened; lines go to the old file then.
        """
        output = self._pen.output
        output.write()
        if not isinstance(output.sink, LogFile):
            return ""
        output.sink.reopen()
        return str(output.sink.path)

    def flush(self, seconds: float = _MOMENT) -> None:
        """Write what waits for the end of the turn; wait at most `seconds` for a slow destination."""
        self._pen.output.flush(seconds)

    def close(self) -> None:
        """Flush, close the destination, and undo what `setup` did. Its figures stay readable."""
        self._pen.output.close(_MOMENT)
        logging.getLogger().removeHandler(self._handler)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def setup(
    level: str,
    form: str,
    to: str = "stdout",
    *,
    fd: int = 1,
    backlog: int = BACKLOG,
    clock: Callable[[], float] = time.time,
) -> Logs:
    """Log to a destination.

    Args:
        level: "debug", "info", "warning" or "error".
        form: "json", "ecs", "logfmt", "console", or "auto": console on a terminal, JSON elsewhere.
        to: "stdout", "journald", a path, or "auto": journald where standard output is the journal's.
        fd: what "stdout" is.
        backlog: bytes of lines that wait for a slow destination before lines are dropped.
        clock: unix seconds.

    Raises:
        Refused: "logs.to": there cannot be logged to.
    """
    sink = find_sink(to, fd)
    pen = Pen(find_form(form, sink), _stamper(clock))
    pen.output = Output(sink, lambda lines: pen.line("warning", "logs.dropped", {"lines": lines}), backlog)
    logger = make_logger(pen)
    structlog.configure(
        processors=[],
        wrapper_class=logger,
        context_class=dict,
        logger_factory=lambda *_: None,
        cache_logger_on_first_use=True,
    )
    handler = _Library()
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(capture=True)
    logs = Logs(pen, logger, handler)
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


def _stamper(clock: Callable[[], float]) -> Callable[[], str]:
    """A clock that gives "2012-07-06T14:45:26.123Z"; the text of a second and of a millisecond is made once."""
    second, millisecond, date, text = -1, -1, "", ""

    def stamp() -> str:
        nonlocal second, millisecond, date, text
        now = int(clock() * 1000)
        if now != millisecond:
            millisecond, whole = now, now // 1000
            if whole != second:
                second, date = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            text = f"{date}.{now - whole * 1000:03d}Z"
        return text

    return stamp
