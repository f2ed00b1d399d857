"""Reads what stands on the command line: durations, times, serial numbers, session ids, files. For `supervisor.cli`."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from stages.errors import Refused
from supervisor.config.values import parse_span
from supervisor.logs.safety import safe_text

STDIN: Final = "-"
_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")
_ID_START: Final = re.compile(r"[0-9a-f]{1,64}")


ID_ARGUMENT: Final = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""For a command whose argument is an id in base64url, which may begin with "-" and be no option all the same."""


class Duration(click.ParamType[int]):
    """A duration such as 30s, 12h or 90d; gives seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        try:
            return parse_span(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType[int]):
    """A time such as 2026-12-01, 2026-12-01T06:30:00Z, or unix seconds; UTC unless it says so. Gives unix seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        if re.fullmatch(r"[0-9]{1,11}", value):
            return int(value)
        try:
            found = datetime.fromisoformat(value)
            seconds = int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            seconds = -1
        if seconds < 0:
            self.fail('must be a time such as "2026-12-01" or "2026-12-01T06:30:00Z", in UTC', param, ctx)
        return seconds


def read_input(file: str, field: str, most: int) -> bytes:
    """The bytes of a file, or of standard input for "-", one more than `most` at the most; raises Refused."""
    try:
        if file == STDIN:
            return sys.stdin.buffer.read(most + 1)
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
            return opened.read(most + 1) or b""
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name has a NUL character"
        raise Refused("malformed", field, f"{safe_text(file)} cannot be read: {why}") from None


def parse_serial(text: str, field: str = "serial") -> str:
    """A serial number as it stands in the store: lower-case hex; colons, 0x and leading zeros are taken off."""
    serial = text.strip().lower().replace(":", "").removeprefix("0x").lstrip("0")
    if not _SERIAL.fullmatch(serial):
        raise Refused("malformed", field, "it must be a serial number in hex, of 20 bytes at the most")
    return serial


def parse_session(text: str, field: str = "session") -> str:
    """A session's id or its beginning: lower-case hex."""
    start = text.strip().lower()
    if not _ID_START.fullmatch(start):
        raise Refused("malformed", field, "it must be a session's id or its beginning, in hex")
    return start


def write_file(path: Path, data: bytes, field: str = "--out", mode: int = 0o644) -> None:
    """Put a file in place, whole and on disk, over one that may be there; raises Refused."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise Refused("malformed", field, f"{safe_text(str(path))} cannot be written: {error.strerror}") from None
