"""`reload`: has the running supervisor read its config file again, and says what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from supervisor.cli import output
from supervisor.cli.failures import Failure
from supervisor.cli.invocation import Invocation, shared
from supervisor.config import Change, ConfigError, data_dir
from supervisor.control.asking import NotAnswered, ask
from supervisor.control.messages import Answer, Question
from supervisor.exit_codes import ExitCode


@click.command("reload")
@shared
@click.pass_obj
def reload_(invocation: Invocation) -> None:
    """Have the running supervisor read its settings again; say what has changed, and what waits for a restart.

    A file with a mistake changes nothing: the mistakes are listed, and the code is 3.
    """
    answer = answered(data_dir(invocation.config_file(), invocation.environ), Question("reload"))
    if answer.problems:
        raise ConfigError(answer.problems, Path(answer.config))
    if invocation.json:
        output.document(as_document(answer))
        return
    show_changes(answer.changes, empty="no setting has changed; the files that settings name were read again")
    for warning in answer.warnings:
        output.note(f"warning: {warning.key}: {warning.reason}")
    if any(change.restart for change in answer.changes):
        output.note("What is taken on a restart keeps its old value until then.")


def answered(folder: Path, question: Question) -> Answer:
    """The answer of the supervisor that runs on this data directory. Raises Failure when there is none."""
    try:
        answer = ask(folder, question)
    except NotAnswered as none:
        raise failure(none) from None
    if answer.error:
        raise Failure(ExitCode.NOT_FOUND, f"process {answer.pid}", answer.error)
    return answer


def failure(none: NotAnswered) -> Failure:
    """No answer, as a command says it."""
    code = ExitCode.TIMED_OUT if none.running else ExitCode.NOT_FOUND
    return Failure(code, str(none.socket_path), none.why)


def as_document(answer: Answer) -> dict[str, Any]:
    """What a reload has changed or would change, for JSON."""
    return {
        "pid": answer.pid,
        "config": answer.config,
        "changes": [change_document(change) for change in answer.changes],
        "warnings": [f"{each.key}: {each.reason}" for each in answer.warnings],
    }


def change_document(change: Change) -> dict[str, Any]:
    """One change for JSON; a value that is not there is null, others are as config.toml has them."""
    taken = "restart" if change.restart else "reload"
    return {"key": change.key, "old": change.old or None, "new": change.new or None, "taken": taken}


def show_changes(changes: Sequence[Change], *, empty: str) -> None:
    """A table of changes."""
    rows = [
        (change.key, change.old or "-", change.new or "-", "restart" if change.restart else "reload")
        for change in changes
    ]
    output.table(("setting", "old", "new", "taken on"), rows, empty=empty)
