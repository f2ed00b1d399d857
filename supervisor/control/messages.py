"""What goes over the control socket: one JSON line each way. For `supervisor.control` and the commands that ask."""

from __future__ import annotations

import os
from typing import Final, Literal

import msgspec

from supervisor.config import Change, Problem
from supervisor.pipeline.measures import Measured

SOCKET: Final = "control.sock"
"""The socket's name below data_dir."""
LONGEST: Final = 1 << 20
"""Bytes of a line: a config file with room to spare."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wanted. `preview` says what a reload would do if the file at `path` (absolute) said `text`."""

    ask: Literal["reload", "preview", "settings", "measures"]
    path: str = ""
    text: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What comes back, from process `pid`, which reads the config file `config`.

    Attributes:
        error: why there is no answer; "" otherwise.
        changes: what a reload has changed, or would change.
        problems: why the file is refused: then nothing is changed.
        warnings: what is allowed but unwise.
        settings: those in effect, as TOML, secrets hidden.
        measures: for each queue, in their order; empty while no stages run.
    """

    pid: int
    config: str
    error: str = ""
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    settings: str = ""
    measures: dict[str, Measured] = {}


def path_below(directory: int) -> str:
    """The socket's path below an open directory: short enough for sun_path (unix(7)) wherever the directory is."""
    return os.path.join(f"/proc/self/fd/{directory}", SOCKET)  # noqa: PTH118  a Path would be made for nothing
