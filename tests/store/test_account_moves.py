"""Every move of an account and of a credential: what it changes, to the last key; a second one changes nothing."""

from __future__ import annotations

import anyio
import pytest

from stages.account import AccountStatus
from stages.outcome import Advance, Wait
from stages.restriction import Restriction
from stages.session import Problem, State
from stages.store.account_moves import (
    Limit,
    change_key,
    create_credential,
    deactivate,
    new_account,
    restrict_account,
    update_account,
    withdraw_credential,
)
from stages.store.account_records import account_fields, restriction_fields
from stages.store.moves import Move
from tests.store.world import KEEP, NOW, World, aid, diff, sid, thumb

pytestmark = pytest.mark.anyio

ENDED = Problem("unauthorized", "the account was deactivated")
ERROR = '{"kind":"unauthorized","detail":"the account was deactivated"}'
FIELDS = account_fields(jwk='{"n":1}', contact=["mailto:a@a.example"], terms=NOW)
KID = "kid"
CREDENTIAL = {
    "key": "secret",
    "created": str(NOW),
    "names": "[]",
    "deny": "[]",
    "profiles": "[]",
    "expires": "0",
    "single": "False",
    "used": "0",
    "withdrawn": "0",
    "note": "",
}


def make(number: int = 1, key: int | None = None, eab: str = "", limits: tuple[Limit, ...] = ()) -> Move:
    """A new account with the key of this number, or of another one."""
    return new_account(aid(number), thumb(key or number), FIELDS, eab, NOW, limits)


async def test_new_account_claims_its_key(world: World) -> None:
    """The account and the claim on its key come in one step."""
    before = await world.state()
    assert await world.client(make()) == ["ok", aid(1), "created"]
    assert {
        f"account:{aid(1)}": {
            "created": str(NOW),
            "status": "valid",
            "thumbprint": thumb(1),
            "jwk": '{"n":1}',
            "contact": '["mailto:a@a.example"]',
            "terms": str(NOW),
            "eab": "",
        },
        f"account-key:{thumb(1)}": aid(1),
    } == diff(before, await world.state())


async def test_new_account_of_a_known_key_is_found(world: World) -> None:
    """One key has one account; nothing is written or spent, and the ended one is found too."""
    await world.account(1)
    before = await world.state()
    limits = (Limit("new_accounts", "::1", 1, 60),)
    assert await world.client(make(2, key=1, limits=limits)) == ["ok", aid(1), "existing"]
    assert before == await world.state()
    await world.client(deactivate(aid(1), ENDED, KEEP, NOW))
    assert await world.client(make(2, key=1)) == ["ok", aid(1), "existing"]


async def test_new_account_race_makes_one(world: World) -> None:
    """Twenty at once with one key: one is created, the others find it."""
    answers = []

    async def one(number: int) -> None:
        answers.append(await world.client(make(number, key=99)))

    async with anyio.create_task_group() as group:
        for number in range(1, 21):
            group.start_soon(one, number)
    (created,) = [answer[1] for answer in answers if answer[2] == "created"]
    assert {created} == {answer[1] for answer in answers}
    assert len([key for key in await world.state() if key.startswith("account:")]) == 1


async def test_new_account_in_one_group_makes_one(world: World) -> None:
    """Two of one group with one key, and the first of them sent again behind them."""
    reply = await world.group(make(1, key=9), make(2, key=9), make(1, key=9))
    assert reply.results == [["ok", aid(1), "created"], ["ok", aid(1), "existing"], ["ok", aid(1), "created"]]


async def test_new_account_limits_are_of_an_address(world: World) -> None:
    """The limit is spent by what is made, and says in whole seconds when there is room again."""
    limits = (Limit("new_accounts", "192.0.2.1", 2, 60),)
    assert await world.client(make(1, limits=limits)) == ["ok", aid(1), "created"]
    assert await world.client(make(2, limits=limits)) == ["ok", aid(2), "created"]
    before = await world.state()
    assert before["rate:new_accounts:192.0.2.1"] == f"{NOW + 60}.000000"
    assert await world.client(make(3, limits=limits)) == ["refused", "limited", "new_accounts", 30]
    assert before == await world.state()
    world.clock.now += 30
    assert await world.client(make(3, limits=limits)) == ["ok", aid(3), "created"]


async def credential(world: World, **fields: str) -> None:
    """A credential on record."""
    assert await world.client(create_credential(KID, {**CREDENTIAL, **fields}, NOW)) == ["ok"]


async def test_new_account_counts_its_credential(world: World) -> None:
    """The account is bound to it, and the credential counts it once."""
    await credential(world)
    before = await world.state()
    for _ in range(2):
        assert await world.client(make(eab=KID)) == ["ok", aid(1), "created"]
    changed = diff(before, await world.state())
    assert changed[f"eab:{KID}"] == {"used": "1"}
    assert changed[f"account:{aid(1)}"]["eab"] == KID


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (None, "eab unknown"),
        ({"withdrawn": str(NOW)}, "eab withdrawn"),
        ({"expires": str(NOW)}, "eab expired"),
        ({"expires": str(NOW - 9)}, "eab expired"),
        ({"single": "True", "used": "1"}, "eab used"),
    ],
)
async def test_new_account_refused_by_its_credential(world: World, fields: dict[str, str] | None, why: str) -> None:
    """Nothing is made, and no limit is spent."""
    if fields is not None:
        await credential(world, **fields)
    before = await world.state()
    limits = (Limit("new_accounts", "::1", 1, 60),)
    assert await world.client(make(eab=KID, limits=limits)) == ["refused", why]
    assert before == await world.state()


