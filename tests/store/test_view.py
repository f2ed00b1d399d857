"""The view of those who look: one look for all of them in a second, and nothing asked of a store that is away."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from stages.errors import Refused, StoreUnavailable
from stages.session import Problem
from stages.store import moves
from stages.store.store import Store
from supervisor.config import Settings, load
from supervisor.overview.parts import ProgramNow, QueueNow, Samples, Timeline
from supervisor.overview.view import Memory, View
from tests.harness.authority import make_authority
from tests.store.world import KEEP, NOW, World, sid

FIELDS = {"csr": "", "thumbprint": "t", "scheduled": "True"}
SAMPLES = Samples(2.0, NOW, [[]] * 4, [[]] * 4, [[]] * 4, [], [], [], [], [])


class Looker:
    """A view with its store, which is there or not; `up` is what the program knows of it."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store: Store | None = store
        self.up = True
        self.view = View(lambda: self.store, lambda: settings, self._memory)

    def _memory(self) -> Memory:
        program = ProgramNow("1", 1.0, True, (), "A", 1)  # noqa: FBT003  a row of the struct
        return Memory(program, (QueueNow("makechallenge"),), SAMPLES, self.up, ())


@pytest.fixture
def looker(world: World, tmp_path: Path) -> Looker:
    return Looker(world.store, load(make_authority(tmp_path), {}))


async def calls(world: World) -> int:
    """How many commands the server has worked on."""
    return int((await world.redis.info("stats"))["total_commands_processed"])


@pytest.mark.anyio
async def test_a_look_is_shared_for_a_second(world: World, looker: Looker) -> None:
    """Twenty who ask at once, and one half a second later, cost one look; one who asks after it costs another."""
    await world.store.move(moves.submit(sid(1), ["a.example"], FIELDS, NOW))
    first = await looker.view.overview(NOW)
    before = await calls(world)
    found = []

    async def ask(now: float) -> None:
        found.append(await looker.view.overview(now))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask, NOW + 0.5)
    assert all(each is first for each in found)
    assert await calls(world) - before == 1  # that is the INFO which counts
    assert await looker.view.overview(NOW + 1.0) is not first


@pytest.mark.anyio
async def test_an_outage_leaves_what_was_seen(world: World, looker: Looker) -> None:
    """While the program knows that the store is away it is not asked; the last look stays, and lists say why not."""
    await world.store.move(moves.submit(sid(1), ["a.example"], FIELDS, NOW))
    seen = await looker.view.overview(NOW)
    looker.up = False
    before = await calls(world)
    away = await looker.view.overview(NOW + 5)
    assert (away.store_available, away.store) == (False, seen.store)
    assert away.store_fault == "the store cannot be reached"
    with pytest.raises(StoreUnavailable):
        await looker.view.sessions("newest", NOW + 5)
    assert await calls(world) - before == 1
    looker.up, looker.store = True, None
    assert not (await looker.view.overview(NOW + 10)).store_available


@pytest.mark.anyio
async def test_rejected_sessions_are_listed_after_a_sweep(world: World, looker: Looker) -> None:
    """One that active-requests has forgotten is listed because the program has seen its end."""
    for number in (1, 2):
        await world.store.move(moves.submit(sid(number), ["a.example"], FIELDS, NOW))
        await world.store.move(moves.cancel(sid(number), Problem("unauthorized", f"no {number}"), KEEP))
    looker.view.note_rejected(sid(1))
    await world.redis.lrem("active-requests", 0, sid(1))
    found = await looker.view.sessions("failed", NOW)
    assert [(row.id, row.place, row.detail) for row in found.rows] == [
        (sid(1), "rejected", "no 1"),
        (sid(2), "rejected", "no 2"),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("last", "width", "bars"),
    [(0, 3600, 1), (90, 2 * 86_400, 46), (365, 7 * 86_400, 53), (200 * 365, 365 * 86_400, 60)],
)
async def test_the_timeline_has_bars_that_people_count_in(
    world: World, looker: Looker, last: int, width: int, bars: int
) -> None:
    """Hours, days, weeks or years, and never more than sixty of them; what is counted is all that is still to end."""
    await world.redis.zadd("certificates", {"1a": NOW - 1, "1b": NOW, "1c": NOW + last * 86_400})
    found = (await looker.view.overview(NOW)).timeline
    assert isinstance(found, Timeline)
    assert found.width == width
    assert len(found.counts) == bars
    assert found.expired == 1
    assert sum(found.counts) == 2


@pytest.mark.anyio
async def test_bad_questions_are_refused(looker: Looker) -> None:
    """Unknown lists and numbers out of bounds are named; nothing is asked of the store."""
    for field, question in (
        ("show", looker.view.sessions("all", NOW)),
        ("count", looker.view.sessions("newest", NOW, 101)),
        ("session", looker.view.session("AB" * 32, NOW)),
        ("offset", looker.view.certificates(NOW, offset=10_001)),
        ("to", looker.view.certificates(NOW, end=253_402_300_801)),
    ):
        with pytest.raises(Refused) as refused:
            await question
        assert refused.value.field == field
    assert await looker.view.session(sid(7), NOW) is None
