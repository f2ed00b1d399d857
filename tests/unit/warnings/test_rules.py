"""Each rule from its facts to its warnings: at its limits, and that it does not flap."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from supervisor.config.notices import Warnings as Limits
from supervisor.warnings.concern import Concern, Severity
from supervisor.warnings.facts import Certificates, CrlLook, Disk, Facts, OnRecord, Validity
from supervisor.warnings.rules import RULES, judge

NOW = 1_800_000_000
DAY = 86_400
GIB = 1 << 30
LIMITS = Limits()


def facts(**seen: object) -> Facts:
    return msgspec.structs.replace(Facts(now=NOW), **seen)


def seen(name: str, found: Facts, limits: Limits = LIMITS, before: str = "") -> dict[str, str] | None:
    """Severity by subject; `before` is the severity that was raised before for each of them."""
    known = [Concern(name, Severity(before), subject, "", NOW - 1) for subject in ("", "CA", "a1")] if before else []
    judged = judge(found, limits, known)[name]
    return None if judged is None else {each.subject: each.severity.value for each in judged}


def validity(left: float, life: int = 3650 * DAY) -> tuple[Validity, ...]:
    return (Validity("CA", int(NOW + left - life), int(NOW + left)),)


@pytest.mark.parametrize(
    ("expected", "left", "life", "before"),
    [
        ({}, 90 * DAY, 3650 * DAY, ""),
        ({"CA": "warning"}, 90 * DAY - 1, 3650 * DAY, ""),
        ({"CA": "warning"}, 15 * DAY, 3650 * DAY, ""),
        ({"CA": "error"}, 15 * DAY - 1, 3650 * DAY, ""),
        ({"CA": "error"}, -DAY, 3650 * DAY, ""),
        ({}, 10 * DAY, 40 * DAY, ""),
        ({"CA": "warning"}, 10 * DAY - 1, 40 * DAY, ""),
        ({"CA": "warning"}, 99 * DAY - 1, 3650 * DAY, "warning"),
        ({}, 99 * DAY, 3650 * DAY, "warning"),
        ({"CA": "error"}, 16 * DAY, 3650 * DAY, "error"),
        ({"CA": "warning"}, 17 * DAY, 3650 * DAY, "error"),
    ],
)
def test_issuer_expiry_levels(expected: dict[str, str], left: int, life: int, before: str) -> None:
    """Ninety days or a quarter of its life, an error at a sixth of that; cleared a tenth beyond."""
    assert expected == seen("issuer_expiry", facts(chain=validity(left, life)), before=before)


def test_issuer_expiry_of_each_certificate() -> None:
    """Every certificate of the chain has its own warning, and a limit of 0 turns it off."""
    chain = (*validity(DAY), Validity("root", NOW - 3650 * DAY, NOW + 20 * DAY), Validity("good", NOW, NOW + 900 * DAY))
    found = facts(chain=chain)
    assert seen("issuer_expiry", found) == {"CA": "error", "root": "warning"}
    assert seen("issuer_expiry", found, Limits.model_validate({"issuer_expiry": "0s"})) == {}


@pytest.mark.parametrize(
    ("expected", "left", "life"),
    [
        ({}, 14 * DAY, 365 * DAY),
        ({"CA": "warning"}, 14 * DAY - 1, 365 * DAY),
        ({"CA": "error"}, 2 * DAY, 365 * DAY),
        ({}, 30 * DAY, 90 * DAY),
        ({"CA": "warning"}, 900 - 1, 3600),
    ],
)
def test_door_expiry_levels(expected: dict[str, str], left: int, life: int) -> None:
    """Two weeks, or a quarter of a short life."""
    assert expected == seen("door_expiry", facts(door=validity(left, life)))


@pytest.mark.parametrize(
    ("expected", "look"),
    [
        ({}, CrlLook("f", NOW + DAY - 600, DAY)),
        ({"expiry": "warning"}, CrlLook("f", NOW + DAY - 601, DAY)),
        ({"expiry": "error"}, CrlLook("f", NOW + 5 * 3600, DAY)),
        ({"expiry": "error"}, CrlLook("f", NOW - 1, DAY)),
        ({}, CrlLook("f", NOW + 30, 60)),
        ({"expiry": "warning"}, CrlLook("f", NOW + 29, 60)),
        ({"file": "error"}, CrlLook("f", 0, DAY, "no CRL")),
        ({"lacking": "error"}, CrlLook("f", NOW + 9 * DAY, DAY, lacking=1)),
    ],
)
def test_crl_that_is_late(expected: dict[str, str], look: CrlLook) -> None:
    """Ten minutes after it was due nobody has written it, or it cannot be read, or it lacks something."""
    assert expected == seen("crl", facts(crl=look))


@pytest.mark.parametrize(
    ("expected", "free", "size", "store", "before"),
    [
        ({}, GIB, 10 * GIB, 0, ""),
        ({"": "warning"}, GIB - 1, 10 * GIB, 0, ""),
        ({"": "error"}, GIB // 8 - 1, 10 * GIB, 0, ""),
        ({}, 5 * GIB, 100 * GIB, 0, ""),
        ({"": "warning"}, 5 * GIB - 1, 100 * GIB, 0, ""),
        ({}, 3 * GIB, 10 * GIB, 3 * GIB, ""),
        ({"": "warning"}, 3 * GIB - 1, 10 * GIB, 3 * GIB, ""),
        ({"": "warning"}, int(1.1 * GIB) - 1, 10 * GIB, 0, "warning"),
        ({}, int(1.1 * GIB) + 1, 10 * GIB, 0, "warning"),
        ({"": "error"}, GIB // 8 + 1, 10 * GIB, 0, "error"),
    ],
)
def test_disk_space_levels(expected: dict[str, str], free: int, size: int, store: int, before: str) -> None:
    """Below 1 GiB, 5 percent, or the size of the store's own file; an error at an eighth; cleared a tenth above."""
    disk = Disk("/d", size, free, 0, 0)
    assert expected == seen("disk_space", facts(disk=disk, store_bytes=store), before=before)


