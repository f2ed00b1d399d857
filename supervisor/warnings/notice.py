"""A notice: everything that one channel is owed at a moment, and how it reads. Pure; the channels send it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from supervisor.logs.safety import safe_text
from supervisor.warnings.concern import Concern, Severity, grown

TEST: Final = "this is a test: somebody has called `ca-supervisor warnings --test`"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, as JSON has it.

    Attributes:
        version: of this form.
        ca: the issuer's id (ca.name), host: where the program runs.
        time: unix seconds.
        test: whether nothing has happened and somebody only looks whether notices arrive.
        raised: what is new, or has become an error. cleared: what is over.
        current: everything that holds now.
    """

    version: int = 1
    ca: str
    host: str
    time: int
    test: bool = False
    raised: tuple[Concern, ...] = ()
    cleared: tuple[Concern, ...] = ()
    current: tuple[Concern, ...] = ()


class Owed(msgspec.Struct, frozen=True):
    """What a channel was not told yet."""

    raised: tuple[Concern, ...]
    cleared: tuple[Concern, ...]

    def __bool__(self) -> bool:
        return bool(self.raised or self.cleared)


def owed(told: Iterable[Concern], current: Iterable[Concern]) -> Owed:
    """From what was told last and what holds now: what came and went between two notices is never told."""
    before = {concern.key: concern for concern in told}
    now = {concern.key: concern for concern in current}
    raised = [
        concern
        for key, concern in now.items()
        if grown(before[key].severity if key in before else None, concern.severity)
    ]
    return Owed(tuple(raised), tuple(concern for key, concern in before.items() if key not in now))


def heading(notice: Notice) -> str:
    """One line: how many came and went, the worst first."""
    errors = sum(concern.severity is Severity.ERROR for concern in notice.raised)
    counted = [
        (errors, "error", "errors"),
        (len(notice.raised) - errors, "warning", "warnings"),
        (len(notice.cleared), "cleared", "cleared"),
    ]
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in counted if count]
    return safe_text(f"{notice.ca} on {notice.host}: {', '.join(parts) or 'test'}")


def body(notice: Notice) -> str:
    """The text for people."""
    lines = [TEST, ""] if notice.test else []
    for title, concerns in (("New:", notice.raised), ("Over:", notice.cleared)):
        if concerns:
            lines += [title, *_rows(concerns), ""]
    told = {concern.key for concern in notice.raised}
    others = [concern for concern in notice.current if concern.key not in told]
    lines += ["Still so:", *_rows(others), ""] if others else []
    lines.append("What each means and what to do: docs/warnings.md. Now: `ca-supervisor warnings`.")
    return "\n".join(lines) + "\n"


def _rows(concerns: Sequence[Concern]) -> list[str]:
    return [f"- {each.severity}: {safe_text(each.text)} (since {_when(each.since)})" for each in concerns]


def _when(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"
