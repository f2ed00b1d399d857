"""Random legal and illegal ACME moves by several accounts: no way leads out of valid or invalid."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.harness.acme_moves import Answer, csr_for, session_of
from tests.store.acme.front import Client, Front, opened
from tests.store.world import World

STEPS = 300
NAMES = ("a.example", "b.example", "*.c.example", "192.0.2.1")
AHEAD = {
    "pending": {"pending", "ready", "processing", "valid", "invalid"},
    "ready": {"ready", "processing", "valid", "invalid"},
    "processing": {"processing", "valid", "invalid"},
    "valid": {"valid"},
    "invalid": {"invalid"},
}
"""RFC 8555 7.1.6: where an order's status may lead."""


class Player:
    """One client, and what it knows of its orders: the statuses as they were last seen."""

    def __init__(self, front: Front, client: Client, chance: random.Random) -> None:
        self.front = front
        self.client = client
        self.chance = chance
        self.orders: list[Answer] = []
        self.seen: dict[str, str] = {}
        self.remembered = 0

    async def move(self, others: list[Player]) -> None:
        """Do one thing, legal or not."""
        if not self.orders or self.chance.random() < 0.15:
            names = self.chance.sample(NAMES, self.chance.randint(1, 3))
            order = await self.client.order(*names)
            assert order.status == 201
            self.orders.append(order)
        order = self.chance.choice(self.orders)
        await self.chance.choice([self.answer, self.answer, self.finalize, self.give_up, self.intrude])(order, others)
        await self.look(order)

    async def answer(self, order: Answer, _: list[Player]) -> None:
        """Say that one of the challenges is ready."""
        i = self.chance.randrange(len(order.json["identifiers"])) + 1
        challenges = (await self.client.authorization(order, i)).json["challenges"]
        if challenges:
            answer = await self.client.post(self.chance.choice(challenges)["url"], {})
            assert answer.status == 200
            assert answer.json["status"] in {"valid", "invalid", "pending"}

    async def finalize(self, order: Answer, _: list[Player]) -> None:
        """Send a CSR, a good one or one for other names."""
        names = [identifier["value"] for identifier in order.json["identifiers"]]
        good = self.chance.random() < 0.7
        before = self.seen.get(session_of(order), "pending")
        answer = await self.client.finalize(order, csr_for(names if good else [*names, "other.example"]))
        expected = {"ready": 200 if good else 400, "valid": 200, "pending": 403, "invalid": 403}[before]
        assert answer.status == expected, (before, answer.response.body)

    async def give_up(self, order: Answer, _: list[Player]) -> None:
        """Deactivate an authorization, rarely."""
        if self.chance.random() < 0.3:
            answer = await self.client.post(order.json["authorizations"][0], {"status": "deactivated"})
            assert answer.status == (403 if self.seen.get(session_of(order)) == "valid" else 200)

    async def intrude(self, order: Answer, others: list[Player]) -> None:
        """Have somebody else try it."""
        other = self.chance.choice([player for player in others if player is not self])
        for url, payload in ((order.json["finalize"], {"csr": "AAAA"}), (order.json["authorizations"][0], b"")):
            assert (await other.client.post(url, payload)).status == 404

    async def look(self, order: Answer) -> None:
        """Compare the order and its authorizations with each other, with what was seen before, and with the record."""
        session = session_of(order)
        await self.compare(session)
        shown: Any = (await self.client.post(order.header("Location") or "")).json
        before, now = self.seen.get(session, "pending"), shown["status"]
        assert now in AHEAD[before]
        self.seen[session] = now
        parts = [
            (await self.client.authorization(order, i)).json["status"]
            for i in range(1, len(shown["authorizations"]) + 1)
        ]
        if now in {"ready", "processing", "valid"}:
            assert set(parts) == {"valid"}
        if now == "pending":
            assert "pending" in parts
            assert set(parts) <= {"pending", "valid"}
        assert ("certificate" in shown) == (now == "valid")
        assert ("error" in shown) == (now == "invalid")

    async def compare(self, session: str) -> None:
        """What the door remembers of an order is what is on record."""
        await self.front.settled()
        await self.front.committer.until_idle()
        known = self.front.desk.recent._sessions.get(session)
        if known is not None:
            self.remembered += 1
            record = await self.front.world.whole(session)
            assert replace(record, story="", waiting=0) == replace(known[1], story="", waiting=0)


@pytest.mark.anyio
async def test_random_moves_keep_the_state_machine(world: World) -> None:
    """Statuses only go ahead, authorizations and orders agree, each certificate is one order's."""
    seed = int(os.environ.get("MOVES_SEED", random.randrange(2**32)))
    print(f"MOVES_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    chance = random.Random(seed)
    async with opened(world) as front:
        players = [Player(front, await front.client(), chance) for _ in range(3)]
        for _ in range(STEPS):
            if chance.random() < 0.2:
                front.net.faults.clear()
                if chance.random() < 0.5:
                    front.fail(chance.choice(NAMES).removeprefix("*."), "connection")
                    front.fail("*.c.example", "dns")
            await chance.choice(players).move(players)
        certificates = await world.redis.zcard(world.keys.certificates)
    statuses = [status for player in players for status in player.seen.values()]
    assert certificates == statuses.count("valid")
    assert sum(player.remembered for player in players) > STEPS / 10
    assert set(statuses) >= {"valid", "invalid", "pending"}
