"""A run of the program in which ACME clients order certificates, and the log that it leaves. For this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from anyio import to_thread

from tests.e2e.acme.acme_site import acme_site
from tests.e2e.logs.log_file import started
from tests.harness.acme_moves import csr_for, session_of

GOOD = 3
_SOON = '[queues.testchallenge]\nmax_attempts = 2\nbackoff = "50ms"\n'


class RealRun(NamedTuple):
    """What a run has logged, and what is known of it from outside.

    Attributes:
        file: the log, in JSON.
        lines: its lines.
        account: the one account.
        sessions: the sessions of the orders that got a certificate.
        serials: the serial numbers of these certificates, as in their URLs.
        names: the names in them.
        rejected: the session of the order that could not be proven.
    """

    file: Path
    lines: list[dict[str, Any]]
    account: str
    sessions: list[str]
    serials: list[str]
    names: list[str]
    rejected: str


async def real_run(folder: Path, logs: str = "") -> RealRun:
    """Three orders that are issued, one that cannot be proven, one that finalizes too early; then the program stops.

    `logs` is appended to [logs], whose `to` is a file.
    """
    file = folder / "ca-supervisor.log"
    table = f'[logs]\nto = "{file}"\n{logs}'
    async with acme_site(folder / "ca", _SOON + table) as site:
        with await started(site.config, file) as program:
            client = await site.account()
            names = [site.name() for _ in range(GOOD)]
            orders = [await client.issued(name) for name in names]
            bad = await client.order(site.name())
            early = await client.finalize(bad, csr_for(["other.example"]))
            assert early.problem == (403, "orderNotReady")
            challenge = await client.challenge(bad)
            answer = await client.settled(challenge, await client.post(challenge, {}))
            assert answer.json["status"] == "invalid"
            assert await to_thread.run_sync(program.stop) == 0
            assert (program.events, program.other) == ([], [])
    return RealRun(
        file,
        [json.loads(line) for line in file.read_text().splitlines()],
        client.kid.rsplit("/", 1)[1],
        [session_of(order) for order in orders],
        [order.json["certificate"].rsplit("/", 1)[1] for order in orders],
        names,
        session_of(bad),
    )
