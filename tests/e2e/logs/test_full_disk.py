"""A log file on a full disk. The disk is a small tmpfs in a mount namespace of its own: root, or user namespaces."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from anyio import to_thread

from tests.e2e.logs.log_file import events, has, until
from tests.harness.audit import audit_done
from tests.harness.log_tools import namespace
from tests.harness.process import Program
from tests.harness.site import site

NEEDS = ("mounts",)

_FULL = """
mount -t tmpfs -o size=128k test "$0"
head -c 98304 /dev/zero >"$0/ballast"
exec "$@"
"""
"""A disk of 32 pages: 24 of them are taken, so that there is room for the log's first lines."""


@pytest.mark.anyio
async def test_full_disk_costs_lines_and_no_certificate(tmp_path: Path) -> None:
    """Sessions are issued while the disk is full; once there is room, the log says how many lines are missing."""
    disk = tmp_path / "disk"
    disk.mkdir()
    async with site(tmp_path / "ca", f'[logs]\nto = "{disk}/log"\nbacklog = "64KiB"\n') as ca:
        run = [sys.executable, "-m", "supervisor", "run", "--config", str(ca.config)]
        with Program(ca.config, argv=[*namespace(), "sh", "-ec", _FULL, str(disk), *run]) as program:
            inside = Path(f"/proc/{program.pid}/root{disk}")  # the disk as the program sees it
            sessions = await ca.submit(200)
            await ca.until_done(200)
            assert not has("logs.dropped")(events(inside / "log"))
            (inside / "ballast").unlink()
            await until(inside / "log", has("logs.dropped"))
            [last] = await ca.submit(1)
            await until(inside / "log", lambda lines: any(line.get("session") == last for line in lines))
            await ca.until_done(201)
            await audit_done(ca, [*sessions, last], [])
            await until(inside / "log", lambda lines: lines[-1].get("session") == last)
            lines = events(inside / "log")
            assert await to_thread.run_sync(program.stop) == 0
    issued = sum(line["event"] == "certificate.issued" for line in lines)
    dropped = sum(line["lines"] for line in lines if line["event"] == "logs.dropped")
    assert dropped >= 201 - issued > 0
    assert program.other == []


@pytest.mark.anyio
async def test_device_that_is_always_full_stops_nothing(tmp_path: Path) -> None:
    """Not a line can be written from the first one on: certificates are issued, and a stop takes no longer."""
    async with site(tmp_path, '[logs]\nto = "/dev/full"\nbacklog = "64KiB"\n') as ca:
        with Program(ca.config) as program:
            sessions = await ca.submit(100)
            await ca.until_done(100)
            await audit_done(ca, sessions, [])
            assert await to_thread.run_sync(program.stop) == 0
    assert program.other == []
