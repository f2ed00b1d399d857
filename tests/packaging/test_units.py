"""The systemd units: without a mistake, and no more exposed than docs/service.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.packaging.conftest import ROOT

UNITS = ROOT / "packaging" / "systemd"
PAGE = ROOT / "docs" / "service.md"


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    assert shutil.which("systemd-analyze"), "there is no systemd-analyze (Debian: apt-get install systemd)"
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)


def test_units_have_no_mistake(tmp_path: Path) -> None:
    """Every line is known to systemd, every unit that is named is there, and so is every program."""
    units = tmp_path / "usr" / "lib" / "systemd" / "system"
    units.mkdir(parents=True)
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        shutil.copy(target, units)
    names = sorted(unit.name for unit in UNITS.iterdir())
    for unit in names:
        shutil.copy(UNITS / unit, units)
    for name in ("usr/bin/ca-supervisor", "bin/sh"):
        program = tmp_path / name
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    done = analyze("verify", f"--root={tmp_path}", "--man=no", *names)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_service_is_no_more_exposed_than_documented() -> None:
    """The score of `systemd-analyze security`, and each point that is left open, are those of docs/service.md."""
    found = re.search(r"gives it \*\*(\d)\.(\d)\*\*", PAGE.read_text())
    assert found is not None
    threshold = f"--threshold={found[1]}{found[2]}"
    done = analyze("security", "--offline=yes", "--no-pager", threshold, str(UNITS / "ca-supervisor.service"))
    assert done.returncode == 0, done.stdout
    assert f"{found[1]}.{found[2]} OK" in done.stdout
    table = PAGE.read_text().partition("| open | points |")[2].partition("\n\n")[0]
    for line in done.stdout.splitlines():
        if line.startswith("✗"):
            directive = line.split()[1].partition("=")[0].partition("/")[0]
            assert f"`{directive}=" in table, line


def test_service_names_the_sockets_that_the_program_knows() -> None:
    """FileDescriptorName= of each unit is one that the program takes, and the service asks for both units."""
    names = {
        unit.name: re.findall(r"^FileDescriptorName=(.*)$", unit.read_text(), re.MULTILINE)
        for unit in UNITS.glob("*.socket")
    }
    assert names == {"ca-supervisor.socket": ["acme"], "ca-supervisor-http.socket": ["acme-http"]}
    asked = re.findall(r"^Sockets=(.*)$", (UNITS / "ca-supervisor.service").read_text(), re.MULTILINE)
    assert asked == ["ca-supervisor.socket ca-supervisor-http.socket"]
