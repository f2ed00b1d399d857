"""A unix socket to listen on, and its file. For `supervisor.admin` only."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from stages.errors import Refused

MODE: Final = 0o660
"""The owner and the group may connect: connecting takes the right to write."""
_BACKLOG: Final = 64


@contextmanager
def listening(path: Path, setting: str) -> Iterator[socket.socket]:
    """A listening socket at `path`; its file goes when the block ends, unless another one has taken its place.

    The file of a process that is gone is replaced; one at which somebody listens is not, nor one that is no socket.

    Raises Refused("config", `setting`, ...).
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            _clear(path)
            os.fchmod(made.fileno(), MODE)  # bind gives the file these bits, less the umask: never more open than this
            made.bind(str(path))
            path.chmod(MODE)
            made.listen(_BACKLOG)
        except OSError as fault:
            why = fault.strerror or str(fault)
            raise Refused("config", setting, f"{path} cannot be listened on: {why}") from None
        except _TakenError as taken:
            raise Refused("config", setting, f"{path} cannot be listened on: {taken}") from None
        made.setblocking(False)  # noqa: FBT003  the socket's own signature
        mine = _identity(path)
        try:
            yield made
        finally:
            if _identity(path) == mine:
                with suppress(OSError):
                    path.unlink()
    finally:
        made.close()


class _TakenError(Exception):
    """Something else is at the path."""


def _clear(path: Path) -> None:
    """Remove the file that a dead process has left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _TakenError("a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise _TakenError("another program listens there")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
