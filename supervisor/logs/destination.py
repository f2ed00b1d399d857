"""What `logs.to` and `logs.format` stand for: a sink and the form of its lines. For `supervisor.logs.setup` only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervisor.logs.formats import Format
from supervisor.logs.formats.ecs import Ecs
from supervisor.logs.formats.journal import Journal
from supervisor.logs.formats.json_lines import JsonLines
from supervisor.logs.formats.text import Console, Logfmt
from supervisor.logs.outlet.file import LogFile
from supervisor.logs.outlet.journald import SOCKET, Journald
from supervisor.logs.outlet.sink import Sink
from supervisor.logs.outlet.stream import Stream


def find_sink(to: str, fd: int = 1, environ: Mapping[str, str] = os.environ, journal: Path = SOCKET) -> Sink:
    """The destination of a setting, opened. Raises Refused ("logs.to").

    Args:
        to: logs.to.
        fd: what standard output is.
        environ: where JOURNAL_STREAM is looked for.
        journal: where journald listens.
    """
    if to == "auto":
        # A unit can have a /run of its own, where the stream works and the socket is missing.
        to = "journald" if is_journal(fd, environ) and journal.exists() else "stdout"
    if to == "stdout":
        return Stream(fd)
    return Journald(journal) if to == "journald" else LogFile(Path(to))


def find_form(name: str, sink: Sink) -> Format[Any]:
    """The form of a setting, as it suits the destination: a terminal gets colours, the journal no second time."""
    if isinstance(sink, Journald):
        return Journal(_form(name, bare=True))
    if type(sink) is Stream and sink.is_terminal():
        return _form("console" if name == "auto" else name, colours=True)
    return _form(name)


def is_journal(fd: int, environ: Mapping[str, str]) -> bool:
    """Whether a descriptor is the journal's: JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _form(name: str, *, colours: bool = False, bare: bool = False) -> Format[Any]:
    match name:
        case "console":
            return Console(colours=colours, bare=bare)
        case "logfmt":
            return Logfmt(bare=bare)
        case "ecs":
            return Ecs()
        case _:
            return JsonLines()
