"""Sessions, challenges and a clock for the tests of the stages."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from stages.session import Challenge, ChallengeData, ChallengeType, Problem, Session, State, ValidationRecord

NOW = 1_800_000_000
HTTP, DNS, ALPN = ChallengeType.HTTP_01, ChallengeType.DNS_01, ChallengeType.TLS_ALPN_01
DNS_ACCOUNT = ChallengeType.DNS_ACCOUNT_01


def clock() -> float:
    """It stands still."""
    return float(NOW)


def session(state: State, *challenges: Challenge, **fields: Any) -> Session:
    names = tuple(dict.fromkeys(challenge.name for challenge in challenges)) or ("a.example",)
    base = Session(id="id", created=NOW, live=True, state=state, names=names, challenges=challenges)
    return replace(base, **fields)


def challenge(n: int = 1, name: str = "a.example", kind: ChallengeType = HTTP, *, ready: int = NOW) -> Challenge:
    """An open challenge whose client is ready."""
    data = ChallengeData(f"token{n}", ready=ready)
    return Challenge(n=n, challtime=NOW, type=kind, name=name, satisfied=False, failed=False, data=data)


def good(at: int = NOW) -> ValidationRecord:
    return ValidationRecord(at, 5, ok=True)


def fault(*, lasting: bool = False, at: int = NOW) -> ValidationRecord:
    return ValidationRecord(at, 5, ok=False, error=Problem("connection", "refused"), lasting=lasting)


def proven(open_: Challenge, at: int = NOW) -> Challenge:
    """The same with a proof on record."""
    return replace(open_, satisfied=True, data=replace(open_.data, attempts=(good(at),)))


def tried(open_: Challenge, record: ValidationRecord) -> Challenge:
    """The same after one more attempt that proved nothing."""
    return replace(open_, data=replace(open_.data, attempts=(*open_.data.attempts, record), error=record.error))
