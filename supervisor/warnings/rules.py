"""The rules: from the facts of one look to warnings. Pure; `supervisor.warnings.looking` asks them.

No rule flaps: what was raised below a limit is cleared only where it is a tenth beyond it, and a round through the
certificates counts as a whole. Each rule has one name, under which all its warnings stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from supervisor.config.notices import Warnings as Limits
from supervisor.warnings.concern import Concern, Severity
from supervisor.warnings.facts import Disk, Facts, Validity
from supervisor.warnings.wording import called, ends, size, span

ROOM: Final = 0.1
"""The part of a limit that a value must be beyond it before a warning is cleared."""
_LATE: Final = 600
"""Seconds for which a CRL may be due before that is warned of: the program looks each minute."""
_EIGHTH: Final = 8

Before = Mapping[tuple[str, str], Severity]
"""The severity of what was raised before, by name and subject."""
Rule = Callable[[Facts, Limits, Before], Sequence[Concern] | None]


def judge(facts: Facts, limits: Limits, known: Iterable[Concern]) -> dict[str, Sequence[Concern] | None]:
    """What every rule says, by its name; `known` are the warnings that held at the look before."""
    before = {concern.key: concern.severity for concern in known}
    return {name: rule(facts, limits, before) for name, rule in RULES.items()}


def level(value: float, warning: float, error: float, before: Severity | None) -> Severity | None:
    """How bad a value is that should not be small; None above `warning`."""
    if value < error * (1 + ROOM if before is Severity.ERROR else 1):
        return Severity.ERROR
    if value < warning * (1 + ROOM if before else 1):
        return Severity.WARNING
    return None


def issuer_expiry(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:
    """A CA certificate of the chain comes to its end: nothing issued can outlive it."""
    text = "make a new one in time; what it issues is shortened to its end"
    return _expiry("issuer_expiry", facts.chain, facts.now, limits.issuer_expiry, before, text)


def door_expiry(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:
    """The ACME server's certificate comes to its end: clients then refuse to talk to it."""
    text = (
        "put a new one in place; one of the CA's own should have been renewed by now: look for door.certificate_failed"
    )
    return _expiry("door_expiry", facts.door, facts.now, limits.door_expiry, before, text)


