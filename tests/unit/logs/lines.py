"""Logs that go to a file, and what is in it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from supervisor.logs.setup import Logs, setup

NOW = 1_341_611_126.25


class Lines:
    """A file that the logs go to, and what is in it."""

    def __init__(self, file: Path, form: str = "json", level: str = "info") -> None:
        self.file = file
        self.fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.logs: Logs = setup(level, form, fd=self.fd, clock=lambda: NOW)

    def text(self) -> str:
        """All lines so far."""
        self.logs.flush()
        return self.file.read_text()

    def read(self) -> list[dict[str, Any]]:
        """The lines so far."""
        return [json.loads(line) for line in self.text().splitlines()]

    def close(self) -> None:
        """End the logs and close the file."""
        self.logs.close()
        os.close(self.fd)
