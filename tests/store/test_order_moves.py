"""Orders of accounts, what they replace, what they spend; renewal windows, delivery and revocation of what they got."""

from __future__ import annotations

from typing import Any

import pytest

from stages.makechallenge import MakeChallengeSettings, make_challenges
from stages.outcome import Advance
from stages.session import ChallengeType, Problem, Session, State
from stages.store import moves
from stages.store.account_moves import Limit, deactivate, order, renew_by
from stages.store.certificates import forget_expired, read_certificate
from stages.store.moves import Move
from tests.store.world import KEEP, NOW, World, aid, diff, sid

pytestmark = pytest.mark.anyio

PROBLEM = Problem("unauthorized", "no")
SPKI = "ab" * 32


def make(number: int = 1, *limits: Limit, names: tuple[str, ...] = ("a.example",), replaces: str = "") -> Move:
    """An order of account 1."""
    return order(sid(number), names, {"thumbprint": "t"}, NOW, aid(1), limits, replaces)


def orders(count: int, per: int, which: str = "new_orders") -> Limit:
    """A limit of account 1."""
    return Limit(which, aid(1), count, per)


async def test_order_is_a_session_of_its_account(world: World) -> None:
    """What submit makes, with the account, what the client wrote, and its place in the account's orders."""
    await world.account()
    before = await world.state()
    asked = ["A.example", "b.example"]
    move = order(sid(1), ["a.example", "b.example"], {"profile": "server"}, NOW, aid(1), [orders(3, 60)], asked=asked)
    assert await world.client(move) == ["ok"]
    assert {
        sid(1): {
            "created": str(NOW),
            "live": "True",
            "state": "makechallenge",
            "challenges": "0",
            "csr": "",
            "cert": "",
            "schema": "1",
            "profile": "server",
            "account": aid(1),
            "asked": "A.example,b.example",
            "story": f"{NOW} submitted\n",
        },
        f"{sid(1)}:names": ["a.example", "b.example"],
        "active-requests": [sid(1)],
        "pending-makechallenge": [sid(1)],
        f"account:{aid(1)}:orders": {sid(1): float(NOW)},
        f"rate:new_orders:{aid(1)}": f"{NOW + 20}.000000",
    } == diff(before, await world.state())
    assert (await world.whole(sid(1))).asked == ("A.example", "b.example")
    before = await world.state()
    assert await world.client(move) == ["ok"]
    assert before == await world.state()


async def test_order_with_its_challenges_waits_for_its_client(world: World) -> None:
    """It is in no list but active-requests, with what makechallenge says of it, in one step; sent twice, it is one."""
    await world.account()
    before = await world.state()
    session = Session(
        id=sid(1), created=NOW, live=True, state=State.MAKECHALLENGE, names=("a.example",), account=aid(1)
    )
    offered = MakeChallengeSettings((ChallengeType.HTTP_01, ChallengeType.DNS_01), 3600, 16)
    made = make_challenges(session, offered, NOW, bytes)
    move = order(sid(1), ["a.example"], {}, NOW, aid(1), made=made)
    assert await world.client(move) == ["ok"]
    row = {"challtime": str(NOW), "name": "a.example", "satisfied": "False", "failed": "False"}
    row["data"] = '{"token":"AAAAAAAAAAAAAAAAAAAAAA"}'
    assert {
        sid(1): {
            "created": str(NOW),
            "live": "True",
            "state": "testchallenge",
            "challenges": "2",
            "csr": "",
            "cert": "",
            "schema": "1",
            "account": aid(1),
            "expires": str(NOW + 3600),
            "waiting": str(NOW + 3600),
            "story": f"{NOW} submitted\n{NOW} makechallenge > testchallenge: 2 challenges\n",
        },
        f"{sid(1)}:names": ["a.example"],
        f"{sid(1)}:1": {"type": "4", **row},
        f"{sid(1)}:2": {"type": "5", **row},
        "active-requests": [sid(1)],
        f"account:{aid(1)}:orders": {sid(1): float(NOW)},
    } == diff(before, await world.state())
    before = await world.state()
    assert await world.client(move) == ["ok"]
    assert before == await world.state()


async def test_order_spelled_as_in_the_certificate_says_nothing(world: World) -> None:
    """`asked` is there only where there is a difference."""
    await world.account()
    await world.client(order(sid(1), ["a.example"], {}, NOW, aid(1), asked=["a.example"]))
    session = await world.whole(sid(1))
    assert (session.asked, session.replaces, session.account) == ((), "", aid(1))


