"""`tune`: says from the running program's measures how many slots each queue needs; `--write` puts it into the file.

Nothing is changed in the running program: `reload` does that.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from stages.errors import Refused
from supervisor.cli import output
from supervisor.cli.arguments import Duration
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.reloading import answered
from supervisor.config import ENVIRONMENT, load, read_text
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
        _write(file, invocation, raised)
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


def _write(file: Path, invocation: Invocation, advices: list[Advice]) -> None:
    """Change the numbers in the file, and nothing else in it.

    Raises:
        Refused: a variable of the environment would override a number, or the file cannot be written.
        ConfigError: what would be written is refused; the file stays.
    """
    for advice in advices:
        variable = f"{ENVIRONMENT}QUEUES__{advice.queue.upper()}__CONCURRENCY"
        if variable in invocation.environ:
            raise Refused("config", variable, "it overrides the config file; change it where it is set")
    text = with_concurrency(read_text(file), {advice.queue: advice.advised for advice in advices})
    made = load(file, invocation.environ, text).queues
    for advice in advices:
        if getattr(made, advice.queue).concurrency != advice.advised:
            where = f"queues.{advice.queue}.concurrency"
            raise Refused("config", where, f"it cannot be changed where it stands; set it to {advice.advised} yourself")
    replace(file, text)


def with_concurrency(text: str, wanted: dict[str, int]) -> str:
    """A config file's text with other numbers of slots; comments and order stay."""
    import tomlkit  # noqa: PLC0415  for this option only

    document: Any = tomlkit.parse(text)
    for queue, slots in wanted.items():
        queues = document.setdefault("queues", tomlkit.table(is_super_table=True))
        queues.setdefault(queue, tomlkit.table())["concurrency"] = slots
    return tomlkit.dumps(document)


def replace(file: Path, text: str) -> None:
    """Put the text in the file's place, whole and on disk; owner and mode stay. Raises Refused."""
    file = file.resolve()
    temporary = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        status = file.stat()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            if os.geteuid() == 0:
                os.fchown(opened.fileno(), status.st_uid, status.st_gid)
            os.fchmod(opened.fileno(), status.st_mode & 0o777)
            os.fsync(opened.fileno())
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Refused("config", str(file), f"cannot be written: {error.strerror}") from None
