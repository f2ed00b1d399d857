"""Changes single values in the config file: comments, order and everything else stay. For `supervisor.cli`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.errors import Refused
from supervisor.cli.invocation import Invocation
from supervisor.config import ENVIRONMENT, load, read_text


def edit(invocation: Invocation, file: Path, values: Mapping[str, int | str]) -> None:
    """Put values, by dotted key, into the config file.

    Raises:
        Refused: a variable of the environment would override one, one cannot be changed where it stands, or the file
            cannot be written.
        ConfigError: what would be written is refused; the file stays.
    """
    for key in values:
        variable = ENVIRONMENT + key.replace(".", "__").upper()
        if variable in invocation.environ:
            raise Refused("config", variable, "it overrides the config file; change it where it is set")
    text = with_values(read_text(file), values)
    load(file, invocation.environ, text)
    written = tomllib.loads(text)
    for key, value in values.items():
        if _at(written, key) != value:
            raise Refused("config", key, f"it cannot be changed where it stands; set it to {value} yourself")
    replace(file, text)


def require_writable(file: Path) -> None:
    """Raises Refused when this user cannot put another file in its place."""
    if not os.access(file.resolve().parent, os.W_OK):
        raise Refused("config", str(file), "cannot be written by this user; root can")


def with_values(text: str, values: Mapping[str, int | str]) -> str:
    """A config file's text with other values for these dotted keys."""
    import tomlkit  # noqa: PLC0415  for the few commands that edit the file

    document: Any = tomlkit.parse(text)
    for key, value in values.items():
        *above, name = key.split(".")
        table = document
        for depth, part in enumerate(above, 1):
            table = table.setdefault(part, tomlkit.table(is_super_table=depth < len(above)))
        table[name] = value
    return tomlkit.dumps(document)


def _at(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    return table


def replace(file: Path, text: str) -> None:
    """Put the text in the file's place, whole and on disk; owner and mode stay. Raises Refused."""
    file = file.resolve()
    temporary = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        status = file.stat()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            if os.geteuid() == 0:
                os.fchown(opened.fileno(), status.st_uid, status.st_gid)
            os.fchmod(opened.fileno(), status.st_mode & 0o777)
            os.fsync(opened.fileno())
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Refused("config", str(file), f"cannot be written: {error.strerror}") from None
