"""The command line as a test calls it: in this process, with the codes, the text and the JSON that come back."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.from_thread

from supervisor.cli import call
from supervisor.embedded import embedded_store

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "from supervisor.cli import main; main()")


@dataclass
class Result:
    """How one call ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line on standard error, without "error: "."""
        assert self.err.startswith("error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").rstrip("\n")


def as_process(folder: Path, environ: dict[str, str], *arguments: str) -> Result:
    """Run one command as a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@dataclass
class Place:
    """A directory with a config file of its own."""

    folder: Path

    @property
    def config(self) -> Path:
        """The config file."""
        return self.folder / "config.toml"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def configure(self, text: str) -> None:
        """Write the config file."""
        self.config.write_text(text)

    def call(self, *arguments: str | Path) -> Result:
        """Run one command here."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = call(["--config", str(self.config), *map(str, arguments)])
        return Result(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str | Path) -> Result:
        """Run one that must succeed."""
        result = self.call(*arguments)
        assert result.code == 0, result.err
        return result

    def json(self, *arguments: str | Path) -> Any:
        """Run one with --json that must succeed; its document."""
        return self.ok(*arguments, "--json").json

    @contextmanager
    def store(self) -> Iterator[None]:
        """The embedded store runs for a while, as it does beside a supervisor."""
        with (
            anyio.from_thread.start_blocking_portal("asyncio") as portal,
            portal.wrap_async_context_manager(embedded_store(self.data)),
        ):
            yield
