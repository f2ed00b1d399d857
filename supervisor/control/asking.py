"""A command's side of the control socket. For `supervisor.cli`."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

import msgspec

from supervisor.control.messages import SOCKET, Answer, Question, path_below

PATIENCE: Final = 30.0
"""Seconds in which an answer has to be there: a busy program reads its files first."""
_PIECE: Final = 65_536


class NotAnswered(Exception):  # noqa: N818  a finding
    """Nobody answers. `running` is False when no program listens there at all."""

    def __init__(self, socket_path: Path, why: str, *, running: bool) -> None:
        super().__init__(f"{socket_path}: {why}")
        self.socket_path = socket_path
        self.why = why
        self.running = running


def ask(data_dir: Path, question: Question, patience: float = PATIENCE) -> Answer:
    """The answer of the program that runs on `data_dir`; `patience` in seconds. Raises NotAnswered."""
    place = data_dir / SOCKET
    try:
        line = _exchange(data_dir, msgspec.json.encode(question) + b"\n", patience)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NotAnswered(place, "no supervisor runs on this data directory", running=False) from None
    except PermissionError:
        why = "only the supervisor's own user and root may ask it"
        raise NotAnswered(place, why, running=True) from None
    except TimeoutError:
        raise NotAnswered(place, f"no answer within {patience:g} s", running=True) from None
    except OSError as error:
        raise NotAnswered(place, error.strerror or str(error), running=True) from None
    try:
        return msgspec.json.decode(line, type=Answer)
    except msgspec.MsgspecError:
        why = "the supervisor gave no answer: it stops, or is of another version"
        raise NotAnswered(place, why, running=True) from None


def _exchange(data_dir: Path, line: bytes, patience: float) -> bytes:
    directory = os.open(data_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(path_below(directory))
            connection.sendall(line)
            pieces = []
            while piece := connection.recv(_PIECE):
                pieces.append(piece)
            return b"".join(pieces)
    finally:
        os.close(directory)
