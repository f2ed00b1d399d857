"""A host of the operators' pages in a temporary directory: its paths, its media, its service manager. For this folder.

The pages' blocks marked `sh` run here as they stand, in one shell, with the paths of a real host replaced by those
below the directory. Stand-ins on PATH start and stop the real program for `systemctl`; `mount` does nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.harness.authority import environment
from tests.harness.process import ROOT

PAGES = ROOT / "docs/operators"
_PLACES = {
    "/etc/ca-supervisor": "etc",
    "/var/lib/ca-supervisor": "lib",
    "/usr/bin/ca-supervisor": "bin/ca-supervisor",
    "/backups": "backups",
    "/media": "media",
    "/tmp/": "tmp/",  # noqa: S108  what the pages say, which is replaced
}
_PLACE = re.compile(rf"(?<![\w/.])({'|'.join(map(re.escape, _PLACES))})")
_SYSTEMCTL = """#!/bin/bash
set -eu
stop() {
    kill -TERM "$(cat {host}/pid)"
    tail --pid="$(cat {host}/pid)" -f /dev/null
    rm {host}/pid
}
start() {
    : > {host}/log
    setsid ca-supervisor run > {host}/log 2>&1 < /dev/null &
    echo $! > {host}/pid
    line="$(tail --pid=$! -n +1 -f {host}/log | grep -m1 'supervisor\\.\\(ready\\|failed\\)')"
    case "$line" in *failed*) cat {host}/log; exit 1 ;; esac
}
case "$1" in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    *) exit 64 ;;
esac
"""


class Host:
    """One host; `folder` holds everything of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "etc/config.toml"
        for name in ("etc", "backups", "bin", "tmp", "media/root", "media/root-1", "media/root-2"):
            (folder / name).mkdir(parents=True)
        self.config.write_text(f'data_dir = "{folder}/lib"\n[logs]\nformat = "json"\n')
        program = f'#!/bin/sh\nexec {sys.executable} -m supervisor "$@"\n'
        self._command("ca-supervisor", program)
        self._command("systemctl", _SYSTEMCTL.replace("{host}", str(folder)))
        for name in ("mount", "umount"):
            self._command(name, "#!/bin/sh\n")
        new = folder / "tmp/ca-supervisor.new"
        new.write_text(program)
        new.chmod(0o755)

    def _command(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "lib"

    def run(self, script: str) -> str:
        """Run commands as they stand in a page; what they print. Raises AssertionError at the first that fails."""
        script = _PLACE.sub(lambda found: f"{self.folder}/{_PLACES[found[1]]}", script)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-x"],
            input=script,
            cwd=self.folder,
            env=environment(
                {
                    "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                    "PYTHONPATH": str(ROOT),
                    "CA_SUPERVISOR_CONFIG": str(self.config),
                }
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return click.unstyle(done.stdout)


@contextmanager
def host(folder: Path, *, founded: bool = True) -> Iterator[Host]:
    """A host, with a CA whose supervisor runs unless it is not `founded`; what it runs is ended."""
    made = Host(folder)
    if founded:
        made.run("ca-supervisor init\nsystemctl start ca-supervisor\n")
    try:
        yield made
    finally:
        if (folder / "pid").exists():
            made.run("systemctl stop ca-supervisor\n")


def blocks(page: str) -> list[str]:
    """The blocks of commands in a page."""
    return re.findall(r"^```sh\n(.*?)^```$", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)
