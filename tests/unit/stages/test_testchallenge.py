"""The test stage with validators that say what the test wants: every branch."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stages.outcome import Advance, Reject, Retry, Wait
from stages.session import Challenge, ChallengeType, Problem, Session, State, ValidationRecord
from stages.testchallenge import AT_ONCE, EVIDENCE_KEPT, TestChallenge, TestChallengeSettings
from tests.unit.stages.making import ALPN, DNS, HTTP, NOW, challenge, fault, good, proven, session, tried

pytestmark = pytest.mark.anyio

SETTINGS = TestChallengeSettings(
    tries=3, backoff=2.0, backoff_max=5.0, schedule_first=10.0, schedule_max=100.0, patience=60.0
)


class Says:
    """Validators that answer by name, or by name and type ("a.example dns-01"), and remember what they were asked."""

    def __init__(self, **answers: ValidationRecord) -> None:
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[tuple[ChallengeType, str, str, str]] = []
        self.account_urls: list[str] = []
        self.observed: list[tuple[int, bool]] = []

    async def validate(
        self, challenge_type: ChallengeType, name: str, token: str, key_authorization: str, account_url: str
    ) -> ValidationRecord:
        """Answer."""
        self.account_urls.append(account_url)
        self.asked.append((challenge_type, name, token, key_authorization))
        return self.answers.get(f"{name} {challenge_type.label}", self.answers.get(name, good()))

    def observe(self, _session: Session, seen: Challenge, record: ValidationRecord) -> None:
        """Remember."""
        self.observed.append((seen.n, record.ok))


def account_url(account: str) -> str:
    return f"https://acme.example/{account}"


def stage(says: Says, now: float = NOW) -> TestChallenge:
    return TestChallenge(says, lambda: SETTINGS, lambda: now, says.observe, account_url)


def under_test(*challenges: Challenge, **fields: Any) -> Session:
    fields = {"expires": NOW + 1000, "thumbprint": "thumb", **fields}
    return session(State.TESTCHALLENGE, *challenges, **fields)


async def test_no_challenges_are_a_failure() -> None:
    """Law 5: nothing to test is never "all satisfied"."""
    outcome = await stage(Says())(under_test())
    detail = "the session has no challenges: nothing can prove its names"
    assert Reject(Problem("serverInternal", detail)) == outcome


async def test_what_is_proven_already_advances_without_a_test() -> None:
    """The stage asks first whether it is done."""
    says = Says()
    outcome = await stage(says)(under_test(proven(challenge())))
    assert (Advance(note="every name is proven"), []) == (outcome, says.asked)


async def test_expired_challenges_are_rejected_with_the_last_error() -> None:
    """The person who reads it learns why the name was never proven."""
    outcome = await stage(Says(), NOW + 1000)(under_test(tried(challenge(), fault())))
    detail = "the challenges expired before a.example was proven; the last error was: refused"
    assert Reject(Problem("unauthorized", detail)) == outcome


async def test_expired_challenges_that_were_never_tested_say_so() -> None:
    """Nobody ever was ready."""
    outcome = await stage(Says(), NOW + 1000)(under_test(challenge(ready=0)))
    detail = "the challenges expired before a.example was proven; nothing was ever tested"
    assert Reject(Problem("unauthorized", detail)) == outcome


async def test_a_client_that_is_not_ready_is_waited_for() -> None:
    """Nothing is tested before the client says so; the wait ends when the challenges expire."""
    says = Says()
    outcome = await stage(says)(under_test(challenge(ready=0)))
    assert (Wait(NOW + 1000, note="waits for the client to be ready"), []) == (outcome, says.asked)


async def test_a_good_test_proves_the_name_and_keeps_the_evidence() -> None:
    """The challenge is written whole with its record; the validator got the key authorization."""
    says = Says()
    outcome = await stage(says)(under_test(challenge()))
    assert isinstance(outcome, Advance)
    assert (proven(challenge()),) == outcome.writes.challenges
    assert says.asked == [(ChallengeType.HTTP_01, "a.example", "token1", "token1.thumb")]
    assert says.observed == [(1, True)]


async def test_only_ready_challenges_of_unproven_names_are_tested() -> None:
    """Proven names, failed challenges and clients that are not ready cost no connection."""
    says = Says()
    outcome = await stage(says)(
        under_test(
            proven(challenge(1)),
            challenge(2, kind=DNS),
            challenge(3, "b.example"),
            replace(challenge(4, "c.example"), failed=True),
            challenge(5, "c.example", DNS, ready=0),
        )
    )
    assert [name for _, name, _, _ in says.asked] == ["b.example"]
    assert isinstance(outcome, Wait)
    assert (outcome.until, outcome.note) == (NOW + 1000, "1 names are not proven yet")
    assert [written.n for written in outcome.writes.challenges] == [3]


@pytest.mark.parametrize(("attempts", "after"), [(0, 2.0), (1, 4.0)])
async def test_a_passing_fault_is_tried_again_later(attempts: int, after: float) -> None:
    """The delay doubles, the attempt counts, and the evidence is kept."""
    outcome = await stage(Says(a_example=fault()))(under_test(challenge(), attempts=attempts))
    assert isinstance(outcome, Retry)
    assert (after, "a.example: refused", True) == (outcome.after, outcome.why, outcome.costs)
    assert (tried(challenge(), fault()),) == outcome.writes.challenges


async def test_the_delay_has_a_bound() -> None:
    """However often it failed."""
    settings = replace(SETTINGS, tries=10_000)
    says = Says(a_example=fault())
    outcome = await TestChallenge(says, lambda: settings, lambda: NOW, says.observe, account_url)(
        under_test(challenge(), attempts=900)
    )
    assert isinstance(outcome, Retry)
    assert outcome.after == 5.0


@pytest.mark.parametrize(("lasting", "attempts"), [(True, 0), (False, 2)], ids=["lasting", "last try"])
async def test_a_lasting_fault_or_the_last_try_rejects(lasting: bool, attempts: int) -> None:  # noqa: FBT001  a table
    """RFC 8555 7.1.6: a failed challenge makes its order invalid; the evidence says why."""
    record = fault(lasting=lasting)
    outcome = await stage(Says(a_example=record))(under_test(challenge(), attempts=attempts))
    assert isinstance(outcome, Reject)
    assert Problem("connection", "a.example: refused") == outcome.problem
    assert (replace(tried(challenge(), record), failed=True),) == outcome.writes.challenges


async def test_one_lasting_fault_rejects_beside_good_tests() -> None:
    """All evidence is written."""
    says = Says(b_example=fault(lasting=True))
    outcome = await stage(says)(under_test(challenge(1), challenge(2, "b.example")))
    assert isinstance(outcome, Reject)
    assert [(written.n, written.satisfied, written.failed) for written in outcome.writes.challenges] == [
        (1, True, False),
        (2, False, True),
    ]


async def test_only_the_latest_evidence_is_kept() -> None:
    """A session that is tested for days does not grow for ever."""
    old = challenge()
    for at in range(9):
        old = tried(old, fault(at=at))
    outcome = await stage(Says(a_example=fault(at=9)))(under_test(old))
    assert isinstance(outcome, Retry)
    (written,) = outcome.writes.challenges
    assert list(range(10 - EVIDENCE_KEPT, 10)) == [record.at for record in written.data.attempts]


def many(number: int) -> tuple[Challenge, ...]:
    return tuple(challenge(n, f"h{n}.example") for n in range(1, number + 1))


async def test_many_challenges_are_tested_in_portions() -> None:
    """What was never tested follows at once, and costs no attempt."""
    says = Says()
    outcome = await stage(says)(under_test(*many(AT_ONCE + 1)))
    assert isinstance(outcome, Retry)
    assert (outcome.after, outcome.costs, len(says.asked)) == (0, False, AT_ONCE)
    assert list(range(1, AT_ONCE + 1)) == [written.n for written in outcome.writes.challenges]


async def test_many_dead_names_are_not_tested_without_pause() -> None:
    """Once each was tested, every further run is a try that costs an attempt and waits; the longest untested first."""
    dead = [tried(open_, fault(at=NOW - open_.n)) for open_ in many(AT_ONCE + 10)]
    says = Says(**{f"h{n}_example": fault() for n in range(1, AT_ONCE + 11)})
    outcome = await stage(says)(under_test(*dead))
    assert isinstance(outcome, Retry)
    assert (outcome.after, outcome.costs) == (2.0, True)
    assert {f"h{n}.example" for n in range(11, AT_ONCE + 11)} == {name for _, name, _, _ in says.asked}


@pytest.mark.parametrize(("age", "after"), [(0, 10.0), (20, 10.0), (50, 25.0), (400, 100.0), (995, 5.0), (999.95, 0.1)])
async def test_a_session_of_the_command_line_is_tested_on_a_schedule(age: float, after: float) -> None:
    """Ever more rarely, never past the expiry, and no attempt counts, lasting faults too."""
    says = Says(a_example=fault(lasting=True))
    scheduled = under_test(challenge(ready=0), scheduled=True, attempts=50)
    outcome = await stage(says, NOW + age)(scheduled)
    assert isinstance(outcome, Retry)
    assert round(outcome.after, 3) == after
    assert not outcome.costs
    assert [written.failed for written in outcome.writes.challenges] == [False]


ALL = (challenge(1, ready=0), challenge(2, kind=DNS, ready=0), challenge(3, kind=ALPN, ready=0))


@pytest.mark.parametrize(
    ("failing", "tested"),
    [((), [HTTP]), ((HTTP,), [HTTP, DNS]), ((HTTP, DNS), [HTTP, DNS, ALPN]), ((HTTP, DNS, ALPN), [HTTP, DNS, ALPN])],
)
async def test_a_proven_name_is_not_probed_again(
    failing: tuple[ChallengeType, ...], tested: list[ChallengeType]
) -> None:
    """A scheduled session may be proven in any way; the rest is left alone after the first proof."""
    says = Says(**{f"a_example {kind.label}": fault(lasting=True) for kind in failing})
    outcome = await stage(says)(under_test(*ALL, scheduled=True))
    assert tested == [kind for kind, _, _, _ in says.asked]
    assert isinstance(outcome, Retry if len(failing) == 3 else Advance)
    assert [kind not in failing for kind in tested] == [written.satisfied for written in outcome.writes.challenges]


async def test_the_way_that_waited_longest_comes_first() -> None:
    """What was not tested in one round is tested first in the next."""
    says = Says(a_example=fault())
    await stage(says)(under_test(tried(ALL[0], fault(at=9)), tried(ALL[1], fault(at=5)), ALL[2], scheduled=True))
    assert [kind for kind, _, _, _ in says.asked] == [ALPN, DNS, HTTP]


async def test_a_run_ends_in_time() -> None:
    """Slow failures are spread over more runs; what was never tested follows at once, the rest on the schedule."""
    settings, says = replace(SETTINGS, patience=0.0), Says(a_example=fault())
    once = TestChallenge(says, lambda: settings, lambda: NOW, says.observe, account_url)
    first = await once(under_test(*ALL, scheduled=True))
    assert isinstance(first, Retry)
    assert (first.after, first.costs, [c.n for c in first.writes.challenges]) == (0, False, [1])
    second = await once(under_test(*(tried(open_, fault(at=open_.n)) for open_ in ALL), scheduled=True))
    assert isinstance(second, Retry)
    assert (second.after, [c.n for c in second.writes.challenges]) == (10.0, [1])


async def test_two_ready_ways_to_one_name() -> None:
    """A client that says it is ready twice is asked for one proof; a lasting fault before that ends the order."""
    both = (challenge(1), challenge(2, kind=DNS))
    says = Says()
    assert isinstance(await stage(says)(under_test(*both)), Advance)
    assert len(says.asked) == 1
    says = Says(**{"a_example http-01": fault(lasting=True)})
    assert isinstance(await stage(says)(under_test(*both)), Reject)
    assert len(says.asked) == 1


async def test_a_name_proven_in_this_run_has_nothing_left_to_test() -> None:
    """Its untested challenges do not bring the session back at once."""
    says = Says(b_example=fault())
    outcome = await stage(says)(under_test(*ALL, challenge(4, "b.example", ready=0), scheduled=True))
    assert isinstance(outcome, Retry)
    assert (outcome.after, outcome.why) == (10.0, "b.example: refused")


@pytest.mark.parametrize(("account", "url"), [("me", "https://acme.example/me"), ("", "")])
async def test_the_validators_know_the_account(account: str, url: str) -> None:
    """By its URL, which stands in DNS; a session of the command line has none."""
    says = Says()
    await stage(says)(under_test(challenge(), account=account))
    assert says.account_urls == [url]
