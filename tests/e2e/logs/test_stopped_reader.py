"""A reader of standard output that stops reading costs log lines, and no certificate and no time."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from tests.harness.audit import audit_done
from tests.harness.process import Program
from tests.harness.site import site


class Fifo:
    """A FIFO that a program writes to, read when the test wants it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._text = b""

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line that was read so far."""
        return [json.loads(line) for line in self._text.rpartition(b"\n")[0].splitlines()]

    def read(self) -> None:
        """Read what is there; nothing while no writer has opened it, and nothing after the last has closed it."""
        try:
            while got := os.read(self._fd, 1 << 20):
                self._text += got
        except BlockingIOError:
            return

    async def until(self, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Read until the lines are enough; AssertionError when they are not in time."""
        deadline = time.monotonic() + 30
        self.read()
        while not enough(self.lines()):
            assert time.monotonic() < deadline, self.lines()[-20:]
            await anyio.sleep(0.02)
            self.read()

    def close(self) -> None:
        """Stop reading for good."""
        os.close(self._fd)

    def program(self, config: Path) -> Program:
        """The program, with this as its standard output."""
        run = [sys.executable, "-m", "supervisor", "run", "--config", str(config)]
        return Program(config, argv=["sh", "-c", 'exec "$@" >"$0"', str(self.path), *run])


def named(event: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of an event."""
    return [line for line in lines if line["event"] == event]


@pytest.mark.anyio
async def test_reader_that_stops_costs_lines_and_no_certificate(tmp_path: Path) -> None:
    """300 sessions are issued while nobody reads; a reader that comes back is told how many lines it has missed."""
    fifo = Fifo(tmp_path / "stdout")
    async with site(tmp_path, '[logs]\nformat = "json"\nbacklog = "64KiB"\n') as ca:
        with fifo.program(ca.config) as program:
            await fifo.until(lambda lines: bool(named("supervisor.ready", lines)))
            sessions = await ca.submit(300)
            await ca.until_done(300)
            await fifo.until(lambda lines: bool(named("logs.dropped", lines)))
            before = fifo.lines()
            [last] = await ca.submit(1)
            await fifo.until(lambda lines: any(line["session"] == last for line in named("certificate.issued", lines)))
            await audit_done(ca, [*sessions, last], [])
            program.signal(signal.SIGTERM)
            await fifo.until(lambda lines: bool(named("supervisor.stopped", lines)))
            assert await to_thread.run_sync(program.end) == 0
            lines = fifo.lines()
    fifo.close()
    dropped = sum(line["lines"] for line in named("logs.dropped", lines))
    missing = 301 - len(named("certificate.issued", lines))
    assert dropped >= missing > 0
    assert [line["level"] for line in before if line["level"] != "info"] == ["warning"]
    assert program.other == []


@pytest.mark.anyio
async def test_reader_that_ends_costs_all_lines_and_no_certificate(tmp_path: Path) -> None:
    """A pipe that nobody will ever read again is not written to; the program works on and stops as told."""
    fifo = Fifo(tmp_path / "stdout")
    async with site(tmp_path, '[logs]\nformat = "json"\n') as ca:
        with fifo.program(ca.config) as program:
            await fifo.until(lambda lines: bool(named("supervisor.ready", lines)))
            fifo.close()
            sessions = await ca.submit(20)
            await ca.until_done(20)
            await audit_done(ca, sessions, [])
            assert await to_thread.run_sync(program.stop) == 0
    assert program.other == []
