"""Starts the program as systemd does, and says how long it took until it was ready. For `benchmarks.measures` only."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import CannotRun
from benchmarks.sides.acme_servers import process
from tests.harness.authority import environment

_LIMIT = 60.0
_LOOK = 0.5


def seconds_to_ready(command: list[str], folder: Path, variables: Mapping[str, str]) -> float:
    """Seconds from the exec to READY=1 (sd_notify(3)); the program is stopped then. Its log is log.txt of the folder.

    Raises CannotRun when it ends, or is not ready within a minute.
    """
    address = folder / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(str(address))
        hears.settimeout(_LOOK)
        try:
            began = time.perf_counter()
            with process(command, folder, environment({"NOTIFY_SOCKET": str(address), **variables})) as started:
                _wait_for_ready(hears, started, folder)
                return time.perf_counter() - began
        finally:
            address.unlink()


def _wait_for_ready(hears: socket.socket, started: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _LIMIT
    while True:
        try:
            if b"READY=1" in hears.recv(4096).splitlines():
                return
        except TimeoutError:
            if started.poll() is not None or time.monotonic() > deadline:
                said = (folder / "log.txt").read_text(errors="backslashreplace")[-2000:]
                raise CannotRun(f"{started.args!r} is not ready; log:\n{said}") from None
