"""The dashboard and the alerts as they are packaged: their queries, and the metrics that those name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tests.harness.process import ROOT

DASHBOARD: Final = ROOT / "packaging" / "grafana" / "ca-supervisor.json"
ALERTS: Final = ROOT / "packaging" / "prometheus" / "alerts.yml"
_NAME: Final = re.compile(r"\b(?:ca_supervisor|process)_[a-z0-9_]+")


def dashboard() -> Any:
    """The dashboard, read."""
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def queries() -> Iterator[str]:
    """Every query of the dashboard's panels."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def named(text: str) -> set[str]:
    """The metrics that a text names, labels and functions left out."""
    return set(_NAME.findall(text))


def alerts() -> list[str]:
    """The names of the alerts, in their order."""
    return re.findall(r"^ +- alert: (\w+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
