"""`warnings`: what will go wrong if nobody does anything, seen now; `--test` shows whether notices arrive."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, Final

import anyio
import click
from cryptography import x509

from stages.ca.pem import read_certificates
from stages.errors import Refused
from stages.store.store import Store
from supervisor.acme.door_folder import FOLDER
from supervisor.cli import output
from supervisor.cli.invocation import Invocation, shared
from supervisor.cli.stores import with_store
from supervisor.config import Settings
from supervisor.exit_codes import ExitCode
from supervisor.logs.safety import safe_text
from supervisor.warnings import Concern, Warnings
from supervisor.warnings.channels import channels
from supervisor.warnings.gathering import Gatherer
from supervisor.warnings.memory import recall
from supervisor.warnings.notice import Notice
from supervisor.warnings.rules import judge
from supervisor.warnings.webhook import NotTold

HEADS: Final = ("severity", "warning", "since", "text")


@click.command()
@shared
@click.option("--test", is_flag=True, help="Send a test by the webhook and by mail, and say how it went.")
@click.pass_obj
def warnings(invocation: Invocation, test: bool) -> int:  # noqa: FBT001  click's signature
    """List what will go wrong if nobody does anything.

    With --test it ends with 10 when a notice was not taken.
    """
    settings = invocation.settings()
    if test:
        return _test(invocation, settings)
    found = with_store(invocation, settings, partial(look, settings, whole=True))
    if invocation.json:
        output.document({"warnings": as_json(found)})
    else:
        output.table(HEADS, rows(found), empty="no warnings")
    return ExitCode.OK


async def look(settings: Settings, store: Store, *, whole: bool | None) -> tuple[Concern, ...]:
    """The warnings as they are now; `whole` is as in `Gatherer`.

    What a single look cannot see (a clock jump, what must be seen twice) is as the running program saw it last.
    """
    chain = _chain(settings)
    gatherer = Gatherer(lambda: settings, store, lambda: chain, settings.data_dir / FOLDER, whole=whole)
    book = Warnings(recall(settings.data_dir).current)
    book.update(judge(await gatherer.look(), settings.warnings, book.known))
    return book.current


def _chain(settings: Settings) -> tuple[x509.Certificate, ...]:
    """The CA certificates of the settings' files; `check-config` says what is wrong with one that cannot be read."""
    found: list[x509.Certificate] = []
    for file in (settings.ca.certificate, *settings.ca.chain):
        try:
            found += read_certificates(file)
        except Refused:
            continue
    return tuple(found)


def as_json(found: tuple[Concern, ...]) -> list[dict[str, Any]]:
    """Each as an object; `since` in unix seconds."""
    return [
        {
            "name": each.name,
            "severity": each.severity.value,
            "subject": each.subject,
            "text": each.text,
            "since": each.since,
        }
        for each in found
    ]


def rows(found: tuple[Concern, ...]) -> list[tuple[str, ...]]:
    """Each as a row of a table."""
    return [(each.severity.value, each.name, output.when(each.since), each.text) for each in found]


def _test(invocation: Invocation, settings: Settings) -> int:
    made = channels(settings)
    if not made:
        raise Refused("config", "warnings", "nobody is told: set webhook_url or mail_to")
    notice = Notice(ca=settings.ca.name, host=socket.gethostname(), time=invocation.now, test=True)

    async def send() -> dict[str, str]:
        problems = {}
        for name, channel in made.items():
            try:
                problems[name] = await channel.send(notice)
            except NotTold as why:
                problems[name] = str(why)
        return problems

    problems = anyio.run(send)
    if invocation.json:
        output.document({"tested": [{"channel": name, "problem": why or None} for name, why in problems.items()]})
    else:
        for name, why in problems.items():
            output.line(f"{name}: {safe_text(why) or 'taken'}")
    return ExitCode.FINDINGS if any(problems.values()) else ExitCode.OK
