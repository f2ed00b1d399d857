"""What a log line costs: the runner's "stage.finished" in each form, into a pipe that is read and into a file.

`python -m benchmarks.sides.log_lines --lines N --rounds N`; prints one JSON line: CPU microseconds of a line by what
was done, a list with one for each round. Lines are written in turns of the event loop, so many in each, as the program
does it; what the turns cost without them is taken off. A debug line is below the level. "bare" is the floor: one
msgspec encoding and one write for each line, no level, no safety, no bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import stat
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import structlog
import uvloop

from supervisor.logs.setup import setup

FORMS: Final = ("json", "ecs", "logfmt", "console")
SEVERAL: Final = 32
"""Lines of one turn under load."""
_FIELDS: Final[dict[str, Any]] = {
    "session": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "attempt": 1,
    "outcome": "advance",
    "duration_ms": 12.345,
}
"""As `supervisor.pipeline.runner.Runner.close` has them."""
_QUEUE: Final = "testchallenge"
_AT_ONCE: Final = 64
"""Lines after which the reader is waited for: in any form they fit into a pipe, so that none goes to the backlog."""
_LOOK: Final = 0.0005
_PATIENCE: Final = 30.0


async def turns(write: Callable[[], None], lines: int, each: int) -> int:
    """CPU nanoseconds of so many lines, the turns included."""
    began = time.process_time_ns()
    for _ in range(lines // each):
        for _ in range(each):
            write()
        await asyncio.sleep(0)
    return time.process_time_ns() - began


def measured(write: Callable[[], None], lines: int, each: int, taken: Callable[[], bool]) -> float:
    """CPU microseconds of a line, without the turns; `taken` says whether the reader has all that was written."""

    async def both() -> float:
        spent = 0
        for _ in range(lines // _AT_ONCE):
            spent -= await turns(_nothing, _AT_ONCE, each)
            spent += await turns(write, _AT_ONCE, each)
            deadline = time.monotonic() + _PATIENCE
            while not taken():
                if time.monotonic() > deadline:
                    sys.exit(f"the pipe was not read within {_PATIENCE:g} s")
                time.sleep(_LOOK)  # noqa: ASYNC251  nothing else is to run meanwhile
        return spent / 1000 / lines

    return uvloop.run(both())


def one_round(lines: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Every way once."""
    for way in ("pipe", "file"):
        for form in FORMS:
            for each in (SEVERAL, 1) if form == "json" else (SEVERAL,):
                with _destination(way, folder) as (to, fd):
                    yield f"{form} {way} {each}", _logged(form, to, fd, lines, each)
        with _destination(way, folder) as (_, fd):
            yield f"bare {way}", measured(_bare(fd), lines, SEVERAL, partial(_is_empty, fd))
    with _destination("file", folder) as (to, fd):
        logs = setup("info", "json", to, fd=fd)
        log = structlog.get_logger().bind(queue=_QUEUE)
        yield "filtered", measured(lambda: log.debug("stage.finished", **_FIELDS), lines, SEVERAL, lambda: True)
        logs.close()


def _logged(form: str, to: str, fd: int, lines: int, each: int) -> float:
    logs = setup("info", form, to, fd=fd)
    log = structlog.get_logger().bind(queue=_QUEUE)
    try:
        return measured(
            lambda: log.info("stage.finished", **_FIELDS), lines, each, lambda: not logs.queued and _is_empty(fd)
        )
    finally:
        logs.close()


def _bare(fd: int) -> Callable[[], None]:
    encode, write = msgspec.json.Encoder().encode, os.write
    head = {"time": "2012-07-06T14:45:26.123Z", "level": "info", "event": "stage.finished", "queue": _QUEUE}

    def one() -> None:
        write(fd, encode({**head, **_FIELDS}) + b"\n")

    return one


@contextmanager
def _destination(way: str, folder: Path) -> Iterator[tuple[str, int]]:
    """`logs.to`, and a descriptor of the same: a file, or a pipe that another process reads."""
    if way == "file":
        path = folder / "lines.log"
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            yield str(path), fd
        finally:
            os.close(fd)
            path.unlink()
        return
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None  # noqa: S101  for the type checker
        yield "stdout", reader.stdin.fileno()


def _is_empty(fd: int) -> bool:
    """Whether nothing waits in a pipe for its reader; a file has none."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return True
    waiting = array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, waiting)
    return not waiting[0]


def _nothing() -> None:
    """A turn without a line."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="bench-") as folder:
        for _ in range(options.rounds):
            for what, took in one_round(options.lines, Path(folder)):
                found.setdefault(what, []).append(took)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
