"""Starts the program quickly: a process that has imported everything already, and forks. For `scene` and `launcher`.

Importing takes as long as all that the program does in a step's run. The fork is left by its parent at once, so it
becomes the child of whoever runs the torture (a "subreaper", prctl(2)), who can wait for it as for any other child.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import CannotRun
from tests.harness.authority import environment
from tests.harness.process import ROOT, Program

_PR_SET_CHILD_SUBREAPER: Final = 36
_MOST: Final = 1 << 16


class Nursery:
    """Forks processes of `benchmarks.torturing.launcher`; one for each user at a time."""

    def __init__(self) -> None:
        if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError("this system has no subreapers (prctl)")
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.torturing.launcher", "--nursery", str(theirs.fileno())],
                cwd=ROOT,
                env=environment({"PYTHONDONTWRITEBYTECODE": "1"}),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, arguments: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
        """A program with this command line and environment; its output is in `stdout`. Raises CannotRun."""
        reading, writing = os.pipe()
        request = json.dumps({"arguments": arguments, "environ": environment(environ)}).encode()
        with self._lock:
            with suppress(BrokenPipeError, ConnectionResetError):  # it has ended, which the answer says
                socket.send_fds(self._socket, [request], [writing])
            answer = self._received()
        os.close(writing)
        if not answer:
            raise CannotRun("the program cannot be imported; what it said stands above")
        return _adopted(int(answer), arguments, reading)

    def _received(self) -> bytes:
        try:
            return self._socket.recv(64)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        """End it; what it has started goes on."""
        self._socket.close()
        self._process.wait()


def _adopted(pid: int, arguments: list[str], reading: int) -> subprocess.Popen[bytes]:
    """The object that `subprocess` would have made of the process."""
    process: Any = subprocess.Popen.__new__(subprocess.Popen)
    process.__dict__.update(
        args=arguments,
        pid=pid,
        returncode=None,
        stdin=None,
        stdout=os.fdopen(reading, "rb"),
        stderr=None,
        _child_created=True,
        _waitpid_lock=threading.Lock(),
        _sigint_wait_secs=0.25,
        _input=None,
        _communication_started=False,
    )
    adopted: subprocess.Popen[bytes] = process
    return adopted


class Forked(Program):
    """A run of the program, or of one of its commands, out of a nursery."""

    def __init__(self, nursery: Nursery, arguments: list[str], environ: dict[str, str]) -> None:
        self.events, self.other, self.raw = [], [], []
        self._news: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.process = nursery.start(arguments, environ)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()


def serve(number: int) -> tuple[list[str], dict[str, str]]:
    """Fork whenever it is asked for; returns in each fork, with its command line and environment."""
    with socket.socket(fileno=number) as asked:
        while True:
            request, descriptors, _, _ = socket.recv_fds(asked, _MOST, 1)
            if not request:
                os._exit(0)
            reading, writing = os.pipe()
            between = os.fork()
            if not between:
                if child := os.fork():
                    os.write(writing, str(child).encode())
                    os._exit(0)
                break
            os.waitpid(between, 0)  # from now on the fork has its new parent, who may be told
            asked.send(os.read(reading, 64))
            for descriptor in (reading, writing, descriptors[0]):
                os.close(descriptor)
    os.close(reading)
    os.close(writing)
    os.dup2(descriptors[0], 1)
    os.dup2(descriptors[0], 2)
    os.close(descriptors[0])
    os.chdir(Path(ROOT))
    wanted = json.loads(request)
    return wanted["arguments"], wanted["environ"]
