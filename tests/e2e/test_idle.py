"""An idle program asks its store nothing but to keep the lease."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.harness.site import site

SECONDS = 8.0


@pytest.mark.anyio
async def test_idle_program_only_renews_its_lease(tmp_path: Path) -> None:
    """With waiting sessions and nothing to do, every command in 8 s is one of a lease renewal, three in each lease."""
    async with site(tmp_path) as ca:
        with await ca.start() as program:
            sessions = await ca.submit(3)
            await ca.until_done(len(sessions))
            commands: Counter[str] = Counter()
            async with ca.store.redis.monitor() as monitor:
                with anyio.move_on_after(SECONDS):
                    while True:
                        seen = await monitor.next_command()
                        commands[f"{seen['client_type']} {seen['command'].split()[0].lower()}"] += 1
            assert await to_thread.run_sync(program.stop) == 0
    renewals = commands.pop("unix eval") + commands.pop("unix evalsha", 0)
    assert 2 <= renewals <= 3  # a lease of 10 s is renewed every 3.3 s
    assert set(commands) <= {"lua get", "lua pexpire"}
