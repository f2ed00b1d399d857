"""One warning, and the list of those that hold now. Pure; `supervisor.warnings` makes them, those above may read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Severity(StrEnum):
    """How soon somebody has to do something: `warning` in days, `error` now."""

    WARNING = "warning"
    ERROR = "error"


class Concern(msgspec.Struct, frozen=True):
    """One warning.

    Attributes:
        name: which rule raised it, such as "disk_space"; docs/warnings.md lists them.
        severity: see `Severity`.
        subject: which of several things it is about, "" where there is only one.
        text: one sentence for a person: what was seen and what to do.
        since: unix time at which it was first seen.
    """

    name: str
    severity: Severity
    subject: str
    text: str
    since: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same warning as another one: text and severity may change meanwhile."""
        return self.name, self.subject


Found = Mapping[str, Sequence[Concern] | None]
"""What each rule says, by its name: its warnings, or None where nothing can be known now."""


class Changes(NamedTuple):
    """What one look changed: raised (or grown to an error), and cleared."""

    raised: tuple[Concern, ...]
    cleared: tuple[Concern, ...]


class Warnings:
    """The warnings that hold now, in the order of rules.

    `before` are those of an earlier run of the program: they keep their `since`, and one that is gone is cleared.

    Attributes:
        current: what holds now; read it at any time.
    """

    def __init__(self, before: Iterable[Concern] = ()) -> None:
        self.current: tuple[Concern, ...] = ()
        self._known = tuple(before)
        self._shown: dict[tuple[str, str], Severity] = {}

    @property
    def known(self) -> tuple[Concern, ...]:
        """As `current`, and before the first look those of the earlier run: what a rule's hysteresis goes by."""
        return self._known

    def update(self, found: Found) -> Changes:
        """Take what the rules say now; a rule that says None changes nothing."""
        before = {concern.key: concern for concern in self._known}
        now: dict[tuple[str, str], Concern] = {}
        for name, concerns in found.items():
            for concern in [each for each in self._known if each.name == name] if concerns is None else concerns:
                old = before.get(concern.key, concern)
                now[concern.key] = msgspec.structs.replace(concern, since=min(old.since, concern.since))
        raised = tuple(concern for concern in now.values() if self._is_news(concern))
        cleared = tuple(concern for key, concern in before.items() if key not in now)
        self._shown = {key: concern.severity for key, concern in now.items()}
        self._known = self.current = tuple(now.values())
        return Changes(raised, cleared)

    def _is_news(self, concern: Concern) -> bool:
        return grown(self._shown.get(concern.key), concern.severity)


def grown(before: Severity | None, after: Severity) -> bool:
    """Whether a warning is new, or has become an error."""
    return before is None or (before is Severity.WARNING and after is Severity.ERROR)
