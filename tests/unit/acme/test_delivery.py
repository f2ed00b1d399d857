"""Deliveries: which moves they make, and that their memory is bounded."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from stages.done import CONFIRMED
from stages.errors import StoreUnavailable
from stages.session import Delivery
from stages.store import moves
from stages.store.moves import Move
from supervisor.acme.delivery import Deliveries, Handed


class Store:
    """Keeps the moves."""

    def __init__(self) -> None:
        self.made: list[Move] = []
        self.away = False

    async def move(self, move: Move) -> list[Any]:
        """Take one."""
        if self.away:
            raise StoreUnavailable("store: away")
        self.made.append(move)
        return ["ok"]


@pytest.mark.anyio
async def test_steps_follow_the_reply() -> None:
    """Nothing at first; sent when it is written; confirmed when its nonce comes back, and only once."""
    store = Store()
    deliveries = Deliveries(store.move, lambda: 7, lambda: 60, together=0)
    reply = Handed(200, session="s", serial="ab")
    deliveries.give("nonce", reply)
    deliveries.returned("other")
    await deliveries.settled()
    assert store.made == []
    assert reply.written is not None
    reply.written()
    await deliveries.settled()
    assert store.made == [moves.deliver("s", "sent", "ab", 7)]
    deliveries.returned("nonce")
    deliveries.returned("nonce")
    await deliveries.settled()
    assert store.made[1:] == [moves.deliver("s", "confirmed", "ab", retired=(60, CONFIRMED))]


@pytest.mark.anyio
async def test_memory_is_bounded() -> None:
    """The oldest nonce is forgotten first; its certificate stays as far as it was."""
    store = Store()
    deliveries = Deliveries(store.move, lambda: 7, lambda: 60, capacity=2, together=0)
    for number in range(3):
        deliveries.give(str(number), Handed(200, session=str(number)))
    for number in range(3):
        deliveries.returned(str(number))
    await deliveries.settled()
    assert [move[1] for move in store.made] == ["1", "2"]


@pytest.mark.anyio
async def test_store_that_is_away_harms_nobody() -> None:
    """The step is lost, and the certificate counts as less far than it is."""
    store = Store()
    store.away = True
    deliveries = Deliveries(store.move, lambda: 7, lambda: 60, together=0)
    deliveries.give("nonce", Handed(200, session="s"))
    deliveries.returned("nonce")
    await deliveries.settled()
    store.away = False
    deliveries.returned("nonce")
    await deliveries.settled()
    assert store.made == []


@pytest.mark.anyio
async def test_moves_under_way_are_bounded() -> None:
    """While the store takes nothing, what more is delivered is not noted: tasks may not pile up."""
    made: list[Move] = []
    gate = anyio.Event()

    async def slow(move: Move) -> list[Any]:
        made.append(move)
        await gate.wait()
        return ["ok"]

    deliveries = Deliveries(slow, lambda: 7, lambda: 60, capacity=2, together=0)
    for number in range(3):
        deliveries.note(str(number), "ab", Delivery.SENT)
    await anyio.wait_all_tasks_blocked()
    gate.set()
    await deliveries.settled()
    assert [move[1] for move in made] == ["0", "1"]


@pytest.mark.anyio
async def test_steps_of_a_moment_are_one() -> None:
    """A client that goes on at once has its confirmation recorded, and no step before it; nothing goes back."""
    store = Store()
    deliveries = Deliveries(store.move, lambda: 7, lambda: 60, together=600)
    for step in (Delivery.SENT, Delivery.CONFIRMED, Delivery.SENT):
        deliveries.note("s", "ab", step)
    deliveries.note("t", "cd", Delivery.SENT)
    await anyio.wait_all_tasks_blocked()
    assert store.made == []
    await deliveries.settled()
    confirmed = moves.deliver("s", "confirmed", "ab", retired=(60, CONFIRMED))
    assert store.made == [confirmed, moves.deliver("t", "sent", "cd", 7)]
    deliveries.note("u", "ef", Delivery.SENT)
    await deliveries.settled()
    assert store.made[2:] == [moves.deliver("u", "sent", "ef", 7)]
