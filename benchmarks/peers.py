"""Makes the venv in which the peers run, from benchmarks/requirements.txt, once for each content of that file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.figures import CannotRun
from benchmarks.processes import ROOT

_LIMIT = 300.0


def prepared(console: Console) -> Path:
    """The Python of the peers' venv. Raises CannotRun when they cannot be installed."""
    folder, wanted = ROOT / ".venv-bench", ROOT / "benchmarks" / "requirements.txt"
    python, mark = folder / "bin" / "python", folder / "installed.txt"
    if mark.exists() and mark.read_bytes() == wanted.read_bytes():
        return python
    console.print("installing the peers (huey, taskiq, saq) into .venv-bench", style="dim")
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(wanted)]
    )
    mark.write_bytes(wanted.read_bytes())
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise CannotRun(f"the peers could not be installed within {_LIMIT:g} s") from None
    if done.returncode:
        last = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise CannotRun(f"the peers could not be installed: {last}")
