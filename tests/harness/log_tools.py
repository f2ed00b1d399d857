"""Which tools that read logs there are for the tests, and which of them this machine lacks. For conftest.py files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

JOURNALD: Final = Path("/lib/systemd/systemd-journald")


def namespace() -> list[str]:
    """The command that runs another one with mounts of its own: as root, or as root of a user namespace."""
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def _program(name: str, package: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(name) else f"there is no {name} (Debian: apt-get install {package})"


def _no_namespace() -> str:
    if shutil.which("unshare") is None:
        return "there is no unshare (Debian: apt-get install util-linux)"
    done = subprocess.run([*namespace(), "mount", "-t", "tmpfs", "test", "/mnt"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "nothing can be mounted here, not even in a namespace of its own"


def _no_journald() -> str:
    if not JOURNALD.exists() or shutil.which("journalctl") is None:
        return "there is no systemd-journald (Debian: apt-get install systemd)"
    return _no_namespace() if os.geteuid() == 0 else "only root can start a journald of its own"


_TOOLS: Final[dict[str, Callable[[], str]]] = {
    "journald": _no_journald,
    "jq": _program("jq", "jq"),
    "lnav": _program("lnav", "lnav"),
    "logrotate": _program("logrotate", "logrotate"),
    "mounts": _no_namespace,
    "rsyslog": _program("rsyslogd", "rsyslog"),
}


@cache
def lacking() -> dict[str, str]:
    """What is missing and why, by the name that a test module has in NEEDS."""
    return {name: why for name, missing in _TOOLS.items() if (why := missing())}
