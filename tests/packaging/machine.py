"""A Debian that is booted, with systemd as its first process, in a container of systemd-nspawn. For tests/packaging.

It has a network of its own with nothing but loopback. Commands run in it by nsenter.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.packaging.debian import DebianRoot

PACKAGES: Final = ("systemd", "systemd-sysv", "dbus", "curl")
"""What a booted Debian has beyond the bare one."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATIENCE: Final = 60.0
_LOOK: Final = 0.2


class Machine:
    """A booted Debian; `leader` is its first process as seen from here."""

    def __init__(self, root: DebianRoot, leader: int) -> None:
        self.root = root
        self.leader = leader

    def command(self, *words: str) -> list[str]:
        """What runs a command in it."""
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]
        return ["nsenter", f"--target={self.leader}", *spaces, "env", "--chdir=/", *words]

    def run(self, *words: str, code: int = 0, seconds: float = 120) -> str:
        """Run a command as root and give what it said; AssertionError when it does not end with `code`."""
        done = subprocess.run(
            self.command(*words),
            env={"PATH": _PATH, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{said}"
        return said

    def sh(self, script: str, code: int = 0) -> str:
        """Run a script."""
        return self.run("sh", "-euc", script, code=code)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def until(self, unit: str, name: str, wanted: str) -> None:
        """Wait until a property has this value."""
        deadline = time.monotonic() + _PATIENCE
        while (seen := self.show(unit, name)) != wanted:
            assert time.monotonic() < deadline, f"{name} of {unit} is {seen!r}, not {wanted!r}, after {_PATIENCE} s"
            time.sleep(_LOOK)


@contextmanager
def booted(root: DebianRoot, log: Path) -> Iterator[Machine]:
    """Boot it, and power it off when the block ends; `log` gets what its console says.

    Raises AssertionError when this machine cannot do that: it takes root, and cgroups that can be written to.
    """
    assert shutil.which("systemd-nspawn"), "there is no systemd-nspawn (Debian: apt-get install systemd-container)"
    words = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"]
    with log.open("wb") as console:
        nspawn = subprocess.Popen(
            [*words, f"--machine={root.path.parent.name.replace('_', '-')}", f"--directory={root.path}"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    try:
        machine = _up(root, nspawn, log)
        yield machine
        machine.run("systemctl", "poweroff")
        nspawn.wait(_PATIENCE)
    finally:
        if nspawn.poll() is None:
            nspawn.terminate()  # the machine ends at once
            nspawn.wait(_PATIENCE)


def _up(root: DebianRoot, nspawn: subprocess.Popen[bytes], log: Path) -> Machine:
    """The machine when it is up."""
    deadline = time.monotonic() + _PATIENCE
    said = ""
    while nspawn.poll() is None and time.monotonic() < deadline:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split()
        if children:
            machine = Machine(root, int(children[0]))
            asked = subprocess.run(
                machine.command("systemctl", "is-system-running"), capture_output=True, text=True, check=False
            )
            said = asked.stdout + asked.stderr
            if asked.stdout.strip() == "running":
                return machine
        time.sleep(_LOOK)
    raise AssertionError(f"systemd-nspawn did not boot: {said}\n{log.read_text(errors='replace')}")
