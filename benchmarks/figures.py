"""What a measure finds: figures with their targets and floors, and how they are printed. For all of benchmarks."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.table import Table


class CannotRun(Exception):  # noqa: N818  a finding
    """A measure cannot be made here; the text says why."""


class Setting(msgspec.Struct, frozen=True):
    """How to measure: `short` for a first impression; `peers` is the Python of the peers' venv, None without them."""

    short: bool
    peers: Path | None

    def pick(self, short: int, full: int) -> int:
        """The size of a run."""
        return short if self.short else full


class Figure(msgspec.Struct, frozen=True):
    """One line of a table.

    Attributes:
        what: what was measured.
        figure: the value with its unit.
        floor: what it is measured against in the same run, "" for none.
        target: what it must reach, "" for a figure that only explains another.
        missed: whether it did not reach that.
        values: the raw numbers, for --json.
    """

    what: str
    figure: str
    floor: str = ""
    target: str = ""
    missed: bool = False
    values: dict[str, float] = {}

    @property
    def verdict(self) -> str:
        """Whether the target was reached."""
        if not self.target:
            return ""
        return f"missed: {self.figure} of {self.target}" if self.missed else "reached"


def at_least(what: str, value: float, target: float, unit: str, *, floor: str = "", places: int = 0) -> Figure:
    """A figure that must not be below its target."""
    said = f"at least {target:,.{places}f}{unit}"
    return Figure(what, f"{value:,.{places}f}{unit}", floor, said, value < target, {"value": value, "target": target})


def at_most(what: str, value: float, target: float, unit: str, *, floor: str = "", places: int = 0) -> Figure:
    """A figure that must not be above its target."""
    said = f"at most {target:,.{places}f}{unit}"
    return Figure(what, f"{value:,.{places}f}{unit}", floor, said, value > target, {"value": value, "target": target})


def told(what: str, value: float, unit: str, *, floor: str = "", places: int = 0) -> Figure:
    """A figure without a target."""
    return Figure(what, f"{value:,.{places}f}{unit}", floor, values={"value": value})


def summary(figures: Iterable[Figure]) -> str:
    """One line: how many targets were reached, and which were not."""
    judged = [figure for figure in figures if figure.target]
    missed = [f"{figure.what} ({figure.figure})" for figure in judged if figure.missed]
    said = f"{len(judged) - len(missed)} of {len(judged)} targets reached"
    return f"{said}; missed: {'; '.join(missed)}" if missed else said


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def table(title: str, figures: Sequence[Figure]) -> Table:
    """For a terminal."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for name in ("what", "figure", "measured against", "target", "verdict"):
        made.add_column(name, justify="right" if name == "figure" else "left")
    for figure in figures:
        style = "" if not figure.target else ("red" if figure.missed else "green")
        made.add_row(figure.what, figure.figure, figure.floor, figure.target, figure.verdict, style=style)
    return made


def markdown(title: str, figures: Sequence[Figure]) -> str:
    """For docs/performance.md."""
    rows = [f"### {title}", "", "| what | figure | measured against | target | verdict |", "|---|--:|---|---|---|"]
    rows += [f"| {f.what} | {f.figure} | {f.floor} | {f.target} | {f.verdict} |" for f in figures]
    return "\n".join(rows) + "\n"
