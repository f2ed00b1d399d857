"""The journal: what its native protocol says, and a journald of our own in a mount namespace that nobody else sees."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.harness.log_tools import JOURNALD

SEALED: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
"""What journald wants of a memfd before it maps it."""
_CONFIG: Final = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n"
_BEGIN: Final = """
mount -t tmpfs journal /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '%s' "$1" >/run/systemd/journald.conf.d/test.conf
exec "$0"
"""
_LOOK: Final = 0.02


def parse(entry: bytes) -> dict[str, bytes]:
    """The fields of an entry of the native protocol: NAME=value, or NAME, the length in 64 bits, and the value."""
    fields: dict[str, bytes] = {}
    while entry:
        line, _, rest = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            fields[name.decode()], entry = value, rest
        else:
            length = int.from_bytes(rest[:8], "little")
            fields[name.decode()], entry = rest[8 : 8 + length], rest[8 + length + 1 :]
            assert rest[8 + length : 8 + length + 1] == b"\n"
    return fields


class Receiver:
    """A socket that takes what journald would take."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(10)

    def receive(self) -> dict[str, bytes]:
        """The fields of the next entry, also of one that comes as a memfd; that has to be sealed."""
        data, controls, _, _ = self._socket.recvmsg(1 << 20, socket.CMSG_LEN(4))
        if not controls:
            return parse(data)
        [(level, kind, descriptors)] = controls
        assert (data, level, kind) == (b"", socket.SOL_SOCKET, socket.SCM_RIGHTS)
        [fd] = array.array("i", descriptors)
        with os.fdopen(fd, "rb") as memory:
            assert fcntl.fcntl(memory, fcntl.F_GET_SEALS) == SEALED
            memory.seek(0)
            return parse(memory.read())

    def close(self) -> None:
        """End it, as a journald that is stopped."""
        self._socket.close()
        self.path.unlink()


class Journal:
    """A running journald. `inside` makes a command see its sockets and its journal, and no other ones."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def inside(self, *command: str) -> list[str]:
        """This command in the namespace of journald, with the same process id as without."""
        return ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", f"--wdns={Path.cwd()}", *command]

    def find(self, *matches: str) -> list[dict[str, Any]]:
        """The entries that journalctl finds, such as those with CA_EVENT=x.y."""
        command = ["journalctl", "--directory=/run/log/journal", "--output=json", "--all", "--quiet", *matches]
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, timeout=30, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def until(self, count: int, *matches: str) -> list[dict[str, Any]]:
        """Wait until so many entries are found; AssertionError when they never are."""
        deadline = time.monotonic() + 30
        while len(found := self.find(*matches)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} for {matches}"
            time.sleep(_LOOK)
        return found


@contextmanager
def journald() -> Iterator[Journal]:
    """A systemd-journald with a /run of its own; it is ended afterwards, and its journal is gone."""
    command = ["unshare", "--mount", "sh", "-ec", _BEGIN, str(JOURNALD), _CONFIG]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 10
        while not Path(f"/proc/{process.pid}/root/run/systemd/journal/socket").is_socket():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "journald does not listen"
            time.sleep(_LOOK)
        yield Journal(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
