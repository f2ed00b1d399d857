"""The server's log: what a start found in the append-only file, and why a start failed.

For `supervisor.embedded` only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

_LINE = re.compile(r"^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ (?P<mark>[#*.-]) (?P<text>.*)$")
_TAIL = 5
_LOG_LIMIT: Final = 1 << 20


class AofReport(NamedTuple):
    """What the last start found in the append-only file.

    Attributes:
        truncated: a write that was never finished stood at its end and was cut off; nothing that was
            acknowledged is lost by that.
        lost: how many bytes were cut off.
        seconds: how long it took to read.
        lines: the server's own words about it.
    """

    truncated: bool = False
    lost: int = 0
    seconds: float = 0.0
    lines: tuple[str, ...] = ()


def open_log(log: Path) -> int:
    """A file descriptor at the log's end, for a server that starts; a log over 1 MiB is set aside first (`.log.1`).

    Raises OSError.
    """
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def read_from(log: Path, offset: int) -> list[str]:
    """The server's log lines from a byte offset on, without their dates, printable."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode("utf-8", "replace")
    lines = [found["mark"] + " " + found["text"] if (found := _LINE.match(row)) else row for row in text.split("\n")]
    return ["".join(char if char.isprintable() else "?" for char in line) for line in lines if line.strip()]


def tail(lines: list[str]) -> str:
    """The last lines of a failed start, on one line; the usual advice about the kernel is left out."""
    kept = [line.removeprefix("# ").removeprefix("* ") for line in lines if "vm.overcommit" not in line]
    return " | ".join(kept[-_TAIL:])


def aof_report(lines: list[str], sizes: dict[str, int]) -> AofReport:
    """What `lines` say about the append-only files whose sizes in bytes were `sizes` before the start."""
    about = tuple(line[2:] for line in lines if line.startswith("# ") and "AOF" in line)
    lost = 0
    for line in about:
        if found := re.search(r"Truncating the AOF (\S+) at offset (\d+)", line):
            lost += max(0, sizes.get(found[1], 0) - int(found[2]))
    took = [found for line in lines if (found := re.search(r"loaded from append only file: ([\d.]+) sec", line))]
    return AofReport(
        truncated=any("Truncating the AOF" in line for line in about),
        lost=lost,
        seconds=float(took[-1][1]) if took else 0.0,
        lines=about,
    )
