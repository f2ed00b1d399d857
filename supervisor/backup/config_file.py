"""The config file of a restored CA. Pure but for writing it; for the command line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from stages.ca.files import write_new
from stages.errors import Refused

_LINE = re.compile(rb"^[ \t]*data_dir[ \t]*=.*$", re.MULTILINE)
_TABLE = re.compile(rb"^[ \t]*\[", re.MULTILINE)


def with_data_dir(text: bytes, data_dir: str, where: str) -> bytes:
    """The same settings with another `data_dir`; every other line stays as it is.

    Raises Refused("malformed", where, ...) for a text in which that cannot be done in one line.
    """
    line = f'data_dir = "{data_dir}"'.encode()
    table = _TABLE.search(text)
    end = table.start() if table else len(text)
    found = _LINE.search(text, 0, end)
    made = text[: found.start()] + line + text[found.end() :] if found else line + b"\n" + text
    if _parsed(made, where) != {**_parsed(text, where), "data_dir": data_dir}:
        raise Refused("malformed", where, "its data_dir cannot be changed; restore it without --into")
    return made


def put(path: Path, text: bytes) -> bool:
    """Write the file where there is none; whether it was written comes back."""
    if path.exists():
        return False
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused("config", str(path.parent), f"cannot be made: {error.strerror}") from None
    write_new(path, text, 0o600)
    return True


def _parsed(text: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise Refused("malformed", where, "its config.toml is not TOML") from None