def test_disk_space_is_turned_off() -> None:
    """With both limits 0 a full disk is nobody's business."""
    assert (
        seen(
            "disk_space",
            facts(disk=Disk("/d", GIB, 0, 9, 0)),
            Limits.model_validate({"disk_free": "0B", "disk_percent": 0}),
        )
        == {}
    )


@pytest.mark.parametrize(
    ("expected", "free", "all_", "before"),
    [
        ({}, 50, 1000, ""),
        ({"": "warning"}, 49, 1000, ""),
        ({"": "error"}, 6, 1000, ""),
        ({"": "warning"}, 54, 1000, "warning"),
        ({}, 56, 1000, "warning"),
        ({}, 0, 0, ""),
    ],
)
def test_disk_inodes_levels(expected: dict[str, str], free: int, all_: int, before: str) -> None:
    """Below 5 percent; a file system without a fixed number of inodes cannot run out of them."""
    assert expected == seen("disk_inodes", facts(disk=Disk("/d", GIB, GIB, all_, free)), before=before)


@pytest.mark.parametrize(
    ("expected", "jump"),
    [({}, 0.0), ({}, 29.9), ({"": "error"}, 30.0), ({}, -29.9), ({"": "error"}, -30.0), (None, None)],
)
def test_clock_that_jumped(expected: dict[str, str] | None, jump: float | None) -> None:
    """Thirty seconds, either way."""
    assert expected == seen("clock_jumped", facts(jump=jump))


@pytest.mark.parametrize(
    ("expected", "differs", "before"),
    [
        ({}, 5.0, ""),
        ({"": "warning"}, 5.1, ""),
        ({"": "warning"}, -5.1, ""),
        ({"": "warning"}, 4.6, "warning"),
        ({}, 4.5, "warning"),
        (None, None, "warning"),
    ],
)
def test_clock_of_the_store(expected: dict[str, str] | None, differs: float | None, before: str) -> None:
    """Five seconds, either way; cleared at nine tenths of it."""
    assert expected == seen("clock_differs", facts(differs=differs), before=before)


