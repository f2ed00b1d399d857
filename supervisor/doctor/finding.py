"""What a check found. For `supervisor.doctor` and those who show it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is: nothing to do, good to know, to be mended soon, to be mended first."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True):
    """One finding: what was looked at, how bad it is, what was seen, and what to do about it ("" for nothing)."""

    check: str
    level: Level
    seen: str
    advice: str = ""


def ok(check: str, seen: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, seen)


def note(check: str, seen: str, advice: str = "") -> Finding:
    """Good to know."""
    return Finding(check, Level.NOTE, seen, advice)


def warning(check: str, seen: str, advice: str) -> Finding:
    """To be mended soon."""
    return Finding(check, Level.WARNING, seen, advice)


def error(check: str, seen: str, advice: str) -> Finding:
    """To be mended before the CA is trusted."""
    return Finding(check, Level.ERROR, seen, advice)
