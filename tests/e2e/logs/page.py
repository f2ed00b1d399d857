"""What docs/logs.md tells people to type. For this folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.harness.process import ROOT

PAGE: Final = (ROOT / "docs/logs.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, str]:
    """The recipes for jq, each by the line above it."""
    _, _, part = PAGE.partition("\n## jq\n")
    return dict(re.findall(r"^([^\n]+):\n\n```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL))


def config(text: str, file: Path) -> str:
    """A configuration of the page, for a log that is elsewhere."""
    return text.replace("/var/log/ca-supervisor", str(file.parent))
