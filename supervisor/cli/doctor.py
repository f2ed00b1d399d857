"""`doctor`: can this host be trusted with a CA?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import click
import msgspec

from stages.store.store import Store
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import work_in
from supervisor.doctor import Finding, Level, examine
from supervisor.exit_codes import ExitCode

_ORDER: Final = (Level.ERROR, Level.WARNING, Level.NOTE, Level.OK)


@click.command()
@shared
@click.pass_obj
def doctor(invocation: Invocation) -> int:
    """Check disk, clock, files, CA, store, resolver and ports of this host, and say what to do about each finding.

    Works before `init`, beside a supervisor and without one. Ends with 10 when there is an error.
    """
    settings = invocation.settings()

    async def reach(work: Callable[[Store], Awaitable[list[Finding]]]) -> list[Finding]:
        return await work_in(settings, invocation, work)

    found = anyio.run(examine, settings, invocation.now, reach)
    found.sort(key=lambda finding: _ORDER.index(finding.level))
    counts = Counter(finding.level.value for finding in found)
    if invocation.json:
        made = {
            "findings": msgspec.to_builtins(found),
            "counts": {level.value: counts[level.value] for level in _ORDER},
        }
        output.document(made)
    else:
        rows = [(each.level.value, each.check, each.seen, each.advice) for each in found]
        output.table(("", "check", "what was seen", "what to do"), rows)
        output.line()
        output.line(", ".join(f"{level.value}: {counts[level.value]}" for level in _ORDER))
    return ExitCode.FINDINGS if counts[Level.ERROR.value] else ExitCode.OK
