"""Anti-replay nonces."""

from __future__ import annotations

import os
import sys

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.acme.nonces import WINDOW, Nonces
from supervisor.acme.problems import AcmeProblem
from tests.unit.acme.signing import b64

WORDS = "JWS has an invalid anti-replay nonce"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.75

    def __call__(self) -> float:
        """Unix time."""
        return self.now


def nonces(clock: Clock | None = None, window: int = 64, key: bytes = b"k" * 16) -> Nonces:
    return Nonces(lambda size: key[:size], clock or Clock(), 3600, window)


def refusal(made: Nonces, nonce: str | None) -> AcmeProblem:
    """What check says, which must be what redeem says."""
    with pytest.raises(AcmeProblem) as caught:
        made.check(nonce)
    if nonce is not None:
        with pytest.raises(AcmeProblem) as again:
            made.redeem(nonce)
        assert (again.value.kind, again.value.detail) == (caught.value.kind, caught.value.detail)
    return caught.value


def assert_bad(made: Nonces, nonce: str | None) -> None:
    problem = refusal(made, nonce)
    assert (problem.kind, problem.status) == ("badNonce", 400)
    assert WORDS in problem.detail


def test_nonce_is_good_once() -> None:
    """A nonce is taken once and never again; the next one is not hurt."""
    made = nonces()
    first, second = made.issue(), made.issue()
    assert made.check(first) == first
    made.redeem(first)
    assert_bad(made, first)
    made.redeem(second)
    assert_bad(made, second)


def test_missing_nonce_is_bad() -> None:
    """No nonce is badNonce, in words that clients look for."""
    assert_bad(nonces(), None)


@pytest.mark.parametrize("text", ["a b", "AAAA=", "AAAAAAAAAAAAAAAAAAAAAA==", "ü", "ab+/", "AAAAA", "\n"])
def test_nonce_that_is_not_base64url_is_malformed(text: str) -> None:
    """RFC 8555 6.5.2: such a nonce is malformed, not badNonce."""
    assert refusal(nonces(), text).kind == "malformed"


@pytest.mark.parametrize("text", ["", "AA", "AAAAAAAAAAAAAAAAAAAAAA", "A" * 43])
def test_nonce_that_was_not_made_here_is_bad(text: str) -> None:
    """Base64url of any length that is not ours is badNonce."""
    assert_bad(nonces(), text)


@pytest.mark.anyio
async def test_nonce_passes_one_of_fifty() -> None:
    """Of 50 tasks that redeem one nonce at the same time one succeeds."""
    made = nonces()
    nonce, passed = made.issue(), []

    async def post(number: int) -> None:
        made.check(nonce)
        await anyio.lowlevel.checkpoint()
        try:
            made.redeem(nonce)
        except AcmeProblem:
            return
        passed.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(post, number)
    assert len(passed) == 1


def test_nonce_from_before_a_restart_is_bad() -> None:
    """A new start has a new key: the nonces of the old one are noise to it, not an error."""
    old, new = nonces(), nonces(key=b"other key, truly")
    for _ in range(8):
        new.issue()
        assert_bad(new, old.issue())


@pytest.mark.parametrize(("seconds", "good"), [(3599.25, True), (3600.25, False), (-3599, True), (-3602, False)])
def test_nonce_expires(seconds: float, good: bool) -> None:  # noqa: FBT001  a row of the table
    """A nonce is good for its lifetime, and no longer; a clock set back does not prolong it without end (17)."""
    clock = Clock()
    made = nonces(clock)
    nonce = made.issue()
    clock.now += seconds
    if good:
        made.redeem(nonce)
    else:
        assert_bad(made, nonce)


def test_nonce_lifetime_can_be_set() -> None:
    """A reload may shorten the lifetime of nonces that are out."""
    clock = Clock()
    made = nonces(clock)
    nonce = made.issue()
    clock.now += 60
    made.lifetime = 30
    assert_bad(made, nonce)


def test_oldest_nonces_leave_the_window() -> None:
    """Only the newest of the window are open; an old one is refused even unused, and its slot serves the new one."""
    made = nonces(window=8)
    issued = [made.issue() for _ in range(9)]
    assert_bad(made, issued[0])
    for nonce in issued[1:]:
        made.redeem(nonce)
    for nonce in issued:
        assert_bad(made, nonce)
    made.redeem(made.issue())


def test_memory_is_constant() -> None:
    """What is kept is one bit for each nonce of the window, however many are made."""
    made = Nonces(os.urandom, Clock(), 3600)
    before = sys.getsizeof(made._used)
    for _ in range(20_000):
        made.redeem(made.issue())
    assert (WINDOW // 8, before) == (len(made._used), sys.getsizeof(made._used))


def test_nonces_look_random() -> None:
    """Nonces are 22 characters, all different, and neighbours share nothing that shows."""
    made = Nonces(os.urandom, Clock(), 3600)
    issued = {made.issue() for _ in range(2000)}
    assert {len(nonce) for nonce in issued} == {22}
    assert len({nonce[:8] for nonce in issued}) == 2000


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=120))
def test_nonces_follow_the_model(steps: list[int | None]) -> None:
    """In any order of making and redeeming, a nonce passes when it is among the newest 16 and was not used."""
    made = nonces(window=16)
    issued: list[str] = []
    used: set[int] = set()
    for step in steps:
        if step is None or step >= len(issued):
            issued.append(made.issue())
            continue
        try:
            made.redeem(issued[step])
            passed = True
        except AcmeProblem:
            passed = False
        assert passed == (step not in used and step >= len(issued) - 16)
        if passed:
            used.add(step)


@given(st.binary(min_size=16, max_size=16))
def test_nonces_cannot_be_guessed(block: bytes) -> None:
    """No block that was not issued passes."""
    made = Nonces(lambda size: b"\x07" * size, Clock(), 3600)
    made.issue()
    with pytest.raises(AcmeProblem):
        made.redeem(b64(block))
