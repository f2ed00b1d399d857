"""`logs.format = "ecs"`: the Elastic Common Schema, as Elastic's own library has it. For `supervisor.logs`.

What ECS has a name for gets that name; every other field is in `ca_supervisor`, a namespace of our own, as ECS asks for
custom fields. `message` is for people: the event and its fields.
"""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

import msgspec
from ecs_logging import StructlogFormatter

from supervisor.logs.formats.text import pairs
from supervisor.version import VERSION

OWN: Final = "ca_supervisor"
NAMES: Final = {
    "causes": ("error", "cause"),
    "code": ("process", "exit_code"),
    "file": ("file", "path"),
    "library": ("log", "logger"),
    "method": ("http", "request.method"),
    "path": ("url", "path"),
    "pid": ("process", "pid"),
    "status": ("http", "response.status_code"),
    "why": ("event", "reason"),
}
"""Our fields that ECS has a name for. `error`, `trace`, `duration_ms` and `took` have another form there as well."""
_NANOSECONDS: Final = {"duration_ms": 1_000_000, "took": 1_000_000_000}
"""Nanoseconds, the unit of event.duration, in the unit of our fields."""
_FAILED: Final = frozenset({"error", "critical"})

_encode: Final = msgspec.json.Encoder().encode


class _Head(NamedTuple):
    event: str
    context: dict[str, Any]
    whole: dict[str, Any]


class Ecs:
    """One JSON object on each line: @timestamp, log.level and message first, as the schema's logging libraries do.

    The library makes a line of each event once, without the fields; they are put into a copy of it each time.
    """

    def __init__(self) -> None:
        self._library = StructlogFormatter()
        self._process = os.getpid()

    def head(self, level: str, event: str, context: dict[str, Any]) -> _Head:
        """What the library makes of the event alone."""
        given: dict[str, Any] = {
            "@timestamp": "",
            "event": "",  # the library makes `message` of it
            "log.level": level,
            "event.action": event,
            "event.dataset": "ca-supervisor.log",
            "event.kind": "event",
            "service.name": "ca-supervisor",
            "service.version": VERSION,
            "process.pid": self._process,
        }
        if level in _FAILED:
            given["event.outcome"] = "failure"
        return _Head(event, context, msgspec.json.decode(self._library(None, level, given)))

    def line(self, stamp: str, head: _Head, fields: dict[str, Any], _body: bytes) -> bytes:
        """The object and a newline."""
        given = {**head.context, **fields} if head.context else fields
        whole = {**head.whole, "@timestamp": stamp}
        whole["message"] = given["message"] if "message" in given else _sentence(head.event, given)
        own: dict[str, Any] = {}
        for key, value in given.items():
            if key in NAMES:
                _put(whole, *NAMES[key], value)
            elif key in _NANOSECONDS and type(value) in {int, float}:
                _put(whole, "event", "duration", round(value * _NANOSECONDS[key]))
            elif key == "error":
                kind, _, text = str(value).partition(": ")
                _put(whole, "error", "type", kind)
                _put(whole, "error", "message", text or kind)
            elif key == "trace":
                _put(whole, "error", "stack_trace", "\n".join(value))
            elif key != "message":
                own[key.replace(".", "_")] = value
        if own:
            whole[OWN] = own
        return _encode(whole) + b"\n"


def _put(whole: dict[str, Any], group: str, name: str, value: Any) -> None:
    """Set a field in a copy of its group; a name with a dot has a group of its own in there."""
    inner = whole[group] = dict(whole.get(group, ()))
    first, dot, rest = name.partition(".")
    if dot:
        _put(inner, first, rest, value)
    else:
        inner[name] = value


def _sentence(event: str, fields: dict[str, Any]) -> str:
    shown = {key: value for key, value in fields.items() if key != "trace"} if "trace" in fields else fields
    return f"{event} {pairs(shown)}" if shown else event
