"""What the benchmark of counting counts for a session is what the program counts for one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from benchmarks.sides.counting import Own, count, session_moves
from benchmarks.sides.ours import machinery
from supervisor.meter import Meter

SESSIONS = 5
pytestmark = pytest.mark.anyio


def numbers(meter: Meter) -> dict[str, Any]:
    """What was counted, without how long it took."""
    return {
        "tries": [queue.stage.count for queue in meter.queues],
        "outcomes": [queue.outcomes for queue in meter.queues],
        "waits": [queue.wait.count for queue in meter.queues],
        "without a wait": [queue.wait.counts[0] for queue in meter.queues[1:]],
    }


async def test_counted_session_is_one_that_goes_through_alone() -> None:
    """Tries, outcomes and waits of each queue are those of sessions in a real store."""
    own = Own()
    for number in range(SESSIONS):
        count(own, *session_moves(f"{number:064x}"))
    with capture_logs(), anyio.fail_after(30):
        async with machinery(4) as run, anyio.create_task_group() as group:
            started = anyio.Event()

            async def ready() -> None:
                started.set()

            group.start_soon(run.term.run, ready, lambda: 5.0)
            await started.wait()
            for number in range(SESSIONS):
                run.committer.add(session_moves(f"{number:064x}")[0])
                await run.until_retired(1)
            found = numbers(run.committer.meter)
            run.term.stop()
    assert numbers(own.meter) == found
    assert found["outcomes"] == [Counter(advance=SESSIONS)] * 4
