"""New files that survive a crash, and private ones that nobody else can read. Used by `stages.ca`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from stages.errors import Refused

MAX_FILE_BYTES: Final = 1 << 20
"""Keys and chains are a few kilobytes; whatever is larger is the wrong file."""

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist yet: after a crash it is there whole, or not at all.

    The name appears by link(2), which never replaces a file: a CA key is never overwritten.
    Raises Refused("config", path, ...).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)  # the umask must not decide
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.link(temporary, path)
        finally:
            temporary.unlink()
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except FileExistsError:
        raise Refused("config", str(path), "the file exists already; it is not overwritten") from None
    except OSError as error:
        raise Refused("config", str(path), f"cannot be written: {error.strerror}") from None


def read_file(path: Path, *, private: bool = False) -> bytes:
    """Read a small file; a private one must be its owner's alone. Raises Refused("config", path, ...)."""
    try:
        # Not blocking, so that a pipe in the file's place cannot stop the program.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Refused("config", str(path), "it is not a regular file")
            if private and status.st_mode & OTHERS:
                mode = stat.S_IMODE(status.st_mode)
                raise Refused(
                    "config", str(path), f"its mode is {mode:04o}, which lets others at the key; make it 0600"
                )
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Refused("config", str(path), f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise Refused("config", str(path), f"it is larger than {MAX_FILE_BYTES} bytes")
    return data
