"""The one file as it was built: the same again from the same parts, which are all listed, and glibc is enough."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.version import VERSION
from tests.harness.process import ROOT
from tests.packaging.debian import DebianRoot

PYTHON = ROOT / ".venv-binary" / "bin" / "python"
SBOM = "ca-supervisor.cdx.json"
LIMIT = 60_000_000
"""Bytes."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for large things: pytest would keep them for a while."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.timeout(600)
def test_build_again(binary: Path, folder: Path) -> None:
    """A second build, in another folder, gives the same bytes, and the same SBOM."""
    where = ("--work", str(folder / "work"), "--dist", str(folder / "dist"))
    subprocess.run([PYTHON, ROOT / "packaging" / "binary" / "build.py", *where], check=True)
    for name in (binary.name, SBOM):
        assert (folder / "dist" / name).read_bytes() == binary.with_name(name).read_bytes(), name


def test_build_size(binary: Path) -> None:
    """The file is smaller than it may be."""
    assert binary.stat().st_size < LIMIT


def test_build_sbom(binary: Path) -> None:
    """The SBOM names every package that is pinned, and Python, Valkey and both OpenSSLs."""
    document = json.loads(binary.with_name(SBOM).read_text())
    listed = {(part["name"].lower().replace("_", "-"), part["version"]) for part in document["components"]}
    pinned = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    assert {(name, version) for name, version in pinned} - listed == set()
    names = [name for name, _ in listed]
    assert [names.count(name) for name in ("cpython", "valkey", "openssl")] == [1, 2, 2]  # valkey: server and client
    program = document["metadata"]["component"]
    assert (program["name"], program["version"]) == ("ca-supervisor", VERSION)


def test_build_needs_glibc_only(binary: Path, bare_debian: Path, folder: Path) -> None:
    """In a root without anything, one line says what is missing; with glibc and nothing else, a CA is made."""
    root = DebianRoot(folder)
    shutil.copy(binary, folder / "ca-supervisor")
    for name in ("proc", "dev"):
        (folder / name).mkdir()
    said = root.run("/ca-supervisor", "--version", code=1).stderr
    assert said == "error: this system has no glibc, which ca-supervisor needs\n"

    listed = (bare_debian / "var" / "lib" / "dpkg" / "info").glob("libc6:*.list")
    for name in next(listed).read_text().splitlines():
        if re.search(r"/ld-linux[\w.-]*$|/lib(c|dl|m|pthread|resolv|rt|util)\.so\.\d+$", name):
            place = folder / name.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy((bare_debian / name.lstrip("/")).resolve(), place)
    root.run("/ca-supervisor", "init", "--name", "Example", env={"HOME": "/nonexistent"})
    assert (folder / "data" / "ca" / "root.pem").is_file()
