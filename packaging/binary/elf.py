"""What the build has to know of ELF files, from readelf and ldd (binutils, glibc). Used by the other files here.

A file's libraries are looked up by the host's own loader, so only files that the host trusts are asked.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# Part of glibc: the host's own, with its loader. They cannot be mixed with another glibc's.
_GLIBC: Final = re.compile(r"(ld-linux.*|lib(c|dl|m|pthread|resolv|rt|util))\.so\.\d+")
_NEEDED: Final = re.compile(r"^\s*(\S+) => (/\S+) \(0x")
_MISSING: Final = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_VERSION: Final = re.compile(r"Name: GLIBC_(\d+(?:\.\d+)+)")


def is_elf(path: Path) -> bool:
    """Whether a file is an executable or a library."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries(path: Path) -> dict[str, Path]:
    """What the loader maps for a file, by name, except the parts of glibc.

    Raises:
        FileNotFoundError: a library is not on this host.
    """
    done = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
    if missing := _MISSING.findall(done.stdout):
        raise FileNotFoundError(f"{path} needs {', '.join(missing)}, which is not on this machine")
    pairs = [found.groups() for line in done.stdout.splitlines() if (found := _NEEDED.match(line))]
    return {name: Path(where) for name, where in pairs if not _GLIBC.fullmatch(name)}


def has_search_path(path: Path) -> bool:
    """Whether a file says where its libraries are (RPATH, RUNPATH)."""
    return bool(re.search(r"\((RPATH|RUNPATH)\)", _readelf("--dynamic", path)))


def glibc(paths: Iterable[Path]) -> tuple[str, Path]:
    """The oldest glibc that has every symbol that the files need, and the file that needs it most."""
    needs = [(version, path) for path in paths for version in _VERSION.findall(_readelf("--version-info", path))]
    return max(needs, key=lambda need: [int(part) for part in need[0].split(".")])


def _readelf(what: str, path: Path) -> str:
    command = ["readelf", "--wide", what, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
