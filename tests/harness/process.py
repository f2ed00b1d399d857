"""The program as a process: start, wait for a log event, kill, stop. Ends only what it started."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.harness.authority import environment

ROOT = Path(__file__).parents[2]


class Program:
    """One run of `ca-supervisor run` and the log lines that it wrote.

    Attributes:
        events: its log, in order.
        other: lines that are no JSON object.
        raw: every line as it came, without its newline.
    """

    def __init__(
        self,
        config: Path,
        extra: Mapping[str, str] | None = None,
        argv: list[str] | None = None,
        *,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.events: list[dict[str, Any]] = []
        self.other: list[str] = []
        self.raw: list[bytes] = []
        self._news: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        command = argv or [sys.executable, "-m", "supervisor", "run", "--config", str(config)]
        coverage = {name: os.environ[name] for name in os.environ if name.startswith("COV")}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment({**coverage, **(extra or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.raw.append(line.removesuffix(b"\n"))
            try:
                event = json.loads(line)
                event["event"]
            except (ValueError, KeyError, TypeError):
                self.other.append(line.decode("utf-8", "backslashreplace").rstrip())
                continue
            self.events.append(event)
            self._news.put(event)
        self._news.put(None)

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def wait_for(self, name: str, seconds: float = 30.0) -> dict[str, Any]:
        """The next event of this name that was not waited for yet; AssertionError with the log when none comes."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                event = self._news.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name} within {seconds} s; log:\n{self.log()}") from None
            if event is None:
                raise AssertionError(f"the program ended ({self.process.wait()}) before {name}; log:\n{self.log()}")
            if event["event"] == name:
                return event

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of this name so far."""
        return [event for event in self.events if event["event"] == name]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()
        self._reader.join(10)

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.end(seconds)

    def end(self, seconds: float = 30.0) -> int:
        """Wait for the end; the exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the program did not end within {seconds} s; log:\n{self.log()}") from None
        self._reader.join(10)
        return code

    def log(self) -> str:
        """The last lines."""
        return "\n".join([json.dumps(event) for event in self.events[-40:]] + self.other[-60:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
