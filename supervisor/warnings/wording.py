"""How the texts of warnings say sizes, spans and times. Pure; for `supervisor.warnings` only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from supervisor.config.values import DAY, format_duration
from supervisor.warnings.facts import OnRecord

NAMES: Final = 3
"""Names of a certificate that are said; the rest is counted."""


def called(one: OnRecord) -> str:
    """A certificate by serial number and its first names."""
    more = len(one.names) - NAMES
    names = ", ".join(one.names[:NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"certificate {one.serial} for {names}"


def ends(at: int, now: int) -> str:
    """When something ends or has ended; unix seconds."""
    day = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"
    return f"ends in {span(at - now)}, at {day}" if at > now else f"has ended at {day}"


def span(seconds: float) -> str:
    """A duration as config.toml would have it, days in words where there are several."""
    if seconds >= 2 * DAY:
        return f"{int(seconds // DAY)} days"
    return format_duration(max(1, round(seconds)))


def size(count: int) -> str:
    """A number of bytes with one decimal."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"
