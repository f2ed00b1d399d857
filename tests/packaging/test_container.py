"""The Containerfile, followed step by step in a bare Debian: there is no container engine to ask."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.process import Program
from tests.packaging.conftest import ROOT
from tests.packaging.debian import DebianRoot

FILE = ROOT / "packaging" / "container" / "Containerfile"
KNOWN = {
    *(
        "ARG",
        "FROM",
        "COPY",
        "RUN",
        "USER",
        "ENV",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ),
}


class Image(NamedTuple):
    """What a container is made from, in `root`."""

    root: DebianRoot
    user: str
    env: dict[str, str]
    entrypoint: list[str]
    command: list[str]
    health: list[str]

    def words(self, *words: str) -> list[str]:
        """What runs a command as the container's process 1 and user; root, while it is built, may do all."""
        user, group = self.user.split(":")
        given = [f"{name}={value}" for name, value in self.env.items()]
        drop = ["--clear-groups"]
        if user != "0":
            drop += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        inside = ["setpriv", f"--reuid={user}", f"--regid={group}", *drop, "env", "-i", "PATH=/usr/bin:/bin", *given]
        enter = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$@"'
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "sh", "-c", enter, "sh"]
        return [*apart, str(self.root.path), *inside, *words]

    def run(self, *words: str) -> str:
        """Run one command and give what it prints."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout


def instructions() -> Iterator[tuple[str, str]]:
    """The lines of the file without its comments."""
    for line in FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest


def words_of(text: str) -> list[str]:
    """The exec form: no shell is asked."""
    found: list[str] = json.loads(text)
    return found


@pytest.fixture
def image(debian_root: DebianRoot, binary: Path) -> Image:
    """The file's steps done in a Debian."""
    made = Image(debian_root, "0:0", {}, [], [], [])
    for name, rest in instructions():
        assert name in KNOWN, name
        match name:
            case "COPY":
                mode, source, target = re.fullmatch(r"--chmod=(\d+) (\S+) (\S+)", rest).groups()  # type: ignore[union-attr]
                place = debian_root.path / target.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(binary if source == "dist/ca-supervisor" else ROOT / source, place)
                place.chmod(int(mode, 8))
            case "RUN":
                made.run(*words_of(rest))
            case "USER":
                made = made._replace(user=rest)
            case "ENV":
                variable, _, value = rest.partition("=")
                made.env[variable] = value
            case "HEALTHCHECK":
                made = made._replace(health=words_of(rest.partition("CMD ")[2]))
            case "ENTRYPOINT":
                made = made._replace(entrypoint=words_of(rest))
            case "CMD":
                made = made._replace(command=words_of(rest))
    return made


@contextmanager
def running(image: Image) -> Iterator[tuple[Program, int]]:
    """The container's process, ready; and its id outside."""
    config = Path("/etc/ca-supervisor/config.toml")
    with Program(config, argv=image.words(*image.entrypoint, *image.command)) as program:
        program.wait_for("supervisor.ready")
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        yield program, int(children[0])


def test_container_runs_without_privileges_and_stops_in_order(image: Image) -> None:
    """As process 1, on its volume: it says that it is healthy, and ends well on STOPSIGNAL."""
    image.run(*image.entrypoint, "init", "--name", "Example CA")
    with running(image) as (program, inside):
        assert program.named("supervisor.starting")[0]["pid"] == 1
        status = Path(f"/proc/{inside}/status").read_text()
        assert re.search(r"^Uid:\s10001\s10001\s10001\s10001$", status, re.MULTILINE)
        assert re.search(r"^CapBnd:\s0+$", status, re.MULTILINE)
        listening = [event["listen"] for event in program.named("http.listening")]
        assert listening == [["0.0.0.0:8443"], ["0.0.0.0:8080"]]
        healthy = subprocess.run(
            ["nsenter", f"--target={inside}", "--mount", "--pid", "--net", "--root", "--setuid=10001", *image.health],
            env=image.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (healthy.returncode, "ca.example.internal" in healthy.stdout) == (0, True), healthy.stderr
        subprocess.run(["kill", "-TERM", str(inside)], check=True)
        assert program.end() == 0
    assert ("STOPSIGNAL", "SIGTERM") in list(instructions())


def test_container_without_a_program_is_not_healthy(image: Image) -> None:
    """The command of HEALTHCHECK ends with another code than 0."""
    done = subprocess.run(image.words(*image.health), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9, done.stderr


def test_container_unpacks_nothing_at_its_start(image: Image) -> None:
    """The image has the program unpacked: it runs where nothing of the root can be written."""
    cache = image.root.path / "var" / "cache" / "ca-supervisor"
    before = sorted(path.stat().st_mtime_ns for path in cache.rglob("*"))
    image.run(*image.entrypoint, "--version")
    assert [path.name for path in cache.iterdir() if path.name.startswith("program-")]
    assert sorted(path.stat().st_mtime_ns for path in cache.rglob("*")) == before
