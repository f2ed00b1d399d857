"""A real systemd-journald takes the entries, and journalctl finds them by their fields. Needs root and systemd."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio import to_thread

from tests.e2e.logs.page import blocks
from tests.harness.journal import Journal, journald
from tests.harness.process import Program
from tests.harness.site import Site, site

NEEDS = ("journald",)

_STREAM = 'JOURNAL_STREAM="$(stat --dereference --format=%d:%i /proc/$$/fd/1)" exec "$@"'
"""What systemd sets for a unit whose standard output is the journal's."""
_BIG = """
from supervisor.logs.outlet.journald import Journald
Journald().send([b"MESSAGE=big\\nCA_EVENT=big\\nCA_WHY=" + b"x" * 600_000 + b"\\n"], 0)
"""


@pytest.fixture
def journal() -> Iterator[Journal]:
    """A journald of the test's own."""
    with journald() as running:
        yield running


def command(ca: Site) -> list[str]:
    """The program."""
    return [sys.executable, "-m", "supervisor", "run", "--config", str(ca.config)]


def page(journal: Journal, line: str, session: str) -> str:
    """What a command of docs/logs.md prints."""
    assert line.startswith("journalctl ")
    done = subprocess.run(
        journal.inside("sh", "-c", line),
        env={"PATH": "/usr/bin:/bin", "SESSION": session},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


@pytest.mark.anyio
async def test_lines_are_found_by_their_fields(tmp_path: Path, journal: Journal) -> None:
    """By event, by session, by priority and by identifier; standard output stays empty."""
    async with site(tmp_path, '[logs]\nto = "journald"\n') as ca:
        with Program(ca.config, argv=journal.inside(*command(ca))) as program:
            sessions = await ca.submit(3)
            await ca.until_done(3)
            assert await to_thread.run_sync(program.stop) == 0
            pid = program.pid
    issued = journal.until(3, "CA_EVENT=certificate.issued")
    assert sorted(sessions) == sorted(entry["CA_SESSION"] for entry in issued)
    assert {(entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["_PID"]) for entry in issued} == {
        ("6", "ca-supervisor", str(pid))
    }
    for entry in issued:
        line = json.loads(entry["MESSAGE"])
        assert (line["session"], line["serial"]) == (entry["CA_SESSION"], entry["CA_SERIAL"])
    [first, *_] = sessions
    events = [entry["CA_EVENT"] for entry in journal.find(f"CA_SESSION={first}")]
    assert {"validation.finished", "stage.finished", "certificate.issued"} == set(events)
    assert journal.find("--priority=warning", "--identifier=ca-supervisor") == []
    assert journal.find("--identifier=ca-supervisor")[-1]["CA_EVENT"] == "supervisor.stopped"
    story, certificates, alarming = (page(journal, line, first) for line in blocks("sh")[0].splitlines())
    assert "certificate.issued" in story
    assert sorted(sessions) == sorted(json.loads(line)["CA_SESSION"] for line in certificates.splitlines())
    assert "ca-supervisor[" not in alarming
    assert (program.events, program.other) == ([], [])


@pytest.mark.anyio
async def test_journal_is_chosen_by_itself_under_systemd(tmp_path: Path, journal: Journal) -> None:
    """Where standard output is the journal's stream, lines come as entries with fields, not as text."""
    async with site(tmp_path, '[logs]\nformat = "logfmt"\n') as ca:
        argv = journal.inside("systemd-cat", "sh", "-c", _STREAM, "sh", *command(ca))
        with Program(ca.config, argv=argv) as program:
            [session] = await ca.submit(1)
            await ca.until_done(1)
            assert await to_thread.run_sync(program.stop) == 0
    [issued] = journal.until(1, "CA_EVENT=certificate.issued")
    expected = (
        f"event=certificate.issued session={session} serial={issued['CA_SERIAL']} names=127.0.0.1"
        f" not_after={issued['CA_NOT_AFTER']}"
    )
    assert (expected, "journal") == (issued["MESSAGE"], issued["_TRANSPORT"])
    assert journal.find("_TRANSPORT=stdout") == []


@pytest.mark.anyio
async def test_standard_output_can_be_kept_under_systemd(tmp_path: Path, journal: Journal) -> None:
    """With logs.to = "stdout" the journal gets text: JSON, and no fields."""
    async with site(tmp_path, '[logs]\nto = "stdout"\n') as ca:
        argv = journal.inside("systemd-cat", "sh", "-c", _STREAM, "sh", *command(ca))
        with Program(ca.config, argv=argv) as program:
            await ca.submit(1)
            await ca.until_done(1)
            assert await to_thread.run_sync(program.stop) == 0
    lines = [json.loads(entry["MESSAGE"]) for entry in journal.until(10, "_TRANSPORT=stdout")]
    assert "certificate.issued" in {line["event"] for line in lines}
    assert journal.find("CA_EVENT=certificate.issued") == []


def test_big_entry_is_taken_whole(journal: Journal) -> None:
    """More than a datagram holds: journald maps the sealed memory."""
    subprocess.run(journal.inside(sys.executable, "-c", _BIG), check=True, timeout=30)
    [entry] = journal.until(1, "CA_EVENT=big")
    assert len(entry["CA_WHY"]) == 600_000


@pytest.mark.anyio
async def test_journald_that_is_not_there_is_refused(tmp_path: Path, journal: Journal) -> None:
    """Exit code 3, and one line that names the setting."""
    async with site(tmp_path, '[logs]\nto = "journald"\n') as ca:
        argv = journal.inside("sh", "-ec", 'rm /run/systemd/journal/socket; exec "$@"', "sh", *command(ca))
        with Program(ca.config, argv=argv) as program:
            assert await to_thread.run_sync(program.end) == 3
    path = "/run/systemd/journal/socket"
    assert [f"error: logs.to: journald does not answer at {path}: No such file or directory"] == program.other
