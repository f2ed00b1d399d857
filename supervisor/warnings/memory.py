"""What outlives a restart: the warnings that held at the last look, and what each channel was told. One small file.

It lies in data_dir and is written when something has changed. Where it cannot be read or written (a full disk, of which
is then warned), everything is told once more after a restart.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from supervisor.warnings.concern import Concern

FILE: Final = "warnings.json"
"""Below data_dir."""
_MOST_BYTES: Final = 4 << 20


class Memory(msgspec.Struct, frozen=True):
    """The content of the file.

    Attributes:
        current: the warnings that held at the last look.
        told: what each channel was told last, by its name.
    """

    current: tuple[Concern, ...] = ()
    told: dict[str, tuple[Concern, ...]] = {}


def recall(data_dir: Path) -> Memory:
    """What the file says; nothing where there is none, or one that cannot be read."""
    try:
        with (data_dir / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_BYTES), type=Memory)
    except (OSError, msgspec.DecodeError):
        return Memory()


def remember(data_dir: Path, current: Sequence[Concern], told: dict[str, tuple[Concern, ...]]) -> None:
    """Put the file in place whole and on disk, for its owner only. Raises OSError."""
    file = data_dir / FILE
    temporary = file.with_name(f".{FILE}.new")
    data = msgspec.json.encode(Memory(tuple(current), told))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(descriptor)
    temporary.replace(file)
