"""`logs.format = "ecs"`: the Elastic Common Schema, written by Elastic's own library. For `supervisor.logs` only.

What ECS has a name for gets that name; every other field is in `ca_supervisor`, a namespace of our own, as ECS asks for
custom fields. `message` is for people: the event and its fields.
"""

from __future__ import annotations

import os
from typing import Any, Final

from ecs_logging import StructlogFormatter

from supervisor.logs.formats.text import Logfmt
from supervisor.version import VERSION

OWN: Final = "ca_supervisor"
NAMES: Final = {
    "causes": "error.cause",
    "code": "process.exit_code",
    "file": "file.path",
    "library": "log.logger",
    "method": "http.request.method",
    "path": "url.path",
    "pid": "process.pid",
    "status": "http.response.status_code",
    "why": "event.reason",
}
"""Our fields that ECS has a name for. `error`, `trace`, `duration_ms` and `took` have another form there as well."""
_NANOSECONDS: Final = {"duration_ms": 1_000_000, "took": 1_000_000_000}
"""Nanoseconds, the unit of event.duration, in the unit of our fields."""
_FAILED: Final = frozenset({"error", "critical"})
_Given = tuple[str, str, dict[str, Any]]


class Ecs:
    """One JSON object on each line: @timestamp, log.level and message first, as the schema's logging libraries do."""

    def __init__(self) -> None:
        self._finish = StructlogFormatter()
        self._message = Logfmt(bare=True)
        self._process = os.getpid()

    def head(self, level: str, event: str, context: dict[str, Any]) -> _Given:
        """Just what is given."""
        return level, event, context

    def line(self, stamp: str, head: _Given, fields: dict[str, Any], body: bytes) -> bytes:
        """The object and a newline."""
        level, event, context = head
        given = {**context, **fields}
        message = given.pop("message", None) or self._message.line(stamp, head, fields, body).decode().rstrip("\n")
        whole: dict[str, Any] = {
            "@timestamp": stamp,
            "event": message,  # what the library makes `message` of
            "log.level": level,
            "event.action": event,
            "event.dataset": "ca-supervisor.log",
            "event.kind": "event",
            "service.name": "ca-supervisor",
            "service.version": VERSION,
            "process.pid": self._process,
        }
        if level in _FAILED:
            whole["event.outcome"] = "failure"
        own: dict[str, Any] = {}
        for key, value in given.items():
            if key in _NANOSECONDS and isinstance(value, int | float):
                whole["event.duration"] = round(value * _NANOSECONDS[key])
            elif key == "error":
                kind, _, text = str(value).partition(": ")
                whole |= {"error.type": kind, "error.message": text or kind}
            elif key == "trace":
                whole["error.stack_trace"] = "\n".join(value)
            elif key in NAMES:
                whole[NAMES[key]] = value
            else:
                own[key.replace(".", "_")] = value
        if own:
            whole[OWN] = own
        return self._finish(None, level, whole).encode() + b"\n"
