"""The Valkey server as a child process: its settings, and what makes it end with its parent.

For `supervisor.embedded` only. It is started from the main thread: the kernel's parent-death signal follows the thread
that started a child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

from supervisor.embedded.owner import store_dir, write_pid

_PR_SET_PDEATHSIG: Final = 1

_SETTINGS: Final = {
    "port": "0",  # no TCP
    "unixsocket": "valkey.sock",  # relative to dir
    "unixsocketperm": "700",
    "dir": ".",
    "daemonize": "no",
    "pidfile": "",  # ours, so that it is there before the server is
    "logfile": "",  # standard output, which is our file
    "appendonly": "yes",
    "appendfsync": "always",  # durable before visible
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",  # an unfinished last write is no reason to stay down; it is reported
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
    "save": "",  # the append-only file is the only file
    "maxmemory-policy": "noeviction",  # a session is no cache entry
    "hash-max-listpack-entries": "64",
    "hash-max-listpack-value": "512",
    "io-threads": "1",
    "activedefrag": "no",
    "latency-tracking": "no",
    "hz": "2",  # idle: 10 costs 0.25 % of a core, 1 costs nothing to see but takes 1 s to stop
    "dynamic-hz": "yes",
    "set-proc-title": "no",
    "crash-log-enabled": "no",
}


def spawn(data_dir: Path, binary: Path, log: int) -> subprocess.Popen[bytes]:
    """Start the server of a directory, whose words go to the file descriptor `log`; its pid file is there then.

    Raises OSError.
    """
    arguments = [text for name, value in _SETTINGS.items() for text in (f"--{name}", value)]
    process = subprocess.Popen(  # noqa: S603  our own binary, constant arguments
        [str(binary), *arguments],
        cwd=store_dir(data_dir),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        umask=0o077,
        start_new_session=True,  # a Ctrl-C in the terminal must not reach it
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  two system calls, bound before the fork
    )
    try:
        write_pid(data_dir, process.pid)
    except OSError:
        # Nobody would find it (a full disk): the next start must not meet a second writer of the same files.
        process.kill()
        process.wait()
        raise
    return process


async def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a child without a thread."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        while process.poll() is None:
            await anyio.wait_readable(pidfd)
    finally:
        os.close(pidfd)


def _die_with_parent() -> Callable[[], None]:
    """What the child does before it becomes the server: ask the kernel for SIGTERM when its parent dies."""
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:
            os._exit(1)

    return ask
