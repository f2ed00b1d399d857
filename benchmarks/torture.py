"""`make torture`: tries to break the laws of the design by kills, power cuts and freezes, and looks whether they hold.

python benchmarks/torture.py [--short] [--form NAME] [--step N] [--seed S] [--count N] [--jobs N] [--write FILE]

Ends with 1 when a law was broken, with the step, the seed and the session's story, and with 2 when it cannot run.
"""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import anyio  # noqa: E402  the root comes into the path first

from benchmarks.figures import CannotRun  # noqa: E402  as above
from benchmarks.torturing.report import Report, Setting, write  # noqa: E402  as above
from benchmarks.torturing.scene import Breach  # noqa: E402  as above
from supervisor.embedded.binary import server_binary  # noqa: E402  as above
from supervisor.embedded.owner import EmbeddedError  # noqa: E402  as above

FORMS = ("steps", "load", "door", "store", "power", "freeze")
ROOM = 500 << 20
"""Bytes that the forms may need."""


def main() -> int:
    """Do what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small runs, less than 100 s in all")
    parser.add_argument("--form", action="append", choices=FORMS, help="this form; may be given again")
    parser.add_argument("--step", default="", metavar="N", help="only step N, or the one of this name, of form steps")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), metavar="S", help="to replay a run")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="kills, instead of the form's own number")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="steps done at once")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what was found into FILE, between its marks")
    options = parser.parse_args()
    if options.step and options.form != ["steps"]:
        parser.error("--step needs --form steps")
    reports: list[Report] = []
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    setting = Setting(
        short=options.short,
        seed=options.seed,
        step=options.step,
        count=options.count,
        jobs=options.jobs,
        folder=folder,
    )
    try:
        for form in options.form or FORMS:
            reports.append(_run(form, setting))
    except CannotRun as why:
        print(f"cannot run: {why}")
        return 2
    except Breach as breach:
        print(f"BREACH in {form}, seed {setting.seed}: {breach}\n{breach.story}", flush=True)
        step = f" --step '{breach.step}'" if breach.step else ""
        print(f"again: python benchmarks/torture.py --form {form} --seed {setting.seed}{step}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.write:
        write(options.write, reports, f"python benchmarks/torture.py {' '.join(sys.argv[1:])}", _machine())
    return 0


def _run(form: str, setting: Setting) -> Report:
    """One form. Raises Breach, also where the harness has waited in vain, and CannotRun."""
    if (free := shutil.disk_usage(setting.folder).free) < ROOM:
        raise CannotRun(f"{setting.folder} has room for {free >> 20} MiB; {ROOM >> 20} are needed")
    try:
        server_binary()
    except EmbeddedError as error:
        raise CannotRun(f"there is no server: {error}") from None
    module, began = import_module(f"benchmarks.torturing.{form}"), time.monotonic()
    print(f"{form}: seed {setting.seed} ...", flush=True)
    try:
        report: Report = anyio.run(module.run, setting)
    except BaseExceptionGroup as group:
        found: BaseException | None = group.subgroup((Breach, CannotRun))
        if found is None:
            raise
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise found from None
    except AssertionError as error:  # the harness waited in vain
        raise Breach(str(error)) from error
    report.facts["seconds"] = round(time.monotonic() - began)
    print(report.line(), *report.notes, sep="\n", flush=True)
    return report


def _machine() -> str:
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return f"version {version}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
