"""Prints JSON documents, tables and lines. What they say may come from a stranger. For `supervisor.cli`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from supervisor.logs.safety import safe_text

WIDE: Final = 10_000
"""Columns where nobody looks: a pipe or file gets each row whole, on one line."""


def document(value: Any) -> None:
    """One JSON document on standard output; what is not ASCII is escaped."""
    click.echo(json.dumps(value, indent=2))


def line(text: str = "", *, err: bool = False) -> None:
    """One line of text, made safe."""
    click.echo(safe_text(text), err=err)


def note(text: str) -> None:
    """One line for the person at the terminal, beside the result: on standard error."""
    line(text, err=True)


def block(text: str) -> None:
    """A text of several lines, such as a PEM chain, each made safe."""
    click.echo("\n".join(safe_text(row) for row in text.splitlines()))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
    """A table; without rows the sentence `empty`."""
    from rich.console import Console  # noqa: PLC0415  slow to load, and JSON needs none of it
    from rich.table import Table  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415  as above

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(safe_text(str(cell))) for cell in row))
    if not made.row_count and empty:
        line(empty)
        return
    if sys.stdout.isatty():
        Console(file=sys.stdout, highlight=False, markup=False).print(made)
        return
    console = Console(file=io.StringIO(), width=WIDE, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(made)
    click.echo("\n".join(row.rstrip() for row in capture.get().splitlines()))


def when(seconds: int) -> str:
    """A unix time in UTC; "-" for 0, the number where the calendar ends."""
    if not seconds:
        return "-"
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def some(names: Sequence[str], most: int = 3) -> str:
    """A list of names that fits into a table."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
