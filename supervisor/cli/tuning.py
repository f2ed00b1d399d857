"""`tune`: says from the running program's measures how many slots each queue needs; `--write` puts it into the file.

Nothing is changed in the running program: `reload` does that.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click
import msgspec

from supervisor.cli import output
from supervisor.cli.arguments import Duration
from supervisor.cli.editing import edit
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.reloading import answered
from supervisor.control.advice import Advice, advise
from supervisor.control.messages import Question
from supervisor.pipeline.measures import Measured

_COLUMNS: Final = ("queue", "slots", "advised", "arrivals/s", "stage", "wait", "in use", "why")


@click.command()
@shared
@click.option("--for", "period", type=Duration(), help="Measure from now on for so long; else since the last change.")
@click.option("--write", is_flag=True, help="Put what is advised into the config file; comments stay.")
@click.pass_obj
def tune(invocation: Invocation, period: int | None, write: bool) -> None:  # noqa: FBT001  click's signature
    """Say how many slots (queues.*.concurrency) each queue needs, from arrivals, stage times and waits as measured."""
    file = invocation.config_file().absolute()
    settings = invocation.settings()
    before = _measures(settings.data_dir) if period else {}
    if period:
        time.sleep(period)
    found = _measures(settings.data_dir)
    advices = advise({queue: seen.since(before[queue]) if queue in before else seen for queue, seen in found.items()})
    raised = [advice for advice in advices if advice.advised != advice.concurrency]
    if write and raised:
        edit(invocation, file, {f"queues.{advice.queue}.concurrency": advice.advised for advice in raised})
    if invocation.json:
        written = str(file) if write and raised else None
        output.document({"queues": [msgspec.to_builtins(advice) for advice in advices], "written": written})
        return
    output.table(_COLUMNS, [_row(advice) for advice in advices], empty="no stages run: nothing was measured")
    if write and raised:
        output.note(f"{file} was changed; `ca-supervisor reload` puts it into effect")
    elif raised:
        output.note("nothing was changed; --write puts it into the config file")


def _measures(data_dir: Path) -> dict[str, Measured]:
    return answered(data_dir, Question("measures")).measures


def _row(advice: Advice) -> tuple[object, ...]:
    return (
        advice.queue,
        advice.concurrency,
        advice.advised,
        f"{advice.arrivals:g}",
        f"{advice.stage * 1000:.0f} ms",
        f"{advice.wait * 1000:.0f} ms",
        f"{advice.used:.0%}",
        advice.why,
    )
