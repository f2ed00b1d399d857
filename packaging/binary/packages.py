"""Brings the program and the packages that it needs, with the hashes of requirements/run.txt. Used by build.py.

They are installed into a virtual environment without pip, which is also what the SBOM is made from, and copied from
there without what only installers, compilers and type checkers read.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_LEFT_OUT: Final = ("*.c", "*.h", "*.pth", "*.pxd", "*.pxi", "*.pyi", "*.pyx", "*.typed", "__pycache__", "tests")
# Of a package's metadata its name, version and licence stay.
_LEFT_OUT_METADATA: Final = ("INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "top_level.txt", "sboms")


def install(environment: Path, wheels: Path) -> Path:
    """Make the environment anew, with the program in it; gives its folder of packages. Raises CalledProcessError."""
    shutil.rmtree(environment, ignore_errors=True)
    shutil.rmtree(wheels, ignore_errors=True)
    _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    target = str(environment / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check")
    requirements = str(_ROOT / "requirements" / "run.txt")
    given = ("--no-deps", "--no-compile", "--only-binary", ":all:")
    _run(*pip, "--python", target, "install", *given, "--require-hashes", "--requirement", requirements)
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(_ROOT))
    _run(*pip, "--python", target, "install", *given, *map(str, wheels.glob("ca_supervisor-*.whl")))
    return next(environment.glob("lib/python3*/site-packages"))


def copy_packages(installed: Path, packages: Path) -> None:
    """Copy what runs, and take out of the libraries what only a debugger reads. Raises CalledProcessError."""
    shutil.copytree(installed, packages, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for metadata in packages.glob("*.dist-info"):
        for name in _LEFT_OUT_METADATA:
            path = metadata / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for library in sorted(packages.rglob("*.so")):
        _run("strip", "--strip-unneeded", str(library))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=_ROOT)
