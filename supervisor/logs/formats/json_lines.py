"""`logs.format = "json"`: an object on each line. For `supervisor.logs` only."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class JsonLines:
    """Time, level, event, bound fields, other fields, in this order."""

    def head(self, level: str, event: str, context: dict[str, Any]) -> bytes:
        """The object's members but for the time and the fields, without braces."""
        return _encode({"level": level, "event": event, **context})[1:-1]

    def line(self, stamp: str, head: bytes, fields: dict[str, Any], body: bytes) -> bytes:
        """The object and a newline."""
        if fields:
            return b'{"time":"%b",%b,%b\n' % (stamp.encode(), head, body[1:])
        return b'{"time":"%b",%b}\n' % (stamp.encode(), head)
