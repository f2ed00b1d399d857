"""What a runner has done since its start, by outcome: written by it, read by the measures and the operator's views."""

from __future__ import annotations

import msgspec

from stages.outcome import Advance, Outcome, Reject, Retry, Wait

_COUNTED: dict[type[Outcome], tuple[str, str]] = {
    Advance: ("advance", "advanced"),
    Wait: ("wait", "waited"),
    Retry: ("retry", "retried"),
    Reject: ("reject", "rejected"),
}
"""The word of each outcome in the logs, and the field of the tally."""


class Tally(msgspec.Struct):
    """Attempts by their outcomes, and the seconds that they took together."""

    advanced: int = 0
    waited: int = 0
    retried: int = 0
    rejected: int = 0
    busy: float = 0.0

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.advanced + self.waited + self.retried + self.rejected

    def count(self, outcome: Outcome, took: float) -> str:
        """One more, which took so many seconds; gives the outcome's word."""
        word, field = _COUNTED[type(outcome)]
        self.busy += took
        setattr(self, field, getattr(self, field) + 1)
        return word
