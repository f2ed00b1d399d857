"""Where the front door keeps its own certificates: chains and keys by serial number, and the id that stays with them.

For `supervisor.acme.own_certificate`, and for what looks at the folder from outside (`FOLDER`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from stages.ca.files import read_file, write_new
from stages.errors import Refused

FOLDER: Final = "door"
"""Below data_dir."""
_ID_BYTES: Final = 8
_ID: Final = re.compile(r"[0-9a-f]{16}")
_OURS: Final = re.compile(r"[0-9a-f]{1,40}\.(key|pem)")


class Files(NamedTuple):
    """Where the certificate lies: its chain and its key, PEM."""

    chain: Path
    key: Path


class DoorFolder:
    """The folder of one door; only its owner can look into it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def door(self, random_bytes: Callable[[int], bytes]) -> str:
        """The id of this door, 16 hex digits: it stays with its keys. The folder is made with a new one.

        Raises Refused("config", <file>, ...).
        """
        file = self._path / "id"
        try:
            self._path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Refused("config", str(self._path), f"cannot be made: {error.strerror}") from None
        if not file.exists():
            write_new(file, random_bytes(_ID_BYTES).hex().encode(), 0o600)
        door = read_file(file).decode("ascii", "replace").strip()
        if not _ID.fullmatch(door):
            raise Refused("config", str(file), "it must hold 16 hex digits; remove it to get a new one")
        return door

    def files(self, serial: str) -> Files:
        """Where the certificate with this serial (hex) lies, or will."""
        return Files(self._path / f"{serial}.pem", self._path / f"{serial}.key")

    def tidy(self, files: Files) -> None:
        """Remove what belongs to certificates before these, and keys that came to no certificate."""
        for file in self._path.iterdir():
            if file not in files and _OURS.fullmatch(file.name):
                file.unlink(missing_ok=True)