@pytest.mark.parametrize("ended", [True, False])
async def test_order_of_an_account_that_is_not_valid(world: World, *, ended: bool) -> None:
    """An ended account and one that never was are refused, and nothing is spent."""
    if ended:
        await world.account()
        await world.client(deactivate(aid(1), PROBLEM, KEEP, NOW))
    before = await world.state()
    assert await world.client(make(1, orders(1, 60))) == ["refused", "account"]
    assert before == await world.state()


async def test_order_without_names_spends_nothing(world: World) -> None:
    """A session without names is not half made."""
    await world.account()
    before = await world.state()
    assert await world.client(make(1, orders(1, 60), names=())) == ["refused", "no names"]
    assert before == await world.state()


async def test_order_spends_no_limit_when_another_is_used_up(world: World) -> None:
    """All are looked at before any is spent; the one that takes longest is named."""
    await world.account()
    limits = (orders(9, 60, "slow"), orders(1, 10, "a"), orders(1, 100, "b"))
    assert await world.client(make(1, *limits)) == ["ok"]
    before = await world.state()
    assert await world.client(make(2, *limits)) == ["refused", "limited", "b", 100]
    assert before == await world.state()


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (0.0, ["refused", "limited", "new_orders", 20]),
        (0.5, ["refused", "limited", "new_orders", 20]),
        (19.0, ["refused", "limited", "new_orders", 1]),
        (19.5, ["refused", "limited", "new_orders", 1]),
        (20.0, ["ok"]),
    ],
)
async def test_order_limit_on_both_sides_of_the_second(world: World, later: float, expected: list[Any]) -> None:
    """Three in a minute at once; then the wait is told in whole seconds, rounded up, and it is enough."""
    await world.account()
    for number in (1, 2, 3):
        assert await world.client(make(number, orders(3, 60))) == ["ok"]
    world.clock.now += later
    assert await world.client(make(4, orders(3, 60))) == expected


def one_more(number: int, most_open: int, *limits: Limit) -> Move:
    """An order of account 1 that is to be one of so many open ones."""
    return order(sid(number), ["a.example"], {}, NOW, aid(1), limits, most_open=most_open)


async def test_order_over_the_limit_of_open_ones(world: World) -> None:
    """It is refused as the last check, and spends nothing; the same one sent again is what it was."""
    await world.account()
    reply = await world.group(one_more(1, 2), one_more(2, 2), one_more(3, 2), one_more(2, 2))
    assert reply.results == [["ok"], ["ok"], ["refused", "open"], ["ok"]]
    before = await world.state()
    assert await world.client(one_more(3, 2, orders(1, 60))) == ["refused", "open"]
    assert await world.client(one_more(3, 1)) == ["refused", "open"]
    assert before == await world.state()
    assert await world.client(one_more(3, 3)) == ["ok"]


@pytest.mark.parametrize("how", ["cancelled", "done", "finished", "gone", "garbled", "of another"])
async def test_order_that_is_not_open_is_not_counted(world: World, how: str) -> None:
    """What ended, what has its certificate, and what cannot be read leave room for another one."""
    await world.account(), await world.account(2)
    await world.order(1, aid(2) if how == "of another" else "")
    if how == "cancelled":
        await world.client(moves.cancel(sid(1), PROBLEM, KEEP))
    elif how == "finished":
        await world.finish(sid(1), 1)
    elif how == "done":
        await world.redis.hset(sid(1), "state", "done")
    elif how in {"gone", "garbled"}:
        await world.redis.delete(sid(1))
    if how == "garbled":
        await world.redis.set(sid(1), "text")
    assert await world.client(one_more(2, 1)) == ["ok"]
    assert await world.client(one_more(3, 1)) == ["refused", "open"]


async def test_order_counts_open_ones_among_the_newest(world: World) -> None:
    """Twice as many are looked at as may be open: newer ones that are finished hide an old one."""
    await world.account()
    await world.order(1)
    key = world.keys.orders(aid(1))
    await world.redis.zadd(key, {sid(10): NOW + 1})
    assert await world.client(one_more(2, 1)) == ["refused", "open"]
    await world.redis.zadd(key, {sid(11): NOW + 1})
    assert await world.client(one_more(2, 1)) == ["ok"]


async def test_order_limit_goes_by_itself(world: World) -> None:
    """Its key lives as long as something of it is used."""
    await world.account()
    await world.client(make(1, orders(3, 60)))
    assert 15_000 < await world.redis.pttl(f"rate:new_orders:{aid(1)}") <= 20_000


