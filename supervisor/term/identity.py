"""Who this supervisor is, and whether another one that left a lease behind is dead. Reads /proc."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from stages.store.lease import Who

_PROC = Path("/proc")


def who_am_i() -> Who:
    """This process, as other supervisors will find it in the store."""
    pid = os.getpid()
    return Who(socket.gethostname(), pid, _boot(), _pid_space(), _started(pid) or 0)


def supervisor_id(who: Who, random: bytes) -> str:
    """A name for people that no other process ever has: host, PID and 32 random bits."""
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in who.host)[:64] or "host"
    return f"{host}-{who.pid}-{random[:4].hex()}"


def known_dead(others: Mapping[str, Who | None]) -> list[str]:
    """The supervisors of this very host and PID namespace whose process is gone; of all others nothing is known."""
    boot, space = _boot(), _pid_space()
    if not boot or not space:
        return []
    dead = []
    for supervisor, who in others.items():
        if who is None or not who.started:
            continue
        if (who.boot, who.pid_space) == (boot, space) and _started(who.pid) != who.started:
            dead.append(supervisor)
    return dead


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_space() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (field 22 of proc(5) stat); None when it does not live."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])
