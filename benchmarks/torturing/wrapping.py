"""Puts doors around everything through which the program reaches the world outside. For `launcher` only."""

from __future__ import annotations

import builtins
import fcntl
import io
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from redis.asyncio.connection import AbstractConnection

from benchmarks.torturing.doors import Doors
from stages.store import scripts

_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_BY_PATH = ("replace", "rename", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "chmod", "truncate")
_BY_DESCRIPTOR = ("write", "pwrite", "ftruncate", "fsync", "fdatasync", "fchmod")
_SCRIPTS = {scripts.digest(path.name): path.name for path in Path(scripts.__file__).parent.glob("scripts/*.lua")}
_VARYING = re.compile(r"(?<=inflight:).+|(?<=supervisor:).+|[0-9a-f]{16,}|\d{2,}")
"""What differs from run to run: ids, serials, times, process numbers."""
_REPORTS = 2
"""The highest descriptor that is a report to people: a kill between two log lines is no other kill."""


def wrap_files(doors: Doors) -> None:
    """Everything that changes a file."""
    os.open = doors.call(os.open, lambda path, flags, *_, **__: f"open {_leaf(path)}" if flags & _CHANGES else "")
    opened = doors.call(builtins.open, _opening)
    builtins.open = io.open = opened
    for word in _BY_PATH:
        setattr(os, word, doors.call(getattr(os, word), lambda path, *_, _word=word, **__: f"{_word} {_leaf(path)}"))
    for word in _BY_DESCRIPTOR:
        setattr(
            os, word, doors.call(getattr(os, word), lambda number, *_, _word=word, **__: _descriptor(_word, number))
        )
    fcntl.flock = doors.call(fcntl.flock, lambda number, *_: _descriptor("flock", number))


def _opening(file: Any, mode: str = "r", *_: Any, **__: Any) -> str:
    changes = isinstance(mode, str) and set(mode) & set("wax+")
    return f"open {_leaf(file)}" if changes and not isinstance(file, int) else ""


def _leaf(path: Any) -> str:
    return _VARYING.sub("*", os.path.basename(os.fsdecode(path)))  # noqa: PTH119  pathlib is a user of these doors


def _descriptor(word: str, number: Any) -> str:
    number = number if isinstance(number, int) else number.fileno()
    if number <= _REPORTS:
        return ""
    target = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115  as above
    return f"{word} {_leaf(target)}"


def wrap_network(doors: Doors) -> None:
    """Sockets and waits of the validators and of the embedded store's keeper."""
    for word in ("connect", "connect_ex", "send", "sendall", "recv", "bind"):
        setattr(socket.socket, word, doors.call(getattr(socket.socket, word), lambda *_, _word=word: f"socket {_word}"))
    anyio.wait_readable = doors.wait(anyio.wait_readable, lambda what: f"wait readable {_kind(what)}")
    anyio.wait_writable = doors.wait(anyio.wait_writable, lambda what: f"wait writable {_kind(what)}")
    anyio.connect_unix = doors.wait(anyio.connect_unix, lambda path, **_: f"connect {_leaf(path)}")  # type: ignore[assignment]


def _kind(what: Any) -> str:
    return "socket" if isinstance(what, socket.socket) else "descriptor"


def wrap_processes(doors: Doors) -> None:
    """Children, signals and threads."""
    init: Any = subprocess.Popen.__init__
    subprocess.Popen.__init__ = doors.call(init, lambda _, args, *__, **___: f"start {_leaf(args[0])}")  # type: ignore[method-assign]
    send: Any = subprocess.Popen.send_signal
    subprocess.Popen.send_signal = doors.call(send, lambda _, number: f"signal {int(number)}")  # type: ignore[method-assign]
    signal.pidfd_send_signal = doors.call(signal.pidfd_send_signal, lambda _, number: f"signal {int(number)}")
    run: Any = anyio.to_thread.run_sync
    anyio.to_thread.run_sync = doors.wait(run, lambda function, *_, **__: f"thread {_called(function)}")  # type: ignore[assignment]


def _called(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def wrap_store(doors: Doors) -> None:
    """Every command to the store, and every reply."""
    sent: dict[int, str] = {}
    send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response

    async def send_packed_command(self: Any, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's signature
        whole = b"".join(command) if isinstance(command, Iterable) and not isinstance(command, bytes) else command
        name = sent[id(self)] = command_name(whole.encode() if isinstance(whole, str) else whole)
        if not self.is_connected:
            await self.connect_check_health(check_health=False)  # its handshake has steps of its own
            sent[id(self)] = name
        step = doors.enter(f"send {name}")
        await send(self, whole, check_health)
        doors.leave(step)

    async def read_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = await read(self, *args, **kwargs)
        doors.leave(doors.enter(f"reply {sent.get(id(self), '?')}", only_after=True))
        return answer

    AbstractConnection.send_packed_command = send_packed_command  # type: ignore[method-assign]
    AbstractConnection.read_response = read_response  # type: ignore[method-assign]


def command_name(data: bytes) -> str:
    """The commands of a RESP message, with what they are about."""
    names = list(dict.fromkeys(_name(words) for words in _commands(data)))
    return "; ".join(names)


def _commands(data: bytes) -> Iterator[list[bytes]]:
    at = 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        count, at = int(data[at + 1 : end]), end + 2
        words = []
        for _ in range(count):
            end = data.index(b"\r\n", at)
            size = int(data[at + 1 : end])
            words.append(data[end + 2 : end + 2 + size])
            at = end + 2 + size + 2
        yield words


def _name(words: list[bytes]) -> str:
    word = words[0].decode().upper()
    if word == "EVAL":
        return next((name for name in _SCRIPTS.values() if scripts.source(name).encode() == words[1]), word)
    if word == "SCRIPT":
        return "SCRIPT LOAD"
    if word == "EVALSHA":
        name = _SCRIPTS.get(words[1].decode(), word)
        return f"{name}({_moves(words)})" if name == "group.lua" else name
    about = _VARYING.sub("*", words[1].decode("ascii", "replace")[:80]) if len(words) > 1 else ""
    return f"{word} {about}".strip()


def _moves(words: list[bytes]) -> str:
    """The kinds of moves in a group: ARGV[3] holds them."""
    request = msgspec.msgpack.decode(words[3 + int(words[2]) + 2])
    return "+".join(sorted({move[0] for move in request[3]}))
