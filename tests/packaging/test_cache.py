"""The cache that the one file unpacks itself into: whole or not used, one version, and nobody else's."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from supervisor.version import VERSION
from tests.packaging import debian
from tests.packaging.debian import DebianRoot

NOBODY = 65534
NO_HOME = f"/var/tmp/ca-supervisor-{NOBODY}"  # noqa: S108  where it goes without a home


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """A directory that is not there yet."""
    yield tmp_path / "cache"
    shutil.rmtree(tmp_path / "cache")


@pytest.fixture(scope="module")
def one_debian(bare_debian: Path, binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRoot]:
    """A Debian with the program, for all tests here."""
    root = debian.copy(bare_debian, tmp_path_factory.mktemp("cache") / "debian")
    root.install(binary)
    yield root
    shutil.rmtree(root.path)


@pytest.fixture
def empty(one_debian: DebianRoot) -> Iterator[DebianRoot]:
    """The Debian, in which nothing is unpacked."""
    yield one_debian
    for lock in [*one_debian.path.rglob("ca-supervisor*/.lock"), *one_debian.path.rglob("cache*/.lock")]:
        shutil.rmtree(lock.parent)


def start(binary: Path, cache: Path) -> subprocess.Popen[str]:
    """Start the program, which says its version and ends."""
    environ = {"CA_SUPERVISOR_CACHE": str(cache)}
    return subprocess.Popen(
        [binary, "--version"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def version(binary: Path, cache: Path) -> tuple[int, str, str]:
    """How it ends: code, output, errors."""
    with start(binary, cache) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def names(cache: Path) -> list[str]:
    """What is in a cache, a program without its digest."""
    return sorted(path.name.rpartition("-")[0] or path.name for path in cache.iterdir())


def program(cache: Path) -> Path:
    """The one unpacked program."""
    (found,) = cache.glob("program-*")
    return found


WELL = (0, f"ca-supervisor {VERSION}\n", "")
ONE = [".lock", f"program-{VERSION}"]


def test_cache_first_starts_at_once(binary: Path, cache: Path) -> None:
    """Eight first starts at once all run, and leave one program."""
    started = [start(binary, cache) for _ in range(8)]
    ended = []
    for process in started:
        with process:
            out, err = process.communicate(timeout=120)
        ended.append((process.returncode, out, err))
    assert ended == [WELL] * 8
    assert names(cache) == ONE


def test_cache_killed_in_between(binary: Path, cache: Path) -> None:
    """What a process that was killed had unpacked so far is not used, and does not stay."""
    deadline = time.monotonic() + 30
    with start(binary, cache) as process:
        while not (cache / ".new" / "lib").is_dir():
            assert time.monotonic() < deadline, "nothing is unpacked"
        process.kill()
    assert names(cache) == [".lock", ".new"]
    assert version(binary, cache) == WELL
    assert names(cache) == ONE


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_cache_damaged(binary: Path, cache: Path, damage: str) -> None:
    """A program in which a file is missing or cut is unpacked anew."""
    assert version(binary, cache) == WELL
    file = program(cache) / "packages" / "supervisor" / "version.pyc"
    before = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        os.truncate(file, 10)
    assert version(binary, cache) == WELL
    assert file.read_bytes() == before
    assert names(cache) == ONE


def test_cache_of_an_old_version(binary: Path, cache: Path) -> None:
    """The first start of a version removes the others, but for one that still runs; what is not ours stays."""
    for name in ("program-0.0.1-aaaa", "program-0.0.2-bbbb", "other"):
        (cache / name / "lib").mkdir(parents=True)
        (cache / name / "lib" / "file").write_text("old")
    cache.chmod(0o700)
    held = os.open(cache / "program-0.0.2-bbbb", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    try:
        assert version(binary, cache) == WELL
    finally:
        os.close(held)
    assert names(cache) == [".lock", "other", "program-0.0.2", f"program-{VERSION}"]


@pytest.mark.parametrize(
    ("mode", "owner", "above", "reason"),
    [
        (0o777, 0, 0o700, "can be written to by other users"),
        (0o770, 0, 0o700, "can be written to by other users"),
        (0o700, NOBODY, 0o700, "belongs to another user"),
        (0o700, 0, 0o777, "lies in a directory that other users can change"),
    ],
)
def test_cache_of_somebody_else(binary: Path, cache: Path, mode: int, owner: int, above: int, reason: str) -> None:
    """A directory that another user can change is not used, and one line says why."""
    folder = cache / "program"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    os.chown(folder, owner, 0)
    cache.chmod(above)
    assert version(binary, folder) == (3, "", f"error: CA_SUPERVISOR_CACHE: {folder} {reason}\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("user", "env", "place"),
    [
        ("root", {"HOME": "/root"}, "/root/.cache/ca-supervisor"),
        ("root", {"HOME": "/nowhere"}, "/var/cache/ca-supervisor"),
        ("root", {"HOME": "/home"}, "/home/.cache/ca-supervisor"),
        ("root", {"HOME": "/root", "XDG_CACHE_HOME": "/root/xdg"}, "/root/xdg/ca-supervisor"),
        ("root", {"HOME": "/root", "CACHE_DIRECTORY": "/opt/cache:/opt/b"}, "/opt/cache"),
        ("root", {"CACHE_DIRECTORY": "/opt/cache", "CA_SUPERVISOR_CACHE": "/opt/cache2"}, "/opt/cache2"),
        ("nobody", {"HOME": "/root"}, NO_HOME),
        ("nobody", {"HOME": "/nonexistent"}, NO_HOME),
    ],
)
def test_cache_place(empty: DebianRoot, user: str, env: Mapping[str, str], place: str) -> None:
    """Where the program is unpacked to follows from the user and the environment."""
    assert empty.run("ca-supervisor", "--version", env=env, user=user).stdout == WELL[1]
    folders = [path.parent for path in empty.path.rglob(f"program-{VERSION}-*")]
    assert [f"/{folder.relative_to(empty.path)}" for folder in folders] == [place]


def test_cache_shared_with_the_service(empty: DebianRoot) -> None:
    """The service's user takes the service's cache for its commands, whatever HOME says."""
    folder = empty.path / "var" / "cache" / "ca-supervisor"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    empty.run("ca-supervisor", "--version", user="nobody")
    assert names(folder) == ONE


def test_cache_noexec(empty: DebianRoot) -> None:
    """A file system that allows no execution is not used."""
    command = "mount -t tmpfs -o noexec,mode=700 none /mnt && CA_SUPERVISOR_CACHE=/mnt ca-supervisor --version"
    said = empty.run("sh", "-c", command, code=3).stderr
    assert said == "error: CA_SUPERVISOR_CACHE: /mnt is on a file system that allows no execution (noexec)\n"


def test_cache_disk_full(empty: DebianRoot) -> None:
    """A full disk is one error, after which nothing of the program is left on it."""
    command = "mount -t tmpfs -o size=8m,mode=700 none /mnt; export CA_SUPERVISOR_CACHE=/mnt; ca-supervisor --version"
    again = "ls -A /mnt; mount -o remount,size=200m /mnt && ca-supervisor --version"
    said = empty.run("sh", "-c", f"{command}; {again}")
    assert re.fullmatch(r"error: /mnt: \S+ cannot be written: No space left on device\n", said.stderr)
    assert said.stdout == f".lock\n{WELL[1]}"
