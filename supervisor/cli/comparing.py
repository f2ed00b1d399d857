"""`check-config --diff` and `--running`: a config file against the settings that are in effect in the running program.

For `supervisor.cli.checking`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from supervisor.cli import output
from supervisor.cli.invocation import Invocation
from supervisor.cli.reloading import answered, as_document, change_document, failure, show_changes
from supervisor.config import ConfigError, Settings, changes, data_dir, load, read_text
from supervisor.control.asking import NotAnswered, ask
from supervisor.control.messages import Question


def show_difference(invocation: Invocation, file: Path, settings: Settings) -> None:
    """What a reload would change if the program's file said what `file` says; the program itself works it out.

    Without a program the defaults are compared. Raises ConfigError with what the program would refuse.
    """
    try:
        answer = ask(settings.data_dir, Question("preview", str(file), read_text(file)))
    except NotAnswered as none:
        if none.running:
            raise failure(none) from None
        _show_against_defaults(invocation, file, settings)
        return
    if answer.problems:
        raise ConfigError(answer.problems, file)
    if invocation.json:
        output.document({**as_document(answer), "config": str(file), "against": "running"})
        return
    show_changes(answer.changes, empty="a reload would change nothing")
    output.note(f"compared with the settings in effect in process {answer.pid}, which reads {answer.config}")


def _show_against_defaults(invocation: Invocation, file: Path, settings: Settings) -> None:
    found = changes(load(file, {}, text=""), settings)
    if invocation.json:
        made = [change_document(change) | {"taken": None} for change in found]
        output.document({"pid": None, "config": str(file), "changes": made, "warnings": [], "against": "defaults"})
        return
    rows = [(change.key, change.old or "-", change.new or "-") for change in found]
    output.table(("setting", "default", "new"), rows, empty="every setting has its default")
    output.note(f"no supervisor runs on {settings.data_dir}: compared with the defaults")


def show_running(invocation: Invocation, file: Path) -> None:
    """The settings in effect in the running program. Raises Failure when none runs."""
    answer = answered(data_dir(file, invocation.environ), Question("settings"))
    if invocation.json:
        document = {"pid": answer.pid, "config": answer.config, "settings": tomllib.loads(answer.settings)}
        output.document(document)
        return
    output.line(f"# in effect in process {answer.pid}, which reads {answer.config}")
    for row in answer.settings.splitlines():
        output.line(row)
