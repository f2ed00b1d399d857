"""One challenge for each name and each type that fits."""

from __future__ import annotations

import base64
import re
from itertools import count

import pytest

from stages.makechallenge import MakeChallenge, MakeChallengeSettings, fits
from stages.outcome import Advance, Reject
from stages.session import ChallengeData, ChallengeType, Problem, State
from tests.unit.stages.making import ALPN, DNS, DNS_ACCOUNT, HTTP, NOW, challenge, clock, session

pytestmark = pytest.mark.anyio


def stage(*types: ChallengeType) -> MakeChallenge:
    settings = MakeChallengeSettings(types or (HTTP, DNS, ALPN), 600, 16)
    numbers = count(1)
    return MakeChallenge(lambda: settings, clock, lambda size: next(numbers).to_bytes(size))


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("a.example", [HTTP, DNS, ALPN]),
        ("*.a.example", [DNS]),
        ("192.0.2.1", [HTTP, ALPN]),
        ("2001:db8::1", [HTTP, ALPN]),
    ],
)
async def test_challenges_are_of_the_types_that_fit_the_name(name: str, types: list[ChallengeType]) -> None:
    """Wildcards are proven by dns-01 only (RFC 8555 7.1.3), addresses never by it (RFC 8738 7)."""
    outcome = await stage()(session(State.MAKECHALLENGE, names=(name,)))
    assert isinstance(outcome, Advance)
    assert [(n, kind, name) for n, kind in enumerate(types, 1)] == [
        (made.n, made.type, made.name) for made in outcome.writes.challenges
    ]


@pytest.mark.parametrize(
    ("name", "account", "types"),
    [
        ("a.example", "me", [HTTP, DNS_ACCOUNT]),
        ("a.example", "", [HTTP]),
        ("*.a.example", "me", [DNS_ACCOUNT]),
        ("192.0.2.1", "me", [HTTP]),
    ],
)
async def test_dns_account_01_is_for_accounts(name: str, account: str, types: list[ChallengeType]) -> None:
    """It fits what dns-01 fits, and a session without an account is not offered it."""
    outcome = await stage(HTTP, DNS_ACCOUNT)(session(State.MAKECHALLENGE, names=(name,), account=account))
    assert isinstance(outcome, Advance)
    assert types == [made.type for made in outcome.writes.challenges]


async def test_challenges_are_open_and_dated_and_their_tokens_all_differ() -> None:
    """Numbers run through all names; nothing is satisfied, failed or ready."""
    outcome = await stage(HTTP, ALPN)(session(State.MAKECHALLENGE, names=("a.example", "b.example")))
    assert isinstance(outcome, Advance)
    made = outcome.writes.challenges
    assert [c.n for c in made] == [1, 2, 3, 4]
    assert [(c.challtime, c.satisfied, c.failed) for c in made] == [(NOW, False, False)] * 4
    tokens = [base64.urlsafe_b64encode(n.to_bytes(16)).rstrip(b"=").decode() for n in range(1, 5)]
    assert [ChallengeData(token) for token in tokens] == [c.data for c in made]
    assert outcome.writes.fields == {"expires": str(NOW + 600)}
    assert outcome.note == "4 challenges"


@pytest.mark.parametrize("size", [16, 32, 64])
async def test_tokens_are_as_long_as_set_and_base64url(size: int) -> None:
    """RFC 8555 8.1: 128 random bits or more, in base64url without padding, whatever the bytes are."""
    settings = MakeChallengeSettings((HTTP,), 600, size)
    asked: list[int] = []

    def all_ones(count: int) -> bytes:
        asked.append(count)
        return b"\xff\xfe" * (count // 2)

    outcome = await MakeChallenge(lambda: settings, clock, all_ones)(session(State.MAKECHALLENGE, names=("a.example",)))
    assert isinstance(outcome, Advance)
    [made] = outcome.writes.challenges
    assert asked == [size]
    assert re.fullmatch(f"[A-Za-z0-9_-]{{{-(-size * 4 // 3)}}}", made.data.token)


async def test_challenges_made_before_stay() -> None:
    """Doing the stage again makes no second set of tokens."""
    made = challenge()
    outcome = await stage()(session(State.MAKECHALLENGE, made))
    assert Advance(note="challenges were made before") == outcome


@pytest.mark.parametrize(("name", "types"), [("*.a.example", (HTTP, ALPN)), ("192.0.2.1", (DNS,))])
async def test_a_name_that_no_type_on_offer_fits_is_rejected(name: str, types: tuple[ChallengeType, ...]) -> None:
    """A session that could never be proven ends at once, with the name."""
    outcome = await stage(*types)(session(State.MAKECHALLENGE, names=("b.example", name)[types == (DNS,) :]))
    assert Reject(Problem("rejectedIdentifier", f"{name}: no challenge type on offer can prove it")) == outcome


async def test_a_session_without_names_is_rejected() -> None:
    """Nothing to prove is not proven."""
    outcome = await stage()(session(State.MAKECHALLENGE, names=()))
    assert Reject(Problem("malformed", "names: the session asks for none")) == outcome


@pytest.mark.parametrize("kind", [ChallengeType.DVSNI, ChallengeType.EMAIL, ChallengeType.PAYMENT])
@pytest.mark.parametrize("name", ["a.example", "*.a.example", "192.0.2.1"])
def test_the_types_of_2012_that_are_not_on_offer_fit_no_name(kind: ChallengeType, name: str) -> None:
    """They keep their numbers and prove nothing."""
    assert not fits(kind, name)
