"""Statuses as they are derived from sessions: one row for each that can be."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stages.session import Challenge, ChallengeData, ChallengeType, Problem, Session, State, ValidationRecord
from supervisor.acme.urls import Urls
from supervisor.acme.views import GIVEN_UP, View

NOW, AGE = 1_800_000_000, 1000
VIEW = View(Urls("https://ca.example"), NOW, AGE, b"\x01")
ERROR = Problem("dns", "nothing there")


def challenge(n: int = 1, **changes: Any) -> Challenge:
    """A pending one for a.example; `ready`, `failed` and `proven` are what changes."""
    proven, ready = changes.get("proven", False), changes.get("ready", False)
    data = ChallengeData(
        "token",
        ready=NOW if ready else 0,
        attempts=(ValidationRecord(NOW, 1, ok=True),) if proven else (),
        error=ERROR if changes.get("failed") else None,
    )
    return Challenge(n, NOW, ChallengeType.HTTP_01, "a.example", proven, changes.get("failed", False), data)


PENDING, READY, FAILED, PROVEN = challenge(), challenge(ready=True), challenge(failed=True), challenge(proven=True)
SESSION = Session(
    id="ab" * 32,
    created=NOW - 10,
    live=True,
    state=State.TESTCHALLENGE,
    names=("a.example",),
    challenges=(PENDING,),
    expires=NOW + 10,
    account="account",
)


def changed(*challenges: Challenge, **changes: Any) -> Session:
    return replace(SESSION, challenges=challenges or SESSION.challenges, **changes)


@pytest.mark.parametrize(
    ("session", "order", "authorization", "challenge_"),
    [
        (changed(state=State.MAKECHALLENGE), "pending", "pending", "pending"),
        (changed(PENDING), "pending", "pending", "pending"),
        (changed(READY), "pending", "pending", "processing"),
        (changed(READY, expires=NOW + 1), "pending", "pending", "processing"),
        (changed(READY, expires=NOW), "invalid", "invalid", "invalid"),
        (changed(PROVEN, state=State.ISSUE), "ready", "valid", "valid"),
        (changed(PROVEN, state=State.ISSUE, expires=NOW - 5), "ready", "valid", "valid"),
        (changed(PROVEN, state=State.ISSUE, created=NOW - AGE + 1), "ready", "valid", "valid"),
        (changed(PROVEN, state=State.ISSUE, created=NOW - AGE), "invalid", "expired", "valid"),
        (changed(PROVEN, state=State.ISSUE, csr="PEM"), "processing", "valid", "valid"),
        (changed(PROVEN, state=State.ISSUE, csr="PEM", created=NOW - AGE), "processing", "valid", "valid"),
        (changed(PROVEN, state=State.DONE, csr="PEM", serial="0a"), "valid", "valid", "valid"),
        (changed(PROVEN, state=State.DONE, csr="PEM", serial="0a", live=False), "valid", "valid", "valid"),
        (changed(PROVEN, state=State.DONE, serial="0a", created=NOW - AGE), "valid", "valid", "valid"),
        (changed(FAILED, live=False, error=ERROR), "invalid", "invalid", "invalid"),
        (changed(READY, live=False, error=ERROR), "invalid", "invalid", "invalid"),
        (changed(PROVEN, live=False, error=ERROR), "invalid", "valid", "valid"),
        (changed(PROVEN, state=State.ISSUE, live=False, error=ERROR), "invalid", "valid", "valid"),
        (changed(PROVEN, state=State.ISSUE, live=False, error=ERROR, created=NOW - AGE), "invalid", "expired", "valid"),
        (changed(PENDING, live=False, error=GIVEN_UP), "invalid", "deactivated", "invalid"),
        (changed(PROVEN, state=State.ISSUE, live=False, error=GIVEN_UP), "invalid", "deactivated", "valid"),
    ],
)
def test_statuses_follow_from_the_record(session: Session, order: str, authorization: str, challenge_: str) -> None:
    """RFC 8555 7.1.6: an authorization is never `processing`."""
    assert order == VIEW.order(session)["status"]
    assert authorization == VIEW.authorization(session, 1)["status"]
    assert challenge_ == VIEW.challenge(session, session.challenges[0])["status"]


@pytest.mark.parametrize(
    ("session", "members"),
    [
        (changed(), set()),
        (changed(profile="short"), {"profile"}),
        (changed(replaces="0a"), {"replaces"}),
        (changed(PROVEN, state=State.DONE, serial="0a"), {"certificate"}),
        (changed(FAILED, live=False, error=ERROR), {"error"}),
        (changed(expires=NOW), {"error"}),
    ],
)
def test_order_has_only_members_with_a_value(session: Session, members: set[str]) -> None:
    """There are no nulls, no certificate before it is valid, an error only where it is invalid."""
    made = VIEW.order(session)
    assert made.keys() == {"status", "expires", "identifiers", "authorizations", "finalize"} | members
    assert None not in made.values()


def test_decided_authorization_shows_what_decided_it() -> None:
    """RFC 8555 7.1.4: the proven challenge of a valid one, the failed one of an invalid one."""
    other = challenge(2)
    assert _numbers(changed(PROVEN, other, state=State.ISSUE)) == [1]
    assert _numbers(changed(PENDING, challenge(2, failed=True), live=False, error=ERROR)) == [2]
    assert _numbers(changed(PENDING, other, live=False, error=ERROR)) == [1, 2]


def _numbers(session: Session) -> list[int]:
    return [int(each["url"].rsplit("/", 1)[1]) for each in VIEW.authorization(session, 1)["challenges"]]


def test_invalid_challenge_always_says_why() -> None:
    """Clients stop at an invalid challenge only when it has an error."""
    for session in (changed(FAILED), changed(READY, live=False, error=ERROR), changed(expires=NOW)):
        shown = VIEW.challenge(session, session.challenges[0])
        assert shown["error"].keys() == {"type", "detail", "status", "instance"}
        assert shown["error"]["instance"] == f"https://ca.example/acme/order/{SESSION.id}"
