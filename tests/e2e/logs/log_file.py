"""A program that logs to a file, and what has been written there. For this folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from tests.harness.process import Program

_LOOK = 0.02


def events(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a log in JSON; none where it is missing."""
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]


async def until(file: Path, enough: Callable[[list[dict[str, Any]]], bool], seconds: float = 30.0) -> None:
    """Wait until the lines in a file are enough. AssertionError with the last of them when they never are."""
    deadline = time.monotonic() + seconds
    while not enough(found := events(file)):
        assert time.monotonic() < deadline, f"not within {seconds} s; {file}: {found[-20:]}"
        await anyio.sleep(_LOOK)


def has(event: str, times: int = 1) -> Callable[[list[dict[str, Any]]], bool]:
    """Whether there are so many lines of this event."""
    return lambda found: sum(line["event"] == event for line in found) >= times


async def started(config: Path, file: Path, argv: list[str] | None = None) -> Program:
    """Start the program and wait until its log says that it is ready; `argv` runs it in some other way."""
    program = Program(config, argv=argv)
    try:
        await until(file, lambda found: has("supervisor.ready")(found) or program.process.poll() is not None)
        assert program.process.poll() is None, f"it has ended; it said {program.other}, and logged {events(file)}"
    except BaseException:
        program.__exit__()
        raise
    return program
