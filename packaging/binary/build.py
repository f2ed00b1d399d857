"""Builds dist/ca-supervisor, one executable with the program, its packages, Python and Valkey: `make binary`.

What is built in: the Python that runs this (Debian's, or another that works when it is moved to another place), the
packages of requirements/run.txt with their hashes, and the libraries of this host that they need, but for glibc. The
same inputs give the same bytes. Also writes dist/ca-supervisor.cdx.json, its SBOM. Ends with 1, saying what is missing
or off.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NoReturn

import base
import elf
import packages
import payload
import sbom

_ROOT: Final = Path(__file__).parents[2]
_HERE: Final = Path(__file__).parent
_LIMIT: Final = 60_000_000
"""Bytes that the program may have."""
_TOOLS: Final = {"gcc": "gcc", "readelf": "binutils", "strip": "binutils", "ldd": "libc-bin"}
_PROBE: Final = "#include <zstd.h>\nint main(void) { return ZSTD_versionNumber() == 0; }\n"
_ISOLATED: Final = ("-I", "-S", "-X", "utf8")


class BuildError(Exception):
    """What is missing or off."""


def require() -> None:
    """Look whether this machine has what the build runs. Raises BuildError."""
    lacking = {package for tool, package in _TOOLS.items() if not shutil.which(tool)}
    if "gcc" not in lacking:
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder) / "probe.c"
            probe.write_text(_PROBE)
            command = [*payload.COMPILE, str(probe), "-o", f"{folder}/probe", *payload.LINK]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                lacking |= {"libc6-dev", "libzstd-dev"}
    if lacking:
        raise BuildError(
            f"this machine lacks what the build needs (Debian: apt-get install {' '.join(sorted(lacking))})"
        )


def compile_sources(tree: Path) -> None:
    """Replace every .py by its .pyc, which is never compared with a source. Raises CalledProcessError."""
    shutil.copyfile(_HERE / "start.py", tree / "start.py")
    command = [sys.executable, "-m", "compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash"]
    # What a .pyc holds of a set must not depend on the seed of this run's hashes.
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([*command, "-s", str(tree), str(tree)], check=True, env=environ)
    for source in tree.rglob("*.py"):
        source.unlink()


def check(tree: Path) -> dict[str, Any]:
    """Import all of the program in the tree, with nothing of this machine's Python. Raises BuildError."""
    command = [str(tree / base.INTERPRETER), *_ISOLATED, str(_HERE / "check.py")]
    done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    if done.returncode:
        raise BuildError(f"the program cannot be imported from {tree}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["libraries"]:
        raise BuildError(f"these libraries are not in {tree}: {', '.join(found['libraries'])}")
    return found


def build(work: Path, dist: Path) -> None:
    """All steps: the parts come into `work`, the program and its SBOM into `dist`; says what it has made."""
    began = time.monotonic()
    require()
    tree = work / "tree"
    shutil.rmtree(work, ignore_errors=True)
    installed = packages.install(work / "environment", work / "wheels")
    version = next(installed.glob("ca_supervisor-*.dist-info")).stem.removeprefix("ca_supervisor-")
    base.copy_base(tree)
    packages.copy_packages(installed, tree / "packages")
    libraries = base.add_libraries(tree)
    base.set_search_paths(tree)
    compile_sources(tree)
    found = check(tree)
    program = work / "ca-supervisor"
    payload.pack(tree, work / "launcher", version, (base.INTERPRETER, *_ISOLATED, "start.pyc"), program)
    if program.stat().st_size > _LIMIT:
        raise BuildError(f"{program} is larger than {_LIMIT / 1e6:.0f} MB")
    linked = [_static(name) for name in ("libc.a", "libzstd.a")]
    dist.mkdir(parents=True, exist_ok=True)
    sbom.write(dist / "ca-supervisor.cdx.json", work / "environment", program, found, [*libraries, *linked])
    program = program.rename(dist / program.name)
    elves = [path for path in tree.rglob("*") if path.is_file() and elf.is_elf(path)]
    glibc, most = elf.glibc(elves)
    say(f"{program}: {program.stat().st_size / 1e6:.1f} MB, unpacked {_size(tree) / 1e6:.1f} MB")
    say(f"Python {found['python']}; glibc {glibc} or later, which {most.relative_to(tree)} needs")
    say(f"built in {time.monotonic() - began:.0f} s")


def _static(name: str) -> Path:
    """A library that the launcher is linked with."""
    said = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    return Path(said.strip()).resolve()


def _size(tree: Path) -> int:
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def main() -> NoReturn:
    """Build; the exit code says whether all was well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=_ROOT / "build" / "binary", help="the folder for the parts")
    parser.add_argument("--dist", type=Path, default=_ROOT / "dist", help="the folder for what is built")
    options = parser.parse_args()
    try:
        build(options.work.absolute(), options.dist.absolute())
    except (BuildError, OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
