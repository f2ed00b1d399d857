"""A Valkey or Redis server of its own, as an external store: on a unix socket, to be killed and started again."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from supervisor.embedded.binary import server_binary


class Valkey:
    """A server that keeps its files in `folder`; durable, unless `options` (of valkey.conf) say otherwise.

    `program` is another one than the Valkey that comes with ours, such as redis-server.
    """

    def __init__(self, folder: Path, program: str = "", **options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._program = program or str(server_binary())
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._options = {"port": "0", "appendonly": "yes", "appendfsync": "always", "save": "", **options}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 20.0) -> None:
        """Start it and wait until it answers."""
        options = {"unixsocket": str(self.socket), **self._options}
        arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
        self._process = subprocess.Popen(
            [self._program, *arguments], cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + seconds
        while not self._answers():
            assert self._process.poll() is None, "the server ended at its start"
            assert time.monotonic() < deadline, f"the server does not answer within {seconds} s"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
