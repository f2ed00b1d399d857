"""A file system of a few megabytes of a program's own: mounted in a namespace that nobody else sees, gone with it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

_SPACE = ("unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--map-root-user"]))


@cache
def missing() -> str:
    """Why there is none here; "" when there is."""
    try:
        done = subprocess.run([*_SPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    except OSError:
        return "there is no unshare (Debian: apt-get install util-linux)"
    return (
        ""
        if done.returncode == 0
        else "this user may not mount a file system in a namespace of its own (root may, where it is no chroot)"
    )


def argv(config: Path, data_dir: Path, size: int) -> list[str]:
    """What runs the program with a file system of `size` bytes and 4,000 inodes at `data_dir`, its files copied."""
    folder, copy = shlex.quote(str(data_dir)), shlex.quote(f"{data_dir}.copy")
    program = shlex.join([sys.executable, "-m", "supervisor", "run", "--config", str(config)])
    mount = f"mount -t tmpfs -o size={size},nr_inodes=4000,mode=0700 none {folder}"
    script = f"cp -a {folder} {copy} && {mount} && cp -a {copy}/. {folder}/ && exec {program}"
    return [*_SPACE, "sh", "-c", script]


def inside(pid: int, path: Path) -> Path:
    """A file as the program with this PID sees it."""
    return Path(f"/proc/{pid}/root{path}")