def on_record(serial: str, left: int, life: int = 90 * DAY) -> OnRecord:
    return OnRecord(serial, ("a.example", "b.example", "c.example", "d.example"), NOW + left - life, NOW + left)


def test_undelivered_are_named_and_the_rest_is_counted() -> None:
    """Each has a warning of its own, up to a bound."""
    found = Certificates(undelivered=(on_record("a1", DAY),), undelivered_count=4)
    assert seen("undelivered", facts(certificates=found)) == {"a1": "warning", "others": "warning"}
    texts = [each.text for each in judge(facts(certificates=found), LIMITS, [])["undelivered"] or ()]
    assert "certificate a1 for a.example, b.example, c.example and 1 more was never fetched" in texts[0]
    assert texts[1] == "3 further certificates were never fetched"
    assert seen("undelivered", facts(certificates=found), Limits.model_validate({"undelivered": "0s"})) == {}


@pytest.mark.parametrize(
    ("severity", "left", "life"),
    [
        ("warning", 14 * DAY, 90 * DAY),
        ("warning", 14 * DAY // 4, 90 * DAY),
        ("error", 14 * DAY // 4 - 1, 90 * DAY),
        ("warning", 600, 3600),
        ("error", 149, 3600),
    ],
)
def test_unrenewed_levels(severity: str, left: int, life: int) -> None:
    """An error in the last quarter of the time."""
    found = Certificates(unrenewed=(on_record("a1", left, life),), unrenewed_count=1)
    assert {"a1": severity} == seen("unrenewed", facts(certificates=found))
    assert seen("unrenewed", facts(certificates=found), Limits.model_validate({"unrenewed": "0s"})) == {}


def test_store_that_is_weak() -> None:
    """What is missing is said in the store's own words, one warning for each."""
    assert seen("store_weak", facts(weak=("appendonly is off", "it is a replica"))) == {
        "appendonly is off": "error",
        "it is a replica": "error",
    }
    assert seen("store_weak", facts(weak=())) == {}


@pytest.mark.parametrize(
    ("expected", "size", "before"),
    [
        ({}, 4 * GIB - 1, ""),
        ({"": "warning"}, 4 * GIB, ""),
        ({"": "warning"}, int(3.7 * GIB), "warning"),
        ({}, int(3.5 * GIB), "warning"),
    ],
)
def test_store_size_limits(expected: dict[str, str], size: int, before: str) -> None:
    """Four GiB; cleared at nine tenths."""
    assert expected == seen("store_size", facts(store_bytes=size), before=before)


@pytest.mark.parametrize("name", RULES)
def test_what_is_not_known_changes_nothing(name: str) -> None:
    """Without its facts no rule says anything, neither that it is well nor that it is not."""
    assert judge(Facts(now=NOW), LIMITS, [Concern(name, Severity.ERROR, "", "", 1)])[name] is None


def test_texts_say_what_was_seen() -> None:
    """A person reads what, how much, and what to do."""
    found: list[Sequence[Concern] | None] = [
        judge(facts(**one), LIMITS, [])[name]
        for name, one in (
            ("issuer_expiry", {"chain": validity(30 * DAY)}),
            ("disk_space", {"disk": Disk("/data", 2 * GIB, 512 << 20, 0, 0)}),
            ("clock_jumped", {"jump": -3600.4}),
            ("clock_differs", {"differs": 90.0}),
        )
    ]
    assert [(one or [])[0].text for one in found] == [
        "CA ends in 30 days, at 2027-02-14 08:00:00Z: make a new one in time; what it issues is shortened to its end",
        "/data has 512.0 MiB free of 2.0 GiB: make room, a full disk stops the CA",
        'the clock went 1h backwards: see that it is right now (NTP), and read "Clock jumps" in docs/operation.md',
        "the store's clock is 90s ahead of this machine's: see that both are kept right (NTP)",
    ]
