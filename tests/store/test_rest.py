"""What the warnings ask the store, and when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import Settings
from supervisor.upkeep.steady import Steady
from supervisor.warnings.gathering import REST, Gatherer
from supervisor.warnings.rounds import PAGE
from tests.store.world import NOW, World

pytestmark = pytest.mark.anyio


class Looks:
    """Looks at a CA, and how many commands each has cost the store."""

    def __init__(self, world: World, folder: Path) -> None:
        settings = Settings.model_validate({"data_dir": str(folder), "store": {"url": "redis://localhost"}})
        self.calls = 0
        self._world = world
        steady = Steady(world.clock, world.clock)
        self.now = 0.0
        self._gatherer = Gatherer(
            lambda: settings,
            world.store,
            tuple,
            folder,
            steady,
            calls=lambda: self.calls,
            monotonic=lambda: self.now,
        )

    async def cost(self) -> int:
        """Look once."""
        before = await self._processed()
        await self._gatherer.look()
        return await self._processed() - before - 1

    async def _processed(self) -> int:
        return int((await self._world.redis.info("stats"))["total_commands_processed"])


async def test_store_is_asked_where_something_was_done(world: World, tmp_path: Path) -> None:
    """One look asks; the next does not, until the program has called its store for its work again."""
    looks = Looks(world, tmp_path)
    assert await looks.cost() > 0
    assert [await looks.cost() for _ in range(3)] == [0, 0, 0]
    looks.calls += 1
    assert await looks.cost() > 0
    assert await looks.cost() == 0


async def test_a_round_is_brought_to_its_end(world: World, tmp_path: Path) -> None:
    """A round that takes three looks is not left where it is because nothing happens meanwhile."""
    serials = {f"{n:x}": NOW + 90 * 86_400 + n for n in range(2 * PAGE + 1)}
    await world.redis.zadd(world.keys.certificates, serials)
    looks = Looks(world, tmp_path)
    costs = [await looks.cost() for _ in range(4)]
    assert [cost > 0 for cost in costs] == [True, True, True, False]


async def test_it_is_asked_again_after_an_hour(world: World, tmp_path: Path) -> None:
    """Another process may have done something."""
    looks = Looks(world, tmp_path)
    await looks.cost()
    looks.now = REST - 0.1
    assert await looks.cost() == 0
    looks.now = REST
    assert await looks.cost() > 0
