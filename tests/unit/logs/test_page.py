"""docs/logs.md shows lines as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from supervisor.config import program
from supervisor.logs.formats import Format
from supervisor.logs.formats.ecs import Ecs
from supervisor.logs.formats.json_lines import JsonLines
from supervisor.logs.formats.text import Console, Logfmt
from supervisor.version import VERSION

PAGE = (Path(__file__).parents[3] / "docs/logs.md").read_text()
FIELDS: dict[str, Any] = {
    "session": "ca84dd45ca22aec2",
    "attempt": 1,
    "outcome": "retry",
    "duration_ms": 3.2,
    "why": "n4.example: connection refused",
}


@pytest.mark.parametrize(
    ("name", "form"),
    [("json", JsonLines()), ("ecs", Ecs()), ("logfmt", Logfmt()), ("console", Console(colours=False))],
)
def test_page_has_a_line_of_each_form(name: str, form: Format[Any]) -> None:
    """The same event in each; the process id and the version are those of the day when it was written."""
    head = form.head("info", "stage.finished", {"queue": "testchallenge"})
    body = json.dumps(FIELDS, separators=(",", ":")).encode()
    line = form.line("2026-11-28T19:22:09.550Z", head, FIELDS, body).decode()
    _, _, shown = PAGE.partition(f"\n`{name}`: ")
    shown = shown.split("```", 2)[1].split("\n", 1)[1]
    if name == "ecs":
        shown = shown.replace('"pid":4711', f'"pid":{os.getpid()}').replace(
            '"version":"0.1.0"', f'"version":"{VERSION}"'
        )
    assert line == shown


def test_page_names_every_setting() -> None:
    """A new setting of [logs] is told of."""
    for name in program.Logs.model_fields:
        assert f"`logs.{name}`" in PAGE