@pytest.mark.parametrize("fields", [{"expires": str(NOW + 1)}, {"single": "True"}, {"used": "7"}])
async def test_new_account_with_a_usable_credential(world: World, fields: dict[str, str]) -> None:
    """Just before it expires, for the first time, and for the eighth."""
    await credential(world, **fields)
    assert await world.client(make(eab=KID)) == ["ok", aid(1), "created"]


async def test_a_single_use_credential_makes_one_account(world: World) -> None:
    """Two accounts at once: one is refused."""
    await credential(world, single="True")
    reply = await world.group(make(1, eab=KID), make(2, eab=KID), make(1, eab=KID))
    assert reply.results == [["ok", aid(1), "created"], ["refused", "eab used"], ["ok", aid(1), "created"]]


async def test_create_credential_is_listed_once(world: World) -> None:
    """The hash and its entry in the index; the same again changes nothing, another key is refused."""
    before = await world.state()
    await credential(world)
    assert {f"eab:{KID}": CREDENTIAL, "eab": {KID: float(NOW)}} == diff(before, await world.state())
    before = await world.state()
    await credential(world)
    other = create_credential(KID, {**CREDENTIAL, "key": "another"}, NOW)
    assert await world.client(other) == ["refused", "exists"]
    assert before == await world.state()


async def test_withdraw_credential_keeps_the_first_time(world: World) -> None:
    """It is withdrawn once; an unknown one is said to be unknown."""
    await credential(world)
    before = await world.state()
    assert await world.client(withdraw_credential(KID, NOW)) == ["ok"]
    assert await world.client(withdraw_credential(KID, NOW + 5)) == ["ok"]
    assert {f"eab:{KID}": {"withdrawn": str(NOW)}} == diff(before, await world.state())
    assert await world.client(withdraw_credential("other", NOW)) == ["refused", "unknown"]


async def test_update_account_writes_what_is_given(world: World) -> None:
    """Contacts and terms change, the rest stays; the same again changes nothing."""
    await world.account()
    before = await world.state()
    move = update_account(aid(1), account_fields(contact=["mailto:b@b.example"], terms=NOW + 1))
    assert [await world.client(move), await world.client(move)] == [["ok"], ["ok"]]
    changed = {"contact": '["mailto:b@b.example"]', "terms": str(NOW + 1)}
    assert {f"account:{aid(1)}": changed} == diff(before, await world.state())


async def test_update_account_of_nothing_changes_nothing(world: World) -> None:
    """No field is no error."""
    await world.account()
    before = await world.state()
    assert await world.client(update_account(aid(1), {})) == ["ok"]
    assert before == await world.state()


@pytest.mark.parametrize("field", ["status", "jwk", "thumbprint", "eab", "created"])
async def test_update_account_writes_no_other_field(world: World, field: str) -> None:
    """Key and status have moves of their own."""
    await world.account()
    before = await world.state()
    assert await world.client(update_account(aid(1), {"contact": "[]", field: "x"})) == ["error", "no field to update"]
    assert before == await world.state()


async def test_restrict_account_takes_the_place_of_what_was(world: World) -> None:
    """The rules are those of the last time, the same again changes nothing, and none are no field."""
    await world.account()
    before = await world.state()
    first = restrict_account(aid(1), restriction_fields(Restriction(("a.example",), (), ("server",))))
    assert await world.client(first) == ["ok"]
    second = restrict_account(aid(1), restriction_fields(Restriction(deny=("10.0.0.0/8",))))
    assert [await world.client(second), await world.client(second)] == [["ok"], ["ok"]]
    rules = {"names": "[]", "deny": '["10.0.0.0/8"]', "profiles": "[]"}
    assert {f"account:{aid(1)}": rules} == diff(before, await world.state())
    assert await world.client(restrict_account(aid(1), {})) == ["ok"]
    assert before == await world.state()


async def test_restrict_account_writes_no_other_field(world: World) -> None:
    """Nothing changes where something else is among the rules."""
    await world.account()
    before = await world.state()
    assert await world.client(restrict_account(aid(1), {"names": "[]", "status": "x"})) == ["error", "no rule"]
    assert before == await world.state()


