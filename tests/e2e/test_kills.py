"""SIGKILL at any moment loses nothing and does nothing twice."""

from __future__ import annotations

import os
import random
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.harness.audit import audit_done
from tests.harness.process import Program
from tests.harness.site import site

KILLS = 10
LOAD = "".join(f"[queues.{queue}]\nconcurrency = 100\n" for queue in ("makechallenge", "testchallenge", "issue"))
BETWEEN = ("recovery.started", "supervisor.ready", "supervisor.ready", "supervisor.ready")
"""What is waited for before the random delay; the first kills in the middle of the recovery scan."""


@pytest.mark.anyio
async def test_kills_lose_nothing(tmp_path: Path) -> None:
    """After ten SIGKILLs under load each session has exactly one certificate, and nothing is left over."""
    seed = int(os.environ.get("KILLS_SEED", random.randrange(2**32)))
    print(f"KILLS_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    chance = random.Random(seed)
    runs: list[Program] = []
    sessions: list[str] = []
    async with site(tmp_path, LOAD) as ca:
        ca.peer.delay = lambda: chance.uniform(0.0, 0.8)
        for kill in range(KILLS):
            with await ca.start(BETWEEN[kill % len(BETWEEN)]) as program:
                runs.append(program)
                sessions += await ca.submit(100 if kill == 0 else 40)
                await anyio.sleep(chance.uniform(0.0, 0.7))
                program.kill()
        with await ca.start() as program:
            runs.append(program)
            await ca.until_done(len(sessions))
            await audit_done(ca, sessions, runs)
            assert await to_thread.run_sync(program.stop) == 0
    assert [event for run in runs for event in run.events if event["level"] == "error"] == []
    assert [line for run in runs for line in run.other] == []
    assert sum(len(run.named("certificate.issued")) for run in runs[:-1]) > 0, "no work was done between the kills"
