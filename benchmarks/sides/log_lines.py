"""What a log line costs: the runner's "stage.finished" in each form, into a pipe that is read and into a file.

`python -m benchmarks.sides.log_lines --lines N --rounds N`; prints one JSON line: CPU microseconds of a line by what
was done, a list with one for each round. Lines are written in turns of the event loop, so many in each, as the program
does it; what the turns cost without them is taken off. A debug line is below the level. "bare" is the floor: one
msgspec encoding and one write for each line, no level, no safety, no bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
_PATIENCE: Final = 30.0


async def turns(write: Callable[[], None], lines: int, each: int) -> float:
    """CPU microseconds of a line, the turns included."""
    began = time.process_time_ns()
    for _ in range(lines // each):
        for _ in range(each):
            write()
        await asyncio.sleep(0)
    return (time.process_time_ns() - began) / 1000 / lines


def measured(write: Callable[[], None], lines: int, each: int, after: Callable[[], None]) -> float:
    """CPU microseconds of a line, without the turns; `after` belongs to the lines."""

    async def both() -> float:
        empty = await turns(_nothing, lines, each)
        full = await turns(write, lines, each)
        began = time.process_time_ns()
        after()
        return full - empty + (time.process_time_ns() - began) / 1000 / lines

    return uvloop.run(both())


def one_round(lines: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Every way once."""
    for way in ("pipe", "file"):
        for form in FORMS:
            for each in (SEVERAL, 1) if form == "json" else (SEVERAL,):
                with _destination(way, folder) as (to, fd):
                    yield f"{form} {way} {each}", _logged(form, to, fd, lines, each)
        with _destination(way, folder) as (_, fd):
            yield f"bare {way}", measured(_bare(fd), lines, SEVERAL, _nothing)
    with _destination("file", folder) as (to, fd):
        logs = setup("info", "json", to, fd=fd)
        log = structlog.get_logger().bind(queue=_QUEUE)
        yield "filtered", measured(lambda: log.debug("stage.finished", **_FIELDS), lines, SEVERAL, _nothing)
        logs.close()


def _logged(form: str, to: str, fd: int, lines: int, each: int) -> float:
    logs = setup("info", form, to, fd=fd)
    log = structlog.get_logger().bind(queue=_QUEUE)
    try:
        took = measured(lambda: log.info("stage.finished", **_FIELDS), lines, each, lambda: logs.flush(_PATIENCE))
    finally:
        logs.close()
    if logs.dropped:
        sys.exit(f"{logs.dropped} lines were dropped: nobody has read the pipe in time")
    return took


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
