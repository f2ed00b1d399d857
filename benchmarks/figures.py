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
        missed_by: "" when the target was reached.
        values: the raw numbers, for --json.
    """

    what: str
    figure: str
    floor: str = ""
    target: str = ""
    missed_by: str = ""
    values: dict[str, float] = {}

    @property
    def verdict(self) -> str:
        """One word, or by how much it was missed."""
        if not self.target:
            return ""
        return f"missed by {self.missed_by}" if self.missed_by else "reached"


def at_least(what: str, value: float, target: float, unit: str, *, floor: str = "", places: int = 0) -> Figure:
    """A figure that must not be below its target."""
    return _judged(what, value, target, unit, floor, places, "at least", short=max(0.0, 1 - value / target))


def at_most(what: str, value: float, target: float, unit: str, *, floor: str = "", places: int = 0) -> Figure:
    """A figure that must not be above its target."""
    return _judged(what, value, target, unit, floor, places, "at most", short=max(0.0, value / target - 1))


def told(what: str, value: float, unit: str, *, floor: str = "", places: int = 0) -> Figure:
    """A figure without a target."""
    return Figure(what, f"{value:,.{places}f}{unit}", floor, values={"value": value})


def _judged(
    what: str, value: float, target: float, unit: str, floor: str, places: int, word: str, short: float
) -> Figure:
    return Figure(
        what,
        f"{value:,.{places}f}{unit}",
        floor,
        f"{word} {target:,.{places}f}{unit}",
        f"{short:.0%}" if short else "",
        {"value": value, "target": target},
    )


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def table(title: str, figures: Sequence[Figure]) -> Table:
    """For a terminal."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for name in ("what", "figure", "measured against", "target", "verdict"):
        made.add_column(name, justify="right" if name == "figure" else "left")
    for figure in figures:
        style = "" if not figure.target else ("red" if figure.missed_by else "green")
        made.add_row(figure.what, figure.figure, figure.floor, figure.target, figure.verdict, style=style)
    return made


def markdown(title: str, figures: Sequence[Figure]) -> str:
    """For docs/performance.md."""
    rows = [f"### {title}", "", "| what | figure | measured against | target | verdict |", "|---|--:|---|---|---|"]
    rows += [f"| {f.what} | {f.figure} | {f.floor} | {f.target} | {f.verdict} |" for f in figures]
    return "\n".join(rows) + "\n"
