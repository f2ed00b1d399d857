"""A data directory that a backup is put into: all of it or nothing, whenever the restore is killed. For this folder.

Before anything else a folder `.restoring` comes into it, with a note of what is to come. While that folder is there
the program and its commands refuse the data directory, and the next restore removes what the note names. Renaming the
folder is the last step, and the one that counts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from stages.errors import Refused
from supervisor.embedded.opening import end_left_over_server
from supervisor.embedded.owner import UNFINISHED, locked

_NOTE: Final = "note.json"
_FINISHED: Final = ".restored"
_LOCK: Final = "lock"
_TAKEN: Final = {UNFINISHED, _FINISHED, _LOCK, "store", "."}
"""Names at the top of a data directory that no packed file may have."""


class Note(msgspec.Struct, frozen=True):
    """What a restore is about to put here: names at the top of the data directory.

    `restores` are the ids of this restore, and of those before it that were broken off.
    """

    names: list[str]
    restores: list[str]


class Staging:
    """A data directory that is being filled; made by `staging`."""

    def __init__(self, data_dir: Path, note: Note) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / UNFINISHED
        self.note = note

    def write(self, name: str, data: bytes, mode: int) -> None:
        """A file below the data directory, on disk."""
        path = self.data_dir / name
        if PurePosixPath(name).parts[0] in _TAKEN:
            raise Refused("malformed", name, "no backup has a file of this name")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # the umask must not decide
            file.write(data)
            file.flush()
            os.fsync(descriptor)

    def finish(self) -> None:
        """From here on the data directory is whole."""
        for name in self.note.names:
            for folder, _, _ in os.walk(self.data_dir / name):
                _sync(Path(folder))
        _sync(self.data_dir)
        done = self.data_dir / _FINISHED
        self.folder.rename(done)
        _sync(self.data_dir)
        shutil.rmtree(done)


@contextmanager
def staging(data_dir: Path, names: Iterable[str], restore: str) -> Iterator[Staging]:
    """Own an empty data directory and fill it; after an error it is as empty as before.

    Args:
        data_dir: made where it is missing.
        names: what will lie in it, apart from the store.
        restore: the restore's id.

    Raises:
        Refused: there is something in it.
        EmbeddedError: a supervisor or a command uses it.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        with locked(data_dir):
            end_left_over_server(data_dir)
            earlier = _clear(data_dir)
            if found := sorted({path.name for path in data_dir.iterdir()} - {_LOCK, UNFINISHED, _FINISHED}):
                reason = f"it is not empty (there is {found[0]!r}); a backup is restored into an empty directory only"
                raise Refused("malformed", str(data_dir), reason)
            shutil.rmtree(data_dir / _FINISHED, ignore_errors=True)
            note = Note(sorted({*names, "store"}), [*(earlier.restores if earlier else []), restore])
            _begin(data_dir / UNFINISHED, note)
            try:
                yield Staging(data_dir, note)
            except BaseException:
                _clear(data_dir)
                shutil.rmtree(data_dir / UNFINISHED)
                raise
    except OSError as error:
        raise Refused("malformed", str(error.filename or data_dir), f"cannot be written: {error.strerror}") from None


def _begin(folder: Path, note: Note) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    new = folder / f"{_NOTE}.new"
    with new.open("wb") as file:
        file.write(msgspec.json.encode(note))
        file.flush()
        os.fsync(file.fileno())
    new.rename(folder / _NOTE)
    _sync(folder)
    _sync(folder.parent)


def _clear(data_dir: Path) -> Note | None:
    """Remove what a restore that was broken off has left, but for its note, which comes back."""
    folder = data_dir / UNFINISHED
    try:
        note = msgspec.json.decode((folder / _NOTE).read_bytes(), type=Note)
    except (FileNotFoundError, msgspec.DecodeError):
        note = None  # there was none, or it was killed before anything came
    for name in note.names if note else ():
        _remove(data_dir / name)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != _NOTE:
            _remove(path)
    return note


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
