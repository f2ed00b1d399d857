"""Who owns a data directory: its lock, its directories, and a server left over from an owner that was killed.

For `supervisor.embedded`, and for a restore, which owns a directory that is not a CA yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SOCKET_LIMIT: Final = 107
"""Bytes in the path of a unix socket (sun_path of unix(7), less the closing NUL)."""
_LEFT_OVER_GRACE: Final = 2.0
_STOP_GRACE: Final = 10.0


class EmbeddedError(Exception):
    """The embedded store cannot start or be used. `held_by` is the pid of another owner, 0 otherwise."""

    def __init__(self, message: str, held_by: int = 0) -> None:
        super().__init__(message)
        self.held_by = held_by


UNFINISHED: Final = ".restoring"
"""Lies in a data directory while a backup is put into it, and after a restore that was broken off."""


def refuse_unfinished(data_dir: Path) -> None:
    """Refuse a data directory in which a restore was broken off: what is there is no whole CA.

    Raises EmbeddedError.
    """
    if (data_dir / UNFINISHED).exists():
        raise EmbeddedError(f"data_dir: a restore into {data_dir} was never finished; run it again")


def store_dir(data_dir: Path) -> Path:
    """Where the server keeps its files; absolute."""
    return data_dir.absolute() / "store"


def socket_path(data_dir: Path) -> Path:
    """The socket that the server of `data_dir` listens on while it runs."""
    return store_dir(data_dir) / "valkey.sock"


def store_bytes(data_dir: Path) -> int:
    """Bytes of the server's files, of which it has two while it writes one anew; 0 before its first start."""
    total = 0
    for file in (store_dir(data_dir) / "appendonlydir").glob("*.aof"):
        with contextlib.suppress(FileNotFoundError):  # replaced meanwhile
            total += file.stat().st_size
    return total


def pid_file(data_dir: Path) -> Path:
    """The file that names the server's process."""
    return store_dir(data_dir) / "valkey.pid"


def write_pid(data_dir: Path, pid: int) -> None:
    """Note the server's process, so that a later owner recognises it."""
    fd = os.open(pid_file(data_dir), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{pid}\n")


def prepare(data_dir: Path) -> None:
    """Make the directories, for the owner's eyes only.

    Raises:
        EmbeddedError: they cannot be made, the socket's path would be too long, or a restore was broken off.
    """
    refuse_unfinished(data_dir)
    prepare_unfinished(data_dir)


def prepare_unfinished(data_dir: Path) -> None:
    """The same for a restore, which is what fills the directory. Raises EmbeddedError."""
    path = socket_path(data_dir)
    if len(os.fsencode(path)) > SOCKET_LIMIT:
        raise EmbeddedError(
            f"data_dir: the path {path} is longer than a unix socket's {SOCKET_LIMIT} bytes; use a shorter one"
        )
    try:
        for directory in (data_dir, store_dir(data_dir)):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(f"data_dir: {error.filename} cannot be used: {error.strerror}") from error


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Own `data_dir` exclusively; the kernel gives it back however this process ends.

    Raises:
        EmbeddedError: another process owns it.
    """
    path = data_dir / "lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedError(f"data_dir: {path} cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(fd, 32).strip()
            holder = int(text) if text.isdigit() else 0
            who = f"process {holder}" if holder else "another process"
            raise EmbeddedError(f"data_dir: {data_dir} is in use by {who}", holder) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(fd)


def end_left_over(data_dir: Path, binary: Path) -> int:
    """End the server that a killed owner left behind, if there is one; call it with the lock held.

    The server follows its owner by itself, so it is first waited for. A process counts only if the pid file
    names it, it runs our binary, and it works in our directory; its pidfd makes sure that nothing else gets
    the signal.

    Returns:
        Its pid, or 0.

    Raises:
        EmbeddedError: it does not end.
    """
    try:
        pid = int(pid_file(data_dir).read_text())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return 0
    try:
        if not _is_server(pid, binary, store_dir(data_dir)):
            return 0
        if not _ended(pidfd, _LEFT_OVER_GRACE):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, number)
                if _ended(pidfd, _STOP_GRACE):
                    break
            else:
                raise EmbeddedError(f"store: the server of an earlier run (process {pid}) does not end", pid)
    except PermissionError as error:
        raise EmbeddedError(f"store: the server of an earlier run (process {pid}) is another user's", pid) from error
    finally:
        os.close(pidfd)
    return pid


def _is_server(pid: int, binary: Path, directory: Path) -> bool:
    try:
        exe = Path(f"/proc/{pid}/exe").readlink()
        return exe.name.removesuffix(" (deleted)") == binary.name and directory.samefile(f"/proc/{pid}/cwd")
    except FileNotFoundError:
        return False


def _ended(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))
