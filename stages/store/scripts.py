"""Reads the .lua files and puts the included ones in place. No I/O but the program's own files; the store uses it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

_INCLUDE = "--@include "


@cache
def source(name: str) -> str:
    """The text of a script with its includes, such as "group.lua"."""
    folder = resources.files("stages.store") / "scripts"
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(source(line.removeprefix(_INCLUDE)) if line.startswith(_INCLUDE) else line for line in lines)


@cache
def digest(name: str) -> str:
    """The SHA-1 by which EVALSHA knows a script."""
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()
