"""lnav takes our format file, and answers SQL over the log of a real run. Needs lnav."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from supervisor.logs.events import EVENTS
from tests.e2e.logs.page import blocks
from tests.e2e.logs.real_run import GOOD, RealRun
from tests.harness.process import ROOT

NEEDS = ("lnav",)

FORMAT = ROOT / "packaging/lnav/ca-supervisor.json"


class Lnav:
    """An lnav without a terminal, with a home of its own that has our format."""

    def __init__(self, home: Path) -> None:
        self.home = home
        folder = home / "config/formats/ca"
        folder.mkdir(parents=True)
        shutil.copy(FORMAT, folder)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run(
            ["lnav", "-I", str(self.home / "config"), *arguments],
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(self.home), "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, file: Path, query: str) -> list[dict[str, Any]]:
        """The rows of an SQL query over a log."""
        done = self.run("-n", "-q", "-c", f";{query}", "-c", ":write-json-to -", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


@pytest.fixture
def lnav(tmp_path: Path) -> Lnav:
    """An lnav for one test."""
    return Lnav(tmp_path)


def test_format_passes_the_check(lnav: Lnav) -> None:
    """No error, and no warning."""
    done = lnav.run("-C", "-W")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_format_can_be_installed(lnav: Lnav) -> None:
    """As docs/logs.md says it."""
    done = lnav.run("-i", str(FORMAT))
    assert done.returncode == 0, done.stderr
    assert list(lnav.home.rglob("installed/ca_supervisor.json")) != []


def test_check_finds_a_wrong_format(lnav: Lnav) -> None:
    """What the tests above stand on."""
    file = lnav.home / "config/formats/ca/ca-supervisor.json"
    file.write_text(file.read_text().replace('"file-type": "json"', '"file-type": "none"'))
    assert lnav.run("-C").returncode == 1


def test_format_knows_fields_that_there_are() -> None:
    """Every field of the format is one of an event; those of an exception come besides."""
    fields = {"event", "error", "trace", "causes"}.union(*(event.fields for event in EVENTS.values()))
    assert set(json.loads(FORMAT.read_text())["ca_supervisor"]["value"]) <= fields


def test_queries_of_the_page(lnav: Lnav, run: RealRun) -> None:
    """Each query of docs/logs.md, with one thing that is known of the run."""
    counted, certificates, requests, rejected = (lnav.ask(run.file, query) for query in blocks("sql")[0].splitlines())
    assert {"event": "certificate.issued", "lines": GOOD} in counted
    assert sum(row["lines"] for row in counted) == len(run.lines)
    assert list(zip(run.serials, run.names, strict=True)) == [(row["serial"], row["names"]) for row in certificates]
    assert [row["requests"] for row in requests if row["kind"] == "new-order"] == [GOOD + 1]
    assert [run.rejected] == [row["session"] for row in rejected]


def test_levels_are_known(lnav: Lnav, run: RealRun) -> None:
    """Lnav's own level is ours, so that it can be searched and coloured."""
    rows = lnav.ask(run.file, "SELECT DISTINCT log_level FROM ca_supervisor")
    assert rows == [{"log_level": "info"}]
