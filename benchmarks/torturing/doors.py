"""Numbers the steps of a program by its own doors, and kills it with SIGKILL at one of them. For `launcher` only.

A door is whatever leads out of the process: a command to the store and its reply, a change of a file, a socket, a wait
for the network, a thread, a child. Doors are wrapped from outside, so a new step of the program is found by itself.
A step is "name#n": the n-th time that a door is passed, passed twice running being one step. It has two points, before
and after the door's own work; a reply has only "after", since before it is after the command.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any

BEFORE, AFTER = "before", "after"

_write, _open, _kill = os.write, os.open, os.kill


def append(path: str, line: str) -> None:
    """Add a line to a file, whole, whatever happens next."""
    descriptor = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


class Doors:
    """Counts what passes. `trace` is a file for the points that were passed; the process ends at the point `target`."""

    def __init__(self, trace: str, target: str) -> None:
        self._trace = trace
        self._target = target
        self._counts: Counter[str] = Counter()
        self._last = ""
        self._matched = 0

    def enter(self, name: str, *, only_after: bool = False) -> str:
        """The step that begins now."""
        if name != self._last:
            self._counts[name] += 1
            self._last = name
        step = f"{name}#{self._counts[name]}"
        if not only_after:
            self._point(step, BEFORE)
        return step

    def leave(self, step: str) -> None:
        """The door's work of this step is done."""
        self._point(step, AFTER)

    def _point(self, step: str, when: str) -> None:
        point = f"{step}:{when}"
        if self._trace:
            append(self._trace, point)
        if self._is_target(step, point):
            _kill(os.getpid(), signal.SIGKILL)

    def _is_target(self, step: str, point: str) -> bool:
        """Targets are points, or "pattern~n:after": the n-th point of that kind whose name matches."""
        pattern, _, wanted = self._target.rpartition("~")
        if not pattern:
            return point == self._target
        number, _, when = wanted.partition(":")
        if point.endswith(f":{when}") and fnmatchcase(step.rpartition("#")[0], pattern):
            self._matched += 1
        return self._matched == int(number)

    def call(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """A door that is a function; `name` makes the step's name of the same arguments, "" for what is no step."""

        @wraps(function)
        def door(*args: Any, **kwargs: Any) -> Any:
            said = name(*args, **kwargs)
            if not said:
                return function(*args, **kwargs)
            step = self.enter(said)
            result = function(*args, **kwargs)
            self.leave(step)
            return result

        return door

    def wait(self, function: Callable[..., Awaitable[Any]], name: Callable[..., str]) -> Callable[..., Awaitable[Any]]:
        """A door that is a coroutine function."""

        @wraps(function)
        async def door(*args: Any, **kwargs: Any) -> Any:
            step = self.enter(name(*args, **kwargs))
            result = await function(*args, **kwargs)
            self.leave(step)
            return result

        return door