async def test_deactivate_cancels_what_has_no_certificate(world: World) -> None:
    """Orders in a queue and in flight end with the account; the issued one, the dead one and a stranger's go on."""
    await world.account(1), await world.account(2)
    done, dead = await world.order(1), sid(2)
    await world.finish(done, 1)
    await world.order(2)
    (at_work,) = await world.claim(State.MAKECHALLENGE)
    await world.commit(at_work, Advance())
    (at_work,) = await world.claim(State.TESTCHALLENGE)
    await world.commit(at_work, Wait(NOW + 9))
    flying = await world.order(3)
    await world.claim(State.MAKECHALLENGE)
    queued, foreign = await world.order(4), await world.order(5, aid(2))
    before = await world.state()
    move = deactivate(aid(1), ENDED, KEEP, NOW)
    assert await world.client(move) == ["ok"]
    cancelled = {"live": "False", "error": ERROR, "story": f"{NOW} cancelled: the account was deactivated\n"}
    assert {
        f"account:{aid(1)}": {"status": "deactivated", "ended": str(NOW)},
        dead: {**cancelled, "waiting": None},
        flying: cancelled,
        queued: cancelled,
        "pending-makechallenge": [foreign],
        "finished": {"rejected": "3"},
    } == diff(before, await world.state())
    before = await world.state()
    assert await world.client(move) == ["ok"]
    assert before == await world.state()


async def test_deactivate_passes_by_what_cannot_be_read(world: World) -> None:
    """One garbled order does not keep the others alive."""
    await world.account()
    garbled, good = await world.order(1), await world.order(2)
    await world.redis.delete(garbled)
    await world.redis.set(garbled, "text")
    assert await world.client(deactivate(aid(1), ENDED, KEEP, NOW)) == ["ok"]
    assert (await world.whole(good)).live is False


@pytest.mark.parametrize(
    "move",
    [
        update_account(aid(1), account_fields(contact=[])),
        restrict_account(aid(1), {}),
        change_key(aid(1), thumb(1), thumb(2), "{}"),
        deactivate(aid(1), ENDED, KEEP, NOW, AccountStatus.REVOKED),
    ],
    ids=lambda move: move[0],
)
async def test_an_ended_account_is_not_changed(world: World, move: Move) -> None:
    """Deactivated is for good; an account that never was is unknown."""
    assert await world.client(move) == ["refused", "unknown"]
    await world.account()
    await world.client(deactivate(aid(1), ENDED, KEEP, NOW))
    before = await world.state()
    assert await world.client(move) == ["refused", "not valid"]
    assert before == await world.state()


async def test_change_key_kills_the_old_one_at_once(world: World) -> None:
    """The claim goes over with the account, and so does what its untested challenges are proven with."""
    await world.account()
    done = await world.order(1)
    await world.finish(done, 1)
    pending = await world.order(2)
    before = await world.state()
    move = change_key(aid(1), thumb(1), thumb(2), '{"n":2}')
    assert await world.client(move) == ["ok"]
    assert {
        f"account:{aid(1)}": {"thumbprint": thumb(2), "jwk": '{"n":2}'},
        f"account-key:{thumb(1)}": None,
        f"account-key:{thumb(2)}": aid(1),
        pending: {"thumbprint": thumb(2)},
    } == diff(before, await world.state())
    before = await world.state()
    assert await world.client(move) == ["ok"]
    assert before == await world.state()


async def test_change_key_to_the_key_of_another_is_refused(world: World) -> None:
    """The holder is named, for the Location of the answer; its end does not free its key."""
    await world.account(1), await world.account(2)
    await world.client(deactivate(aid(2), ENDED, KEEP, NOW))
    before = await world.state()
    assert await world.client(change_key(aid(1), thumb(1), thumb(2), "{}")) == ["refused", "in use", aid(2)]
    assert before == await world.state()


async def test_change_key_from_another_key_is_refused(world: World) -> None:
    """Two changes from one key: the second comes too late."""
    await world.account()
    assert await world.client(change_key(aid(1), thumb(1), thumb(2), "{}")) == ["ok"]
    before = await world.state()
    assert await world.client(change_key(aid(1), thumb(1), thumb(3), "{}")) == ["refused", "key is another"]
    assert before == await world.state()


@pytest.mark.parametrize("change_first", [True, False])
async def test_change_key_against_new_account(world: World, *, change_first: bool) -> None:
    """Whoever comes first has the key, and the other hears of it."""
    await world.account(1)
    change, new = change_key(aid(1), thumb(1), thumb(9), "{}"), make(2, key=9)
    answers = [await world.client(move) for move in ([change, new] if change_first else [new, change])]
    expected = (
        [["ok"], ["ok", aid(1), "existing"]]
        if change_first
        else [["ok", aid(2), "created"], ["refused", "in use", aid(2)]]
    )
    assert expected == answers


async def test_a_key_given_up_makes_another_account(world: World) -> None:
    """After a change the old key is free, and nobody's."""
    await world.account(1)
    await world.client(change_key(aid(1), thumb(1), thumb(2), "{}"))
    assert await world.client(make(3, key=1)) == ["ok", aid(3), "created"]


async def test_moves_of_accounts_behind_a_prefix(tagged: World) -> None:
    """Every key is behind the prefix {ca}:."""
    await tagged.account()
    await tagged.order()
    await credential(tagged)
    await tagged.client(change_key(aid(1), thumb(1), thumb(2), "{}"))
    assert [key for key in await tagged.state() if not key.startswith("{ca}:")] == []
