"""What a form hands back and how it is written down. For benchmarks/torture.py and the forms."""

from __future__ import annotations

import random
import time
from pathlib import Path

import msgspec

BEGIN, END = "<!-- begin: written by torture.py -->", "<!-- end: written by torture.py -->"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How a form runs.

    Attributes:
        short: the small form, for CI.
        seed: of everything that is random.
        step: do only this one, by its number counted from 1 or by its name; "" for all.
        count: how often, instead of the form's own number; 0 for that.
        jobs: steps done at once.
        folder: where the CAs are made.
    """

    short: bool
    seed: int
    step: str
    count: int
    jobs: int
    folder: Path

    def pick(self, short: int, full: int) -> int:
        """How often."""
        return self.count or (short if self.short else full)

    def chance(self, of: str) -> random.Random:
        """Randomness of a part of the run, the same for the same seed."""
        return random.Random(f"{self.seed} {of}")


class Report(msgspec.Struct):
    """What a form did: `facts` in order, by name; `notes` are further lines."""

    form: str
    facts: dict[str, int | str] = {}
    notes: list[str] = []

    def add(self, name: str, count: int) -> None:
        """Count further."""
        before = self.facts.get(name, 0)
        self.facts[name] = count + (before if isinstance(before, int) else 0)

    def line(self) -> str:
        """One line for a terminal."""
        return f"{self.form}: " + ", ".join(f"{name} {value}" for name, value in self.facts.items())


def write(file: Path, reports: list[Report], command: str, machine: str) -> None:
    """Put what was found between the marks of a file; what other forms wrote there before stays."""
    before, begin, rest = file.read_text().partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{file} has no line {BEGIN} and after it {END}")
    parts = {part.split("\n", 1)[0]: part for part in inside.split("### ")[1:]}
    for report in reports:
        lines = [f"{report.form}", "", f"`{command}`: {machine}, {time.strftime('%Y-%m-%d')}", ""]
        lines += [f"- {name}: {value}" for name, value in report.facts.items()]
        lines += [f"- {note}" for note in report.notes]
        parts[report.form] = "\n".join(lines) + "\n\n"
    text = "".join(f"### {part.rstrip()}\n\n" for part in parts.values())
    file.write_text(f"{before}{begin}\n\n{text}{end}{after}")