def _expiry(
    name: str, seen: tuple[Validity, ...] | None, now: int, limit: int, before: Before, advice: str
) -> Sequence[Concern] | None:
    if seen is None:
        return None
    found: dict[str, Concern] = {}
    for one in seen if limit else ():
        most = min(limit, (one.not_after - one.not_before) // 4)
        severity = level(one.not_after - now, most, most / 6, before.get((name, one.subject)))
        if severity:
            text = f"{one.subject} {ends(one.not_after, now)}: {advice}"
            found[one.subject] = Concern(name, severity, one.subject, text, now)
    return list(found.values())


def crl(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:  # noqa: ARG001  a rule's signature
    """The CRL was not renewed when it was due, cannot be read, or lacks what was revoked."""
    look, name = facts.crl, "crl"
    if look is None:
        return None
    found, advice = [], "see crl.failed in the logs; `ca-supervisor crl --write` writes one"
    if look.problem:
        found.append(Concern(name, Severity.ERROR, "file", f"{look.file}: {look.problem}; {advice}", facts.now))
    else:
        due = max(look.renew_before - _LATE, look.renew_before // 2)
        severity = level(look.next_update - facts.now, due, due / 4, None)
        if severity:
            text = f"the CRL {ends(look.next_update, facts.now)} and no new one was written: {advice}"
            found.append(Concern(name, severity, "expiry", text, facts.now))
    if look.lacking:
        text = f"{look.lacking} revocations are not in {look.file}: {advice}"
        found.append(Concern(name, Severity.ERROR, "lacking", text, facts.now))
    return found


def disk_space(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:
    """The file system of data_dir is nearly full: a full one stops the store, and with it the CA."""
    disk, name = facts.disk, "disk_space"
    if disk is None:
        return None
    least = max(limits.disk_free, disk.size * limits.disk_percent // 100)
    # The store's file is written anew beside the old one.
    least = max(least, facts.store_bytes or 0) if least else 0
    severity = level(disk.free, least, least / _EIGHTH, before.get((name, "")))
    if not severity:
        return []
    text = f"{disk.folder} has {size(disk.free)} free of {size(disk.size)}: make room, a full disk stops the CA"
    return [Concern(name, severity, "", text, facts.now)]


def disk_inodes(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:
    """The file system of data_dir has few inodes left: then no file can be made, however much room there is."""
    disk, name = facts.disk, "disk_inodes"
    if disk is None:
        return None
    least = _inodes_wanted(disk, limits)
    severity = level(disk.free_inodes, least, least / _EIGHTH, before.get((name, "")))
    if not severity:
        return []
    text = f"{disk.folder} has {disk.free_inodes} inodes free of {disk.inodes}: remove small files"
    return [Concern(name, severity, "", text, facts.now)]


def _inodes_wanted(disk: Disk, limits: Limits) -> float:
    return disk.inodes * limits.disk_percent / 100


def clock_jumped(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:  # noqa: ARG001  as above
    """The clock was set, or is behind what the store has seen: validities and deadlines are taken from it."""
    if facts.jump is None:
        return None
    if abs(facts.jump) < limits.clock_jump:
        return []
    way = "forwards" if facts.jump > 0 else "backwards"
    text = (
        f"the clock went {span(round(abs(facts.jump)))} {way}: see that it is right now (NTP), and read"
        ' "Clock jumps" in docs/operation.md'
    )
    return [Concern("clock_jumped", Severity.ERROR, "", text, facts.now)]


def clock_differs(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:
    """The store's clock is not ours: leases and the ends of what is kept go by the store's."""
    name = "clock_differs"
    if facts.differs is None:
        return None
    most = limits.clock_differs * (1 - ROOM if (name, "") in before else 1)
    if not most or abs(facts.differs) <= most:
        return []
    way = "ahead of" if facts.differs > 0 else "behind"
    text = f"the store's clock is {span(abs(facts.differs))} {way} this machine's: see that both are kept right (NTP)"
    return [Concern(name, Severity.WARNING, "", text, facts.now)]


def undelivered(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:  # noqa: ARG001  as above
    """A certificate was issued and nobody has fetched it: its client may have given up, or never have asked for it."""
    seen = facts.certificates
    if seen is None or not limits.undelivered:
        return seen if seen is None else []
    advice = "see `ca-supervisor certificates --undelivered`; revoke it, or say `thanks` for its session"
    found = [
        Concern("undelivered", Severity.WARNING, one.serial, f"{called(one)} was never fetched: {advice}", facts.now)
        for one in seen.undelivered
    ]
    return found + _others("undelivered", seen.undelivered_count - len(seen.undelivered), "were never fetched", facts)


def unrenewed(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:  # noqa: ARG001  as above
    """A certificate comes to its end, and its account has no later one for the same names."""
    seen = facts.certificates
    if seen is None or not limits.unrenewed:
        return seen if seen is None else []
    found = []
    for one in seen.unrenewed:
        last = (one.not_after - facts.now) * 4 < min(limits.unrenewed, (one.not_after - one.not_before) // 6)
        severity = Severity.ERROR if last else Severity.WARNING
        text = f"{called(one)} {ends(one.not_after, facts.now)} and was not renewed: see to its client"
        found.append(Concern("unrenewed", severity, one.serial, text, facts.now))
    return found + _others("unrenewed", seen.unrenewed_count - len(seen.unrenewed), "were not renewed", facts)


def store_weak(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:  # noqa: ARG001  as above
    """The store promises less than it should: what clients were told can be lost."""
    if facts.weak is None:
        return None
    return [Concern("store_weak", Severity.ERROR, reason, f"store: {reason}", facts.now) for reason in facts.weak]


def store_size(facts: Facts, limits: Limits, before: Before) -> Sequence[Concern] | None:
    """The embedded store's files are large: it keeps all of it in memory, and reads all of it at a start."""
    name = "store_size"
    if facts.store_bytes is None:
        return None
    most = limits.store_file * (1 - ROOM if (name, "") in before else 1)
    if not most or facts.store_bytes < most:
        return []
    text = (
        f"the embedded store's files have {size(facts.store_bytes)}: shorten sessions.keep or done.certificates_keep,"
        " or give it a server of its own (store.url)"
    )
    return [Concern(name, Severity.WARNING, "", text, facts.now)]


def _others(name: str, more: int, what: str, facts: Facts) -> list[Concern]:
    if more <= 0:
        return []
    return [Concern(name, Severity.WARNING, "others", f"{more} further certificates {what}", facts.now)]


RULES: Final[dict[str, Rule]] = {
    rule.__name__: rule
    for rule in (
        issuer_expiry,
        door_expiry,
        crl,
        disk_space,
        disk_inodes,
        clock_jumped,
        clock_differs,
        undelivered,
        unrenewed,
        store_weak,
        store_size,
    )
}
"""Every rule by its name, which is that of its warnings."""
