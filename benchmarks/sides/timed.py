"""The program itself, with its doors wrapped so that each part's CPU time is counted. Not used where speed is measured.

`python -m benchmarks.sides.timed CONFIG REPORT` runs the program until SIGTERM, then writes JSON: CPU seconds by part,
counted from the moment it is ready, each without what the parts inside it took. What is in no part is the event loop.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import stages.certifying
import stages.issue
from stages.challenges.resolving import DnsResolver
from stages.challenges.validators import Validators
from stages.done import Done
from stages.issue import Issue
from stages.makechallenge import MakeChallenge
from stages.store.batch import Reader
from stages.store.lease import Lease
from stages.store.store import Store
from stages.testchallenge import TestChallenge
from supervisor.acme import door, finalizing
from supervisor.acme.front import Front
from supervisor.acme.key_cache import KeyCache
from supervisor.acme.nonces import Nonces
from supervisor.http.protocol import Connection
from supervisor.lifecycle import program
from supervisor.lifecycle import run as lifecycle
from supervisor.logs.outlet.output import Output
from supervisor.pipeline import runner
from supervisor.pipeline.committer import Committer

_now = time.thread_time_ns


class Clock:
    """CPU nanoseconds by part; the innermost part that is at work is charged."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._stack: list[str] = []
        self._since = 0
        self.began = 0

    def enter(self, part: str) -> None:
        """The part begins to work."""
        now = _now()
        if self._stack:
            self.spent[self._stack[-1]] += now - self._since
        self._stack.append(part)
        self._since = now

    def leave(self) -> None:
        """It pauses or ends."""
        now = _now()
        self.spent[self._stack.pop()] += now - self._since
        self._since = now

    def function(self, part: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        """Charge a plain function."""

        @functools.wraps(inner)
        def timed(*args: Any, **named: Any) -> Any:
            self.calls[part] += 1
            self.enter(part)
            try:
                return inner(*args, **named)
            finally:
                self.leave()

        return timed

    def coroutine(self, part: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        """Charge a coroutine function for each of its steps, and not for its waits."""

        @functools.wraps(inner)
        async def timed(*args: Any, **named: Any) -> Any:
            self.calls[part] += 1
            return await _Steps(self, part, inner(*args, **named))

        return timed


class _Steps:
    """Drives a coroutine step by step."""

    def __init__(self, clock: Clock, part: str, inner: Any) -> None:
        self._clock = clock
        self._part = part
        self._inner = inner

    def __await__(self) -> Generator[Any, Any, Any]:
        step, value = self._inner.send, None
        while True:
            self._clock.enter(self._part)
            try:
                waited_for = step(value)
            except StopIteration as end:
                return end.value
            finally:
                self._clock.leave()
            try:
                step, value = self._inner.send, (yield waited_for)
            except BaseException as error:  # noqa: BLE001  cancellation goes where it belongs: into the coroutine
                step, value = self._inner.throw, error


def wrap(clock: Clock) -> None:
    """Put the clock at every door."""
    method, function = clock.coroutine, clock.function
    steps: list[tuple[Any, str, str]] = [
        (Validators, "validate", "probes"),
        (DnsResolver, "_lookup", "dns"),
        (Store, "group", "store"),
        (Store, "script", "store"),
        (Reader, "_serve", "store"),
        (Reader, "_ask", "store"),
        (Lease, "renew", "store"),
        (MakeChallenge, "__call__", "stages"),
        (TestChallenge, "__call__", "stages"),
        (Issue, "__call__", "stages"),
        (Done, "__call__", "stages"),
        (Committer, "_exchange", "machinery"),
        (Connection, "_work", "http"),
        (Front, "_handle", "acme"),
    ]
    for owner, name, part in steps:
        setattr(owner, name, method(part, getattr(owner, name)))
    plain: list[tuple[Any, str, str]] = [
        (Connection, "data_received", "http"),
        (Connection, "_reply", "http"),
        (KeyCache, "of", "jws"),
        (Nonces, "check", "jws"),
        (Nonces, "redeem", "jws"),
        (Nonces, "issue", "jws"),
        (finalizing, "_check", "crypto"),
    ]
    plain += [(door, name, "jws") for name, _ in _from("supervisor.acme.jose", door)]
    for owner, name, part in plain:
        setattr(owner, name, function(part, getattr(owner, name)))
    runner.work = method("machinery", runner.work)
    for module in (stages.issue, stages.certifying):
        for name, inner in _from("stages.ca", module):
            setattr(module, name, function("crypto", inner))
    inner_run = lifecycle._run  # noqa: SLF001  wrapped from outside

    async def run(*args: Any) -> None:
        import structlog  # noqa: PLC0415  after its set-up

        logger = structlog.get_config()["wrapper_class"]
        logger.write = function("logs", logger.write)
        Output.write = function("logs", Output.write)  # type: ignore[method-assign]  # wrapped from outside
        await inner_run(*args)

    lifecycle._run = run  # type: ignore[assignment]  # noqa: SLF001  wrapped from outside
    ready = program.Program._ready  # noqa: SLF001  wrapped from outside

    async def begin(self: program.Program) -> None:
        await ready(self)
        clock.spent.clear()
        clock.calls.clear()
        clock.began = time.process_time_ns()

    program.Program._ready = begin  # type: ignore[method-assign]  # noqa: SLF001  wrapped from outside


def _from(package: str, module: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    found = vars(module).items()
    return [
        (name, thing)
        for name, thing in found
        if getattr(thing, "__module__", "").startswith(package) and callable(thing) and not isinstance(thing, type)
    ]


def main() -> None:
    """Run the program, then say what it cost."""
    config, report = Path(sys.argv[1]), Path(sys.argv[2])
    clock = Clock()
    wrap(clock)
    code = lifecycle.run(config, os.environ)
    whole = time.process_time_ns() - clock.began
    spent = {part: nanoseconds / 1e9 for part, nanoseconds in clock.spent.items()}
    report.write_text(json.dumps({"whole": whole / 1e9, "spent": spent, "calls": dict(clock.calls)}))
    sys.exit(code)


if __name__ == "__main__":
    main()
