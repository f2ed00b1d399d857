"""The Debian package, built for tests, and what apt and dpkg do with it in a Debian. For tests/packaging."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.packaging.conftest import ROOT
from tests.packaging.debian import DebianRoot

NAME = "ca-supervisor"
CONFIG = "/etc/ca-supervisor/config.toml"
DATA = "/var/lib/ca-supervisor"
CACHE = "/var/cache/ca-supervisor"
MOMENT = 1_790_000_000
"""SOURCE_DATE_EPOCH of the builds."""


def build(binary: Path, folder: Path, umask: str = "022") -> Path:
    """The package with this program, built in `folder`."""
    folder.mkdir()
    command = [sys.executable, "packaging/deb/make_deb.py", str(binary), str(folder)]
    done = subprocess.run(
        ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *command],
        cwd=ROOT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": str(MOMENT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [package] = folder.glob("*.deb")
    return package


def newer(package: Path, folder: Path) -> Path:
    """The same package with the next revision."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    text, changed = re.subn(r"^(Version: .*)-1$", r"\1-2", control.read_text(), flags=re.MULTILINE)
    assert changed == 1
    control.write_text(text)
    result = folder / "newer.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(result)], check=True)
    return result


def install(root: DebianRoot, package: Path) -> str:
    """Install it in a Debian whose policy starts no service; what it said."""
    policy = root.path / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    place = root.path / "root" / package.name
    place.write_bytes(package.read_bytes())
    done = root.run("dpkg", "--install", f"/root/{package.name}")
    place.unlink()
    return done.stdout + done.stderr