async def test_order_limit_after_the_clock_was_set_back(world: World) -> None:
    """No wait is longer than the limit's own time."""
    await world.account()
    await world.client(make(1, orders(1, 60)))
    world.clock.now -= 86_400
    assert await world.client(make(2, orders(1, 60))) == ["refused", "limited", "new_orders", 60]


@pytest.mark.parametrize("limit", [Limit("new_orders", "a", 0, 60), Limit("new_orders", "a", 1, 0)])
def test_a_limit_of_nothing_is_no_limit(limit: Limit) -> None:
    """Who has a limit that is off leaves it out."""
    with pytest.raises(ValueError, match="at least 1"):
        make(1, limit)


async def test_order_drops_a_few_that_are_gone(world: World) -> None:
    """The index follows what there is: entries without a session go, the others stay."""
    await world.account()
    await world.order(1)
    await world.redis.zadd(world.keys.orders(aid(1)), {sid(8): 1, sid(9): 2})
    await world.order(2)
    assert {sid(1): float(NOW), sid(2): float(NOW)} == (await world.state())[world.keys.orders(aid(1))]


async def certified(world: World) -> None:
    """Accounts 1 and 2, and certificate 01 of account 1."""
    await world.account(1), await world.account(2)
    await world.order(1)
    await world.finish(sid(1), 1)


async def test_order_marks_what_it_replaces(world: World) -> None:
    """The mark comes with the order, and the successor when it retires."""
    await certified(world)
    before = await world.state()
    assert await world.client(make(2, replaces="01")) == ["ok"]
    changed = diff(before, await world.state())
    assert changed["certificate:01"] == {"replaced": sid(2)}
    assert changed[sid(2)]["replaces"] == "01"
    await world.finish(sid(2), 2)
    certificate = await read_certificate(world.store, "01")
    assert certificate is not None
    assert (certificate.replaced, certificate.successor, certificate.account) == (sid(2), "02", aid(1))


async def test_order_that_replaces_sent_again_is_the_same(world: World) -> None:
    """Its own mark is no other order."""
    await certified(world)
    assert await world.client(make(2, replaces="01")) == ["ok"]
    before = await world.state()
    assert await world.client(make(2, replaces="01")) == ["ok"]
    assert before == await world.state()


@pytest.mark.parametrize("how", ["live", "retired", "gone"])
async def test_order_replaces_what_is_replaced_already(world: World, how: str) -> None:
    """A replacement that lives or has its certificate stands, also when its session is long gone."""
    await certified(world)
    await world.client(make(2, replaces="01"))
    if how != "live":
        await world.finish(sid(2), 2)
    if how == "gone":
        await world.redis.delete(sid(2), f"{sid(2)}:names", f"{sid(2)}:1")
    before = await world.state()
    assert await world.client(make(3, orders(1, 60), replaces="01")) == ["refused", "replaced"]
    assert before == await world.state()


@pytest.mark.parametrize("gone", [True, False])
async def test_order_replaces_again_after_a_failed_one(world: World, *, gone: bool) -> None:
    """RFC 9773 5: a replacement that came to nothing does not stand in the way."""
    await certified(world)
    await world.client(make(2, replaces="01"))
    await world.client(moves.cancel(sid(2), PROBLEM, KEEP))
    if gone:
        await world.redis.delete(sid(2))
    assert await world.client(make(3, replaces="01")) == ["ok"]
    certificate = await read_certificate(world.store, "01")
    assert certificate is not None
    assert certificate.replaced == sid(3)


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (make(2, orders(1, 60), replaces="ff"), "unknown certificate"),
        (order(sid(2), ["a.example"], {}, NOW, aid(2), [orders(1, 60)], "01"), "unknown certificate"),
        (make(2, orders(1, 60), names=("b.example", "a.example.b.example"), replaces="01"), "other names"),
    ],
)
async def test_order_replaces_what_it_cannot(world: World, move: Move, why: str) -> None:
    """What is not there and what is another's get the same answer; nothing is made, nothing spent."""
    await certified(world)
    before = await world.state()
    assert await world.client(move) == ["refused", why]
    assert before == await world.state()


async def test_retire_of_what_replaced_a_forgotten_certificate(world: World) -> None:
    """A certificate that is no longer on record is not brought back by its successor."""
    await certified(world)
    await world.client(make(2, replaces="01"))
    assert await forget_expired(world.store, NOW + 86_401) == 1
    await world.finish(sid(2), 2)
    assert "certificate:01" not in await world.state()


