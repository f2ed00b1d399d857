"""The second stage: tests what the client says is ready, for real, and keeps the evidence.

A session whose client sends "ready" messages (ACME) waits for them, and a lasting failure ends it (RFC 8555 7.1.6). A
session of the command line (`scheduled`) is tested again and again, ever more rarely, until its challenges expire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import anyio
import msgspec
from msgspec.structs import replace

from stages.outcome import Advance, Outcome, Reject, Retry, Wait, Writes
from stages.proofs import unproven
from stages.session import Challenge, ChallengeType, Problem, Session, ValidationRecord

AT_ONCE = 32
"""Names tested in one run of the stage, the longest untested first; the rest follows in the next."""
EVIDENCE_KEPT = 5
"""Validation records kept for each challenge: the latest."""


class TestChallengeSettings(msgspec.Struct, frozen=True):
    """Seconds; `tries` is how often a passing fault is tried again before it counts as lasting.

    `patience` is how long a run of the stage goes on to further challenges of a name: one more attempt must fit between
    it and the stage's deadline.
    """

    __test__ = False

    tries: int
    backoff: float
    backoff_max: float
    schedule_first: float
    schedule_max: float
    patience: float


class Validates(Protocol):
    """One attempt at one challenge; `stages.challenges.validators.Validators` is the real one."""

    async def validate(
        self, challenge_type: ChallengeType, name: str, token: str, key_authorization: str, account_url: str
    ) -> ValidationRecord:
        """Return the evidence; never raise for what the network does."""
        ...


class TestChallenge:
    """The stage. `observe` is told of each validation, for the logs; `account_url` knows the URL of an account's id."""

    __test__ = False

    def __init__(
        self,
        validators: Validates,
        settings: Callable[[], TestChallengeSettings],
        clock: Callable[[], float],
        observe: Callable[[Session, Challenge, ValidationRecord], None],
        account_url: Callable[[str], str],
    ) -> None:
        self._validators = validators
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._account_url = account_url

    async def __call__(self, session: Session) -> Outcome:
        """Advance when every name is proven; else Wait for the client, Retry, or Reject."""
        if not session.challenges:
            return Reject(Problem("serverInternal", "the session has no challenges: nothing can prove its names"))
        missing = unproven(session)
        if not missing:
            return Advance(note="every name is proven")
        if self._clock() >= session.expires:
            return Reject(_expired(session, missing))
        due = _to_test(session, missing)
        if not due:
            return Wait(session.expires, note="waits for the client to be ready")
        return self._judge(session, await self._test(session, due), due)

    async def _test(self, session: Session, due: list[Challenge]) -> tuple[Challenge, ...]:
        """Test names side by side and the challenges of a name in turn, until one proves it."""
        tested: dict[int, Challenge] = {}
        end = anyio.current_time() + self._settings().patience

        async def attempt(challenges: list[Challenge]) -> None:
            for challenge in challenges:
                after = tested[challenge.n] = await self._attempt(session, challenge)
                if after.satisfied or after.failed or anyio.current_time() >= end:
                    return

        names: dict[str, list[Challenge]] = {}
        for challenge in due:
            names.setdefault(challenge.name, []).append(challenge)
        if len(names) == 1:
            await attempt(due)
        else:
            async with anyio.create_task_group() as group:
                for challenges in list(names.values())[:AT_ONCE]:
                    group.start_soon(attempt, challenges)
        return tuple(tested[n] for n in sorted(tested))

    async def _attempt(self, session: Session, challenge: Challenge) -> Challenge:
        key_authorization = session.key_authorization(challenge)
        record = await self._validators.validate(
            challenge.type,
            challenge.name,
            challenge.data.token,
            key_authorization,
            self._account_url(session.account) if session.account else "",
        )
        self._observe(session, challenge, record)
        return self._with(session, challenge, record)

    def _with(self, session: Session, challenge: Challenge, record: ValidationRecord) -> Challenge:
        last_try = not session.scheduled and session.attempts + 1 >= self._settings().tries
        failed = not record.ok and not session.scheduled and (record.lasting or last_try)
        attempts = (*challenge.data.attempts, record)[-EVIDENCE_KEPT:]
        data = replace(challenge.data, attempts=attempts, error=record.error)
        return replace(challenge, satisfied=record.ok, failed=failed, data=data)

    def _judge(self, session: Session, tested: tuple[Challenge, ...], due: list[Challenge]) -> Outcome:
        writes, by_n = Writes(challenges=tested), {challenge.n: challenge for challenge in tested}
        after = replace(session, challenges=tuple(by_n.get(c.n, c) for c in session.challenges))
        failed = next((challenge for challenge in tested if challenge.failed), None)
        if failed is not None:
            problem = failed.data.error or Problem("serverInternal", "the challenge failed")
            return Reject(Problem(problem.kind, f"{failed.name}: {problem.detail}"), writes)
        missing = unproven(after)
        if not missing:
            return Advance(writes, note="every name is proven")
        # Only what was never tested follows at once; else a session with many dead names would be tested without pause.
        if any(c.n not in by_n and c.name in missing and not c.data.attempts for c in due):
            return Retry(0, "more challenges are to be tested", writes, costs=False)
        faults = [challenge for challenge in tested if not challenge.satisfied]
        if not faults:
            return Wait(session.expires, writes, note=f"{len(missing)} names are not proven yet")
        error = faults[0].data.error
        why = f"{faults[0].name}: {error.detail if error else 'not proven'}"
        return Retry(self._delay(session), why, writes, costs=not session.scheduled)

    def _delay(self, session: Session) -> float:
        settings = self._settings()
        if not session.scheduled:
            return min(settings.backoff * 2.0**session.attempts, settings.backoff_max)
        # The wait grows with the age of the challenges: the second test comes early, a late one rarely.
        age = self._clock() - session.challenges[0].challtime
        delay = min(max(age / 2, settings.schedule_first), settings.schedule_max)
        return max(min(delay, session.expires - self._clock()), 0.1)


def _to_test(session: Session, missing: tuple[str, ...]) -> list[Challenge]:
    """Open challenges of unproven names that are ready (or on the schedule), the longest untested first."""
    names = set(missing)
    found = [
        challenge
        for challenge in session.challenges
        if challenge.name in names
        and not challenge.satisfied
        and not challenge.failed
        and (session.scheduled or challenge.data.ready)
    ]
    return sorted(found, key=lambda c: c.data.attempts[-1].at if c.data.attempts else 0)


def _expired(session: Session, missing: tuple[str, ...]) -> Problem:
    errors = [c.data.error for c in session.challenges if c.data.error is not None and c.name in set(missing)]
    last = f"; the last error was: {errors[-1].detail}" if errors else "; nothing was ever tested"
    return Problem("unauthorized", f"the challenges expired before {missing[0]} was proven{last}")
