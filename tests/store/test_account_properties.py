"""Random lives of accounts: whatever clients do, keys and accounts fit, and every move can be sent twice."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from stages.session import Problem
from stages.store import moves
from stages.store.account_moves import Limit, change_key, deactivate, new_account, order, update_account
from stages.store.account_records import account_fields
from stages.store.moves import Move
from tests.store.world import KEEP, NOW, Whole, World, aid, new_world, sid, thumb

PROBLEM = Problem("unauthorized", "no")
ACCOUNTS = st.integers(1, 3)
KEYS = st.integers(1, 4)
SESSIONS = st.integers(10, 16)
MOVES = st.one_of(
    st.builds(lambda a, k: new_account(aid(a), thumb(k), {"jwk": f"{k}"}, "", NOW), ACCOUNTS, KEYS),
    st.builds(lambda a, old, new: change_key(aid(a), thumb(old), thumb(new), f"{new}"), ACCOUNTS, KEYS, KEYS),
    st.builds(lambda a: deactivate(aid(a), PROBLEM, KEEP, NOW), ACCOUNTS),
    st.builds(lambda a, t: update_account(aid(a), account_fields(terms=t)), ACCOUNTS, st.integers(0, 3)),
    st.builds(
        lambda s, a: order(sid(s), ["a.example"], {}, NOW, aid(a), [Limit("new_orders", aid(a), 3, 60)]),
        SESSIONS,
        ACCOUNTS,
    ),
    st.builds(lambda s: moves.cancel(sid(s), PROBLEM, KEEP), SESSIONS),
)


def check(state: Whole) -> None:
    """One account for each key and one key for each account; no live order of an ended account; no limit overspent."""
    accounts: dict[str, Any] = {
        key.removeprefix("account:"): value
        for key, value in state.items()
        if key.startswith("account:") and not key.endswith(":orders")
    }
    claims = {key.removeprefix("account-key:"): value for key, value in state.items() if key.startswith("account-key:")}
    assert {record["thumbprint"]: account for account, record in accounts.items()} == claims
    for account, record in accounts.items():
        assert record["jwk"] == str([thumb(key) for key in range(1, 5)].index(record["thumbprint"]) + 1)
        orders: Any = state.get(f"account:{account}:orders", {})
        assert len(orders) <= 3  # as many as the limit allows while the clock stands
        for session in orders:
            found: Any = state[session]
            assert found["account"] == account
            assert record["status"] == "valid" or found["live"] == "False"


async def live(world: World, batch: list[Move]) -> None:
    """Make the moves, each twice."""
    for move in batch:
        answer = await world.client(move)
        state = await world.state()
        check(state)
        again = await world.client(move)
        assert state == await world.state()
        assert again == answer or (move[0] == "cancel" and again == ["refused", "not live"])


@pytest.mark.timeout(120)
@given(st.lists(MOVES, max_size=25))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_accounts_and_keys_fit_whatever_happens(clean_store: str, batch: list[Move]) -> None:
    """No order of moves gives two accounts one key or an ended account an order, and a second one changes nothing."""

    async def run() -> None:
        async with new_world(clean_store) as world:
            await world.redis.flushall()
            await live(world, batch)

    asyncio.run(run())