async def test_renew_by_sets_and_takes_away_a_window(world: World) -> None:
    """The operator's window is with the certificate; 0 and 0 end it."""
    await certified(world)
    before = await world.state()
    for _ in range(2):
        assert await world.client(renew_by("01", NOW + 1, NOW + 2)) == ["ok"]
    window = {"renew_start": str(NOW + 1), "renew_end": str(NOW + 2)}
    assert {"certificate:01": window} == diff(before, await world.state())
    certificate = await read_certificate(world.store, "01")
    assert certificate is not None
    assert (certificate.renew_start, certificate.renew_end) == (NOW + 1, NOW + 2)
    assert await world.client(renew_by("01", 0, 0)) == ["ok"]
    assert before == await world.state()
    assert await world.client(renew_by("ff", NOW, NOW)) == ["refused", "unknown"]


@pytest.mark.parametrize("reached", ["sent", "confirmed"])
async def test_deliver_after_the_session_retired(world: World, reached: str) -> None:
    """Session and certificate say the same, nothing comes back to a queue, and a second one changes nothing."""
    await certified(world)
    before = await world.state()
    assert await world.client(moves.deliver(sid(1), reached)) == ["ok"]
    assert {
        sid(1): {"delivery": reached, "story": f"{NOW} delivery {reached}\n"},
        "certificate:01": {"delivery": reached},
    } == diff(before, await world.state())
    assert await world.redis.ttl(sid(1)) > 0
    before = await world.state()
    assert await world.client(moves.deliver(sid(1), reached)) == ["ok"]
    assert before == await world.state()


async def test_deliver_after_the_session_is_gone(world: World) -> None:
    """With its serial the certificate is marked alone, and never goes back; another session's is not."""
    await certified(world)
    await world.redis.delete(sid(1), f"{sid(1)}:names", f"{sid(1)}:1")
    before = await world.state()
    assert await world.client(moves.deliver(sid(1), "confirmed")) == ["refused", "state is another"]
    assert await world.client(moves.deliver(sid(2), "confirmed", "01")) == ["refused", "state is another"]
    assert await world.client(moves.deliver(sid(1), "confirmed", "ff")) == ["refused", "state is another"]
    assert before == await world.state()
    assert await world.client(moves.deliver(sid(1), "confirmed", "01")) == ["ok"]
    assert await world.client(moves.deliver(sid(1), "sent", "01")) == ["ok"]
    assert diff(before, await world.state()) == {"certificate:01": {"delivery": "confirmed"}}


async def test_deliver_of_a_rejected_session_is_refused(world: World) -> None:
    """What has no certificate delivers none."""
    await world.account()
    await world.order(1)
    await world.client(moves.cancel(sid(1), PROBLEM, KEEP))
    before = await world.state()
    assert await world.client(moves.deliver(sid(1), "sent", "01")) == ["refused", "state is another"]
    assert before == await world.state()


async def test_revoke_blocks_a_compromised_key(world: World) -> None:
    """The key is blocked in the same step, and also where the certificate was revoked before."""
    await certified(world)
    before = await world.state()
    assert await world.client(moves.revoke("01", 1, NOW, SPKI)) == ["ok"]
    assert {
        "certificate:01": {"revoked": str(NOW), "reason": "1"},
        "revoked": {"01": f"{NOW} 1"},
        "blocked-keys": {SPKI: f"{NOW} 01"},
    } == diff(before, await world.state())
    before = await world.state()
    assert await world.client(moves.revoke("01", 1, NOW + 1, SPKI)) == ["refused", "already"]
    assert await world.client(moves.revoke("ff", 1, NOW + 1, "cd" * 32)) == ["refused", "unknown"]
    assert before == await world.state()
    assert await world.client(moves.revoke("01", 1, NOW + 1, "cd" * 32)) == ["refused", "already"]
    assert {"blocked-keys": {"cd" * 32: f"{NOW + 1} 01"}} == diff(before, await world.state())


async def test_orders_need_no_lease_and_follow_the_pipeline(world: World) -> None:
    """An order among a supervisor's own moves is claimed as any session."""
    await world.account()
    reply = await world.group(make(1))
    assert reply.results == [["ok"]]
    (session,) = await world.claim(State.MAKECHALLENGE)
    assert (session.id, session.account) == (sid(1), aid(1))
    assert await world.commit(session, Advance()) == ["ok"]
