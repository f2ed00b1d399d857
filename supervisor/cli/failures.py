"""Turns every error into one clear line and an exit code, or with --json into an object. For `supervisor.cli`."""

from __future__ import annotations

import sys
from typing import NamedTuple

import click

from stages.errors import LeaseLost, Refused, StoreUnavailable
from supervisor.cli import output
from supervisor.exit_codes import ExitCode
from supervisor.logs.safety import one_line, safe_error, safe_text


class Failure(Exception):  # noqa: N818  it carries its exit code and may be no error of the program
    """A command ends with `code`: `field` names the file, key or argument, `reason` is one sentence."""

    def __init__(self, code: ExitCode, field: str, reason: str, kind: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.code = code
        self.field = field
        self.reason = reason
        self.kind = kind


class _Told(NamedTuple):
    """What is said of an error."""

    code: ExitCode
    field: str
    reason: str
    kind: str = ""
    problems: tuple[tuple[str, str, str], ...] = ()


def report(error: BaseException, *, as_json: bool) -> int:
    """Say what went wrong; gives the exit code."""
    told = _tell(_single(error))
    if as_json:
        fields = {
            "code": int(told.code),
            "name": told.code.name.lower(),
            "kind": told.kind,
            "field": told.field,
            "reason": told.reason,
        }
        if told.problems:
            fields["problems"] = [
                dict(zip(("key", "value", "reason"), problem, strict=True)) for problem in told.problems
            ]
        output.document({"error": fields})
        return told.code
    where = f"{told.field}: " if told.field else ""
    output.note(f"error: {where}{told.reason}")
    for key, value, reason in told.problems:
        shown = f" = {value}" if value else ""
        output.note(f"  {key}{shown}: {reason}" if key else f"  {reason}")
    if told.code is ExitCode.FAULT:
        for frame in safe_error(_single(error))["trace"]:
            output.note(f"  {frame}")
    sys.stderr.flush()
    return told.code


def _single(error: BaseException) -> BaseException:
    """The first error of a group: tasks that ran beside it were ended by it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _tell(error: BaseException) -> _Told:
    from stages.store.records import Garbled  # noqa: PLC0415  as below
    from supervisor.config import ConfigError  # noqa: PLC0415  slow to load, and a usage error is told without
    from supervisor.embedded import EmbeddedError  # noqa: PLC0415  as above

    match error:
        case Failure():
            return _Told(error.code, error.field, error.reason, error.kind)
        case click.UsageError():
            return _Told(ExitCode.USAGE, _argument(error), _sentence(error.format_message()))
        case click.ClickException():
            return _Told(ExitCode.INPUT, "", _sentence(error.format_message()))
        case ConfigError():
            if len(error.problems) == 1 and not error.problems[0].key:
                return _Told(ExitCode.CONFIG, str(error.file), error.problems[0].reason)
            count = len(error.problems)
            problems = tuple((each.key, each.value, each.reason) for each in error.problems)
            reason = f"{count} setting{'s are' if count > 1 else ' is'} wrong"
            return _Told(ExitCode.CONFIG, str(error.file), reason, problems=problems)
        case Refused():
            code = ExitCode.CONFIG if error.kind == "config" else ExitCode.INPUT
            return _Told(code, error.field, error.reason, error.kind)
        case EmbeddedError() | StoreUnavailable():
            field, _, reason = str(error).partition(": ")
            return _Told(ExitCode.STORE, field, reason)
        case Garbled():
            reason = f"its record cannot be read: {error.field}: {error.why}"
            return _Told(ExitCode.INPUT, f"session {error.session[:64]}", reason, "garbled")
        case LeaseLost():
            return _Told(ExitCode.HELD, "store", str(error))
        case _:
            return _Told(ExitCode.FAULT, "", f"a fault of the program: {one_line(error)}")


def _argument(error: click.UsageError) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        return error.ctx.command_path if error.ctx else ""
    return str(parameter.opts[0]) if isinstance(parameter, click.Option) else str(parameter.human_readable_name)


def _sentence(text: str) -> str:
    return safe_text(" ".join(text.split()))
