"""`fsck` on a real store: a healthy one is clean, each damage is named, and nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest

from stages.external import make_credential
from stages.session import Problem, State
from stages.store import account_moves
from stages.store.accounts import create_credential
from supervisor.fsck import Mend, Report, check
from tests.store.world import NOW, World, aid, certificate, sid, thumb

DAY = 86_400
KNOWN = make_credential(bytes, NOW)
Damage = Callable[[World], Awaitable[Any]]


async def look(world: World, folder: Path) -> Report:
    """Every look without a pause: nothing moves here."""
    return await check(world.store, folder / "crl.pem", 90 * DAY, anyio.lowlevel.checkpoint)


async def populate(world: World) -> None:
    """Sessions 1 to 5: in flight, waiting, delayed, dead, and queued."""
    await world.reach(State.TESTCHALLENGE, 1)
    for number in (2, 3, 4, 5):
        await world.submit(number)
    await world.redis.hset(world.keys.session(sid(2)), mapping={"state": "testchallenge", "waiting": str(NOW + 100)})
    await world.redis.hset(world.keys.session(sid(4)), "live", "False")
    for number in (2, 3, 4):
        await world.redis.lrem(world.keys.pending[0], 0, sid(number))
    await world.redis.zadd(world.keys.delayed[0], {sid(3): NOW + 50})
    await world.account(1), await world.account(2)
    await create_credential(world.store, KNOWN)
    await world.order(6)
    await world.client(account_moves.deactivate(await world.account(3), Problem("unauthorized", "no"), 9, NOW))


@pytest.mark.anyio
async def test_fsck_of_a_healthy_store(world: World, tmp_path: Path) -> None:
    """No breach, no suspicion, and the store is as it was."""
    await populate(world)
    before = await world.state()
    report = await look(world, tmp_path)
    assert (
        report.sessions,
        report.certificates,
        report.revoked,
        report.quarantined,
        report.suspected,
        report.breaches,
    ) == (6, 0, 0, 0, 0, ())
    assert before == await world.state()


@pytest.mark.anyio
async def test_fsck_behind_a_prefix(tagged: World, tmp_path: Path) -> None:
    """The prefix {ca}: hides nothing and adds nothing."""
    await populate(tagged)
    assert (await look(tagged, tmp_path)).breaches == ()
    await tagged.redis.lrem(tagged.keys.pending[0], 0, sid(5))
    (breach,) = (await look(tagged, tmp_path)).breaches
    assert ("in no place", f"session {sid(5)}") == (breach.law, breach.where)


def _damages() -> list[Any]:
    one, two, five = sid(1), sid(2), sid(5)
    rows: list[tuple[str, str, Mend, Damage]] = [
        ("in no place", five, Mend.RECOVERY, lambda w: w.redis.lrem("pending-makechallenge", 0, five)),
        ("in two places", five, Mend.RECOVERY, lambda w: w.redis.zadd("delayed-makechallenge", {five: NOW})),
        ("in two places", five, Mend.RECOVERY, lambda w: w.redis.lpush("pending-makechallenge", five)),
        ("in two places", one, Mend.RECOVERY, lambda w: w.redis.lpush("pending-testchallenge", one)),
        ("in two places", two, Mend.RECOVERY, lambda w: w.redis.lpush("pending-testchallenge", two)),
        ("on the queue of another state", five, Mend.RECOVERY, lambda w: w.redis.hset(five, "state", "testchallenge")),
        ("in flight with a dead supervisor", one, Mend.RECOVERY, lambda w: w.dies("A")),
        ("dead in a queue", five, Mend.RECOVERY, lambda w: w.redis.hset(five, "live", "False")),
        ("gone", five, Mend.RECOVERY, lambda w: w.redis.delete(five, f"{five}:names")),
        ("left over", two, Mend.HAND, lambda w: w.redis.delete(two)),
        ("left over", sid(77), Mend.HAND, lambda w: w.redis.hset(f"{sid(77)}:1", "type", "4")),
        ("not in active-requests", two, Mend.HAND, lambda w: w.redis.lrem("active-requests", 0, two)),
        ("twice in active-requests", two, Mend.HAND, lambda w: w.redis.lpush("active-requests", two)),
        ("unreadable", five, Mend.RECOVERY, lambda w: w.redis.hset(five, "created", "soon")),
        ("unreadable", one, Mend.RECOVERY, lambda w: w.redis.hset(f"{one}:1", "data", "{")),
        ("unreadable", five, Mend.RECOVERY, lambda w: w.redis.set(five, "text")),
        ("no names", two, Mend.HAND, lambda w: w.redis.delete(f"{two}:names")),
        ("satisfied without evidence", one, Mend.HAND, lambda w: w.redis.hset(f"{one}:1", "satisfied", "True")),
        ("no proof", two, Mend.HAND, lambda w: w.redis.hset(two, "state", "issue")),
        ("serial without intent", two, Mend.HAND, lambda w: w.redis.hset(two, "serial", "ab")),
    ]
    return [pytest.param(*row, id=f"{row[0]} {n}") for n, row in enumerate(rows)]


@pytest.mark.anyio
@pytest.mark.parametrize(("law", "session", "mend", "damage"), _damages())
async def test_fsck_names_the_breach_of_a_session(
    world: World, tmp_path: Path, law: str, session: str, mend: Mend, damage: Damage
) -> None:
    """One damage, one breach, of the right session and with the right mending."""
    await populate(world)
    await damage(world)
    found = (await look(world, tmp_path)).breaches
    assert [(law, f"session {session}", mend)] == [(each.law, each.where, each.mend) for each in found]


@pytest.mark.anyio
async def test_fsck_done_without_certificate(world: World, tmp_path: Path) -> None:
    """A done session whose certificate went is told of, beside what it lacks already."""
    done = await world.reach(State.DONE, 1)
    await world.redis.hset(done.id, "cert", "")
    assert "done without certificate" in {each.law for each in (await look(world, tmp_path)).breaches}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("law", "where", "damage"),
    [
        ("indexed and not on record", "certificate ab", lambda w: w.redis.zadd("certificates", {"ab": NOW})),
        ("revoked and not on record", "certificate ab", lambda w: w.redis.hset("revoked", "ab", f"{NOW} 1")),
        ("in-flight list of nobody", "in-flight list X", lambda w: w.redis.lpush("inflight:X", sid(2))),
        ("unreadable", "certificate ab", lambda w: w.redis.set("certificate:ab", "text")),
        ("account without its key", f"account {aid(1)}", lambda w: w.redis.delete(f"account-key:{thumb(1)}")),
        ("account without its key", f"account {aid(3)}", lambda w: w.redis.set(f"account-key:{thumb(3)}", aid(2))),
        ("key of no account", f"account key {thumb(9)}", lambda w: w.redis.set(f"account-key:{thumb(9)}", aid(9))),
        ("key of no account", f"account key {thumb(1)}", lambda w: w.redis.delete(f"account:{aid(1)}")),
        ("key of no account", f"account key {thumb(9)}", lambda w: w.redis.set(f"account-key:{thumb(9)}", aid(2))),
        (
            "order of another account",
            f"account {aid(2)}",
            lambda w: w.redis.zadd(f"account:{aid(2)}:orders", {sid(6): 1}),
        ),
        (
            "order of another account",
            f"account {aid(9)}",
            lambda w: w.redis.zadd(f"account:{aid(9)}:orders", {sid(6): 1}),
        ),
        (
            "order not in its account's list",
            f"session {sid(6)}",
            lambda w: w.redis.zrem(f"account:{aid(1)}:orders", sid(6)),
        ),
        ("credential not in the index", f"credential {KNOWN.kid}", lambda w: w.redis.delete("eab")),
        (
            "credential index against its record",
            f"credential {KNOWN.kid}",
            lambda w: w.redis.zadd("eab", {KNOWN.kid: 5}),
        ),
        ("credential indexed and not on record", "credential gone", lambda w: w.redis.zadd("eab", {"gone": NOW})),
        (
            "credential indexed and not on record",
            f"credential {KNOWN.kid}",
            lambda w: w.redis.delete(f"eab:{KNOWN.kid}"),
        ),
        ("unreadable", f"credential {KNOWN.kid}", lambda w: w.redis.hdel(f"eab:{KNOWN.kid}", "names")),
        ("unreadable", "credential odd", lambda w: w.redis.set("eab:odd", "text")),
        ("unreadable", f"account {aid(2)}", lambda w: w.redis.hset(f"account:{aid(2)}", "status", "odd")),
        ("unreadable", f"account {aid(2)}", lambda w: w.redis.hdel(f"account:{aid(2)}", "thumbprint")),
        ("unreadable", f"account {aid(2)}", lambda w: w.redis.set(f"account:{aid(2)}", "text")),
    ],
)
async def test_fsck_names_what_is_no_session(
    world: World, tmp_path: Path, law: str, where: str, damage: Damage
) -> None:
    """Indexes, lists, accounts and credentials that belong to nothing or contradict one another; no secret is told."""
    await populate(world)
    await damage(world)
    found = (await look(world, tmp_path)).breaches
    assert (law, where) in {(each.law, each.where) for each in found}
    assert KNOWN.key not in repr(found)


@pytest.mark.anyio
async def test_fsck_two_certificates_of_one_session(world: World, tmp_path: Path) -> None:
    """The second one is named, with the first."""
    done = await world.reach(State.DONE, 1)
    record = certificate(done, 2)
    fields = {"serial": "02", "session": done.id, "pem": record.pem, "not_after": str(record.not_after)}
    await world.redis.hset("certificate:02", mapping=fields | {"names": "a.example"})
    report = await look(world, tmp_path)
    assert report.certificates == 2
    assert "unreadable" in {each.law for each in report.breaches}


@pytest.mark.anyio
async def test_fsck_set_aside_is_no_breach(world: World, tmp_path: Path) -> None:
    """What stands in quarantine is counted, and judged no more."""
    await populate(world)
    await world.redis.hset(sid(2), "state", "elsewhere")
    await world.redis.lrem("active-requests", 0, sid(2))
    await world.redis.lpush("quarantine", sid(2))
    report = await look(world, tmp_path)
    assert (report.quarantined, report.breaches) == (1, ())


@pytest.mark.anyio
async def test_fsck_forgets_what_was_only_a_moment(world: World, tmp_path: Path) -> None:
    """A suspicion that is gone at the next look is no breach."""
    await populate(world)
    await world.redis.lrem(world.keys.pending[0], 0, sid(5))

    async def mend() -> None:
        await world.redis.lpush(world.keys.pending[0], sid(5))

    report = await check(world.store, tmp_path / "crl.pem", 90 * DAY, mend)
    assert (report.suspected, report.breaches) == (1, ())
