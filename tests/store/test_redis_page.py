"""docs/redis.md names every key and field that a full run leaves in the store, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from stages.external import make_credential
from stages.outcome import Advance, Reject, Retry, Wait
from stages.restriction import Restriction
from stages.session import ChallengeData, Problem, State
from stages.store import moves
from stages.store.account_moves import Limit, deactivate, new_account, order, renew_by, restrict_account
from stages.store.account_records import account_fields, restriction_fields
from stages.store.accounts import create_credential
from stages.store.certificates import next_crl_number
from stages.store.clocks import tick
from stages.store.door import write_intent
from stages.store.keys import Keys
from stages.store.loading import Mark, write_mark
from tests.store.world import CHALLENGE, NOW, World, aid, sid, thumb

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
OURS = {
    "account": "me",
    "profile": "server",
    "scheduled": "False",
    "thumbprint": "thumb",
    "expires": str(NOW + 9),
}


def table(heading: str) -> dict[str, str]:
    """First column to second column of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, flags=re.MULTILINE)
    return {key: value.strip() for key, value in rows}


def documented(key: str) -> str:
    """The pattern of the page that stands for a key."""
    for pattern, made in (
        (r"[0-9a-f]{64}", "<sessionid>"),
        (r"[0-9a-f]{64}:names", "<sessionid>:names"),
        (r"[0-9a-f]{64}:\d+", "<sessionid>:<n>"),
        (r"inflight:.+", "inflight:<supervisor>"),
        (r"supervisor:.+", "supervisor:<id>"),
        (r"certificate:.+", "certificate:<serial>"),
        (r"account:[^:]+", "account:<id>"),
        (r"account:[^:]+:orders", "account:<id>:orders"),
        (r"account-key:.+", "account-key:<thumbprint>"),
        (r"eab:.+", "eab:<kid>"),
        (r"rate:[^:]+:.+", "rate:<which>:<who>"),
    ):
        if re.fullmatch(pattern, key):
            return made
    return key


async def full_run(world: World) -> None:
    """One session in each place and state, and everything that can happen to one."""
    done = await world.reach(State.DONE, fields=OURS)
    await world.commit(done, Wait(NOW + 9))
    await world.client(moves.deliver(done.id, "sent"))
    (done,) = await world.claim(State.DONE)
    await world.commit(done, Advance())
    await world.client(moves.revoke("01", 1, NOW))
    await next_crl_number(world.store, 0)
    await tick(world.store)
    assert await write_intent(world.store, "door", b"", b"{}")
    await write_mark(world.store, Mark(backup="ab", restore="cd", made=NOW, at=NOW, whole=True))
    second = await world.reach(State.DONE, 2)
    await world.commit(second, Retry(9, "later"))
    await world.client(moves.cancel(await world.submit(3), Problem("unauthorized", "no"), 9))
    for number, state in enumerate((State.ISSUE, State.TESTCHALLENGE, State.MAKECHALLENGE), 4):
        await world.commit(await world.reach(state, number), Retry(9, "later"))
    nudged = await world.reach(State.TESTCHALLENGE, 7)
    await world.client(moves.ready(nudged.id, 1, CHALLENGE.data, ChallengeData("token", ready=NOW)))
    await world.commit(await world.reach(State.TESTCHALLENGE, 8), Wait(NOW + 9))
    await world.fenced(moves.quarantine((await world.reach(State.ISSUE, 9)).id))
    await world.commit(await world.reach(State.TESTCHALLENGE, 10), Reject(Problem("unauthorized", "no")))
    waiting = await world.reach(State.ISSUE, 11)
    last = [await world.reach(state, number) for number, state in enumerate(list(State)[1:], 12)]
    await world.group(*(moves.release(session.id, session.state) for session in last))
    await world.submit(15)
    assert waiting.id == sid(11)


async def accounts_run(world: World) -> None:
    """An account with all that it can have, and an order of it that replaces the certificate of another."""
    credential = make_credential(bytes, NOW, single=True)
    assert await create_credential(world.store, credential)
    fields = account_fields(jwk="{}", contact=["mailto:a@a.example"], terms=NOW, binding="{}")
    limits = [Limit("new_accounts", "::1", 5, 60)]
    await world.client(new_account(aid(1), thumb(1), fields, credential.kid, NOW, limits))
    await world.client(restrict_account(aid(1), restriction_fields(Restriction(("a.example",)))))
    old, new = (
        order(sid(number), ["a.example"], OURS, NOW, aid(1), [], replaces, asked=["A.example"])
        for number, replaces in ((21, ""), (22, "15"))
    )
    await world.client(old)
    await world.finish(sid(21), 21)
    await world.client(new)
    await world.finish(sid(22), 22)
    await world.client(renew_by("15", NOW, NOW + 9))
    await world.client(moves.revoke("15", 1, NOW, "ab" * 32))
    await world.client(deactivate(aid(1), Problem("unauthorized", "no"), 9, NOW))
    await world.store.script("batch.lua", [world.keys.reads], [world.keys.prefix, msgspec.msgpack.encode([]), 1])


async def types(world: World) -> dict[str, str]:
    """Each documented pattern with the type of its keys."""
    found: dict[str, set[str]] = {}
    for key in await world.redis.keys("*"):
        found.setdefault(documented(key.decode()), set()).add((await world.redis.type(key)).decode())
    assert all(len(kinds) == 1 for kinds in found.values())
    return {key: kinds.pop() for key, kinds in found.items()}


async def fields(world: World, pattern: str) -> set[str]:
    """Every field of the hashes of a pattern."""
    found: set[str] = set()
    for key in await world.redis.keys("*"):
        if documented(key.decode()) == pattern:
            found |= {field.decode() for field in await world.redis.hkeys(key)}
    return found


async def test_the_page_has_every_key_and_its_type(world: World) -> None:
    """What a run leaves is what the page says: no key more, none less."""
    await accounts_run(world)
    await full_run(world)
    assert await types(world) == table("Keys")


@pytest.mark.parametrize(
    ("heading", "pattern"),
    [
        ("Fields of a session", "<sessionid>"),
        ("Fields of a challenge", "<sessionid>:<n>"),
        ("Fields of a certificate", "certificate:<serial>"),
        ("Fields of an account", "account:<id>"),
        ("Fields of a credential", "eab:<kid>"),
    ],
)
async def test_the_page_has_every_field(world: World, heading: str, pattern: str) -> None:
    """What a run leaves is what the page says: no field more, none less."""
    await accounts_run(world)
    await full_run(world)
    assert await fields(world, pattern) == set(table(heading))


def test_the_page_has_every_key_of_the_code() -> None:
    """What `stages.store.keys` makes is on the page, but for the channel."""
    made: set[str] = set()
    for name, value in vars(Keys()).items():
        if name not in {"prefix", "wake"}:
            made |= {value} if isinstance(value, str) else set(value)
    keys = Keys()
    made |= {
        keys.session("<sessionid>"),
        keys.names("<sessionid>"),
        keys.session("<sessionid>:<n>"),
        keys.inflight("<supervisor>"),
        keys.lease("<id>"),
        keys.certificate("<serial>"),
        keys.account("<id>"),
        keys.orders("<id>"),
        keys.account_key("<thumbprint>"),
        keys.credential("<kid>"),
        keys.rate("<which>", "<who>"),
    }
    assert made == set(table("Keys"))
    assert f"`{keys.wake}` is no key but a channel" in PAGE
