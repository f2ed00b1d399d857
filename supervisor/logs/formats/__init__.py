"""The forms that a log line can have, one file for each. For `supervisor.logs` only.

A form gets what is safe to print already. It makes the part of a line that does not change once for each event
(`head`), and the whole line each time.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

Head = TypeVar("Head")


class Format(Protocol[Head]):
    """A form of log lines."""

    def head(self, level: str, event: str, context: dict[str, Any]) -> Head:
        """The part of a line that its level, its event and the bound fields make; it is kept and used again."""
        ...

    def line(self, stamp: str, head: Head, fields: dict[str, Any], body: bytes) -> bytes:
        """A finished line.

        Args:
            stamp: its time, such as "2012-07-06T14:45:26.123Z".
            head: what `head` made.
            fields: the other fields, in JSON's types. The form must not change them.
            body: the same fields as a JSON object.
        """
        ...
