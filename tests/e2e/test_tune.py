"""`tune`: a queue that is starved on purpose is named, and what is advised helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from tests.e2e.command import Place
from tests.harness.site import Site, site

pytestmark = pytest.mark.anyio

SLOW = 0.15
COUNT = 60


async def tuned(ca: Site, *arguments: str) -> dict[str, Any]:
    """What `tune` says, by queue."""
    document = await to_thread.run_sync(lambda: Place(ca.folder).json("tune", *arguments))
    return {each["queue"]: each for each in document["queues"]}


@pytest.mark.timeout(180)
async def test_tune_names_the_starved_queue_and_what_it_says_helps(tmp_path: Path) -> None:
    """One slot for slow web servers: tune asks for more, and with those the same load hardly waits."""
    async with site(tmp_path, "[queues.testchallenge]\nconcurrency = 1 # too few\n") as ca:
        ca.peer.delay = SLOW
        with await ca.start() as program:
            await ca.submit(COUNT)
            await ca.until_asked(25)
            seen = await tuned(ca)
            starved = seen["testchallenge"]
            assert [queue for queue, each in seen.items() if each["advised"] > each["concurrency"]] == ["testchallenge"]
            assert (starved["concurrency"], starved["used"] > 0.7) == (1, True)
            assert starved["advised"] >= 8
            assert starved["stage"] >= SLOW
            assert starved["wait"] > 5 * SLOW
            before = ca.config.read_text()
            assert "concurrency = 1 # too few" in before
            written = (await tuned(ca, "--write"))["testchallenge"]["advised"]
            assert before.replace("= 1 # too few", f"= {written} # too few") == ca.config.read_text()
            changes = await to_thread.run_sync(lambda: Place(ca.folder).json("reload")["changes"])
            assert [(each["key"], each["new"]) for each in changes] == [
                ("queues.testchallenge.concurrency", str(written))
            ]
            await ca.until_done(COUNT)
            await ca.submit(COUNT)
            await ca.until_done(2 * COUNT)
            after = (await tuned(ca))["testchallenge"]
            assert after["concurrency"] == written
            assert after["wait"] < starved["wait"] / 2
            assert await to_thread.run_sync(program.stop) == 0


async def test_tune_looks_at_the_time_that_it_is_told(tmp_path: Path) -> None:
    """With --for nothing that was before counts; without --write nothing is changed."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            await ca.submit(30)
            await ca.until_done(30)
            before = ca.config.read_text()
            assert {queue: each["arrivals"] > 0 for queue, each in (await tuned(ca)).items()} == dict.fromkeys(
                ("makechallenge", "testchallenge", "issue", "done"), True
            )
            assert [each["arrivals"] for each in (await tuned(ca, "--for", "1s")).values()] == [0, 0, 0, 0]
            assert before == ca.config.read_text()
            shown = (await to_thread.run_sync(lambda: Place(ca.folder).ok("tune"))).out
            assert "enough: the wait is no longer than" in shown
            assert await to_thread.run_sync(program.stop) == 0
