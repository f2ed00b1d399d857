"""From what ended the program to its exit code."""

from __future__ import annotations

from stages.errors import Refused, StoreUnavailable
from supervisor.embedded import EmbeddedError
from supervisor.exit_codes import ExitCode
from supervisor.term.leasing import StoreHeld


def flatten(error: BaseException) -> BaseException:
    """The first cause inside nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def exit_code(error: BaseException) -> ExitCode:
    """The documented code for a cause."""
    if isinstance(error, Refused):
        return ExitCode.CONFIG
    if isinstance(error, StoreHeld) or (isinstance(error, EmbeddedError) and error.held_by):
        return ExitCode.HELD
    if isinstance(error, StoreUnavailable | EmbeddedError):
        return ExitCode.STORE
    return ExitCode.FAULT
