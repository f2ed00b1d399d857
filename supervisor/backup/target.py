"""Where a backup goes: a file that appears whole or not at all, or standard output. For `supervisor.backup`."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from stages.errors import Refused

STDOUT: Final = "-"


@contextmanager
def target(name: str, *, force: bool) -> Iterator[BinaryIO]:
    """What to write to. After the block the file is on disk under its name; after an error nothing is.

    It is written beside its name as `.<name>.part`; of a run that was killed that is what is left, and the next run for
    the same name takes its place. An existing file stays as it is without `force`.

    Raises Refused("malformed", name, ...).
    """
    if name == STDOUT:
        if sys.stdout.isatty():
            raise Refused("malformed", "FILE", "a terminal is no place for a backup; name a file, or use a pipe")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if not force and (path.exists() or path.is_symlink()):
        raise _exists(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with _taken(part) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if force:
                    part.replace(path)
                else:
                    os.link(part, path)  # never over a file that has come meanwhile
            finally:
                part.unlink(missing_ok=True)
            _sync(path.parent)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Refused("malformed", name, f"cannot be written: {error.strerror or error}") from None


@contextmanager
def _taken(part: Path) -> Iterator[BinaryIO]:
    """The unfinished file, empty and this process's alone."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("malformed", str(part), "another backup is writing it") from None
            if not _is(part, descriptor):
                continue  # the one before has just finished
            os.fchmod(descriptor, 0o600)
            file.truncate()
            yield file
            return


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _exists(path: Path) -> Refused:
    return Refused("malformed", str(path), "it exists already; --force replaces it")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
