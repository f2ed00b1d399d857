"""`make bench`: measures the program beside its floors and prints a verdict for each target.

python benchmarks/bench.py [--short] [--only NAME] [--json FILE] [--write FILE] [--strict]

Ends with 1 when a measure cannot be made, and says why; a missed target is printed, and ends with 2 only with --strict.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402  the root comes into the path first
from rich.console import Console  # noqa: E402  as above

from benchmarks import page, peers  # noqa: E402  as above
from benchmarks.figures import CannotRun, Figure, Setting, markdown, summary, table  # noqa: E402  as above

MEASURES = (
    *("machinery", "alone", "real", "idle", "recovery", "restart", "memory"),
    *("acme_orders", "acme_parts", "acme_clients", "acme_connections", "acme_records"),
    *("start", "service", "logs", "metrics"),
)
_WIDTH = 150
"""Columns where the output is no terminal."""


def main() -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="smaller runs, less than three minutes in all")
    parser.add_argument("--only", action="append", choices=MEASURES, help="this measure; may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables into FILE, between its marks")
    parser.add_argument("--strict", action="store_true", help="end with 2 when a target was missed")
    options = parser.parse_args()
    wanted = [name for name in MEASURES if name in (options.only or MEASURES)]
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    if options.write and not (options.write.is_file() and page.has_marks(options.write.read_text())):
        console.print(f"cannot run: {options.write} has no line {page.BEGIN} and after it {page.END}", style="bold red")
        return 1
    python = None
    if "machinery" in wanted:
        try:
            python = peers.prepared(console)
        except CannotRun as why:
            console.print(f"without peers: {why}", style="yellow")
    setting, found, failed = Setting(options.short, python), {}, False
    console.print(_machine(), style="dim")
    for name in wanted:
        module, began = import_module(f"benchmarks.measures.{name}"), time.monotonic()
        try:
            found[module.TITLE] = module.measure(setting)
        except CannotRun as why:
            console.print(f"{name}: cannot run: {why}", style="bold red", markup=False)
            failed = True
            continue
        console.print(table(f"{module.TITLE} ({time.monotonic() - began:.0f} s)", found[module.TITLE]))
    figures = [figure for part in found.values() for figure in part]
    console.print(summary(figures), style="bold")
    if options.json:
        options.json.write_text(json.dumps({"machine": _machine(), "figures": msgspec.to_builtins(found)}, indent=1))
    if options.write:
        _write(options.write, found, sys.argv[1:])
    if failed:
        return 1
    return 2 if options.strict and any(figure.missed for figure in figures) else 0


def _write(file: Path, found: dict[str, list[Figure]], arguments: list[str]) -> None:
    """Replace what stands between the marks of a file."""
    figures = [figure for part in found.values() for figure in part]
    said = [f"`python benchmarks/bench.py {' '.join(arguments)}`: {_machine()}.\n\n{summary(figures)}.\n"]
    said += [markdown(title, part) for title, part in found.items()]
    file.write_text(page.between_marks(file.read_text(), "\n".join(said)))


def _machine() -> str:
    """What this was measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    day = time.strftime("%Y-%m-%d")
    return f"{day}, version {version}, {os.cpu_count()} cores ({model}), Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
