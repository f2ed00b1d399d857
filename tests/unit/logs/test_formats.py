"""What a line looks like in each form."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import structlog

from supervisor.logs.events import EVENTS
from supervisor.logs.formats.ecs import NAMES, OWN
from supervisor.logs.formats.journal import Journal
from supervisor.logs.formats.json_lines import JsonLines
from supervisor.logs.formats.text import Logfmt
from supervisor.version import VERSION
from tests.unit.logs.lines import Lines

STAMP = "2012-07-06T21:45:26.250Z"


def written(tmp_path: Path, form: str, *, broken: bool = False) -> str:
    """The line of one attempt of a stage, or of one that broke, in a form."""
    lines = Lines(tmp_path / "log", form)
    log = structlog.get_logger().bind(queue="issue")
    if broken:
        try:
            raise ValueError("no = key")  # noqa: TRY301  what is logged is where it was raised
        except ValueError:
            log.exception("stage.failed", session="ab", attempt=1)
    else:
        log.info("stage.finished", session="ab", attempt=1, outcome="retry", duration_ms=1.5, why='a "b" \\c')
    lines.close()
    return lines.file.read_text()


def test_json_line(tmp_path: Path) -> None:
    """Time, level, event, what is bound, the rest."""
    expected = (
        f'{{"time":"{STAMP}","level":"info","event":"stage.finished","queue":"issue","session":"ab","attempt":1,'
        '"outcome":"retry","duration_ms":1.5,"why":"a \\"b\\" \\\\c"}\n'
    )
    assert expected == written(tmp_path, "json")


def test_json_line_without_fields() -> None:
    """An event need not have any."""
    form = JsonLines()
    expected = b'{"time":"t","level":"info","event":"supervisor.stopped"}\n'
    assert expected == form.line("t", form.head("info", "supervisor.stopped", {}), {}, b"{}")


def test_logfmt_line(tmp_path: Path) -> None:
    """A value with a blank, a quotation mark or "=" is quoted."""
    expected = (
        f"time={STAMP} level=info event=stage.finished queue=issue session=ab attempt=1 outcome=retry duration_ms=1.5"
        ' why="a \\"b\\" \\\\c"\n'
    )
    assert expected == written(tmp_path, "logfmt")


def test_logfmt_values_of_every_kind() -> None:
    """Lists and tables are JSON; a key keeps nothing that would end it."""
    form = Logfmt(bare=True)
    fields: dict[str, Any] = {"names": ["a", "b"], "counts": {}, "ok": True, "none": None, "a b=c": 1}
    line = form.line("t", form.head("info", "x", {}), fields, b"")
    assert line == b'event=x names="[\\"a\\",\\"b\\"]" counts={} ok=true none=null a_b_c=1\n'


@pytest.mark.parametrize("colours", [True, False])
def test_console_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, colours: bool) -> None:
    """On a terminal a line is coloured; what it carries is as safe as in JSON."""
    monkeypatch.setattr(os, "isatty", lambda _: colours)
    lines = Lines(tmp_path / "log", "auto" if colours else "console")
    structlog.get_logger().info("stage.finished", session="ab", why="a b\x1b[2J", n=1)
    lines.close()
    text = (tmp_path / "log").read_text()
    assert ("\x1b[36m" in text) is colours
    assert "\x1b[2J" not in text
    if not colours:
        expected = '21:45:26.250 info     stage.finished           session=ab why="a b\\\\x1b[2J" n=1\n'
        assert expected == text


def test_console_trace_has_lines_of_its_own(tmp_path: Path) -> None:
    """A fault's frames stand below it."""
    first, *frames = written(tmp_path, "console", broken=True).splitlines()
    assert first.endswith('queue=issue session=ab attempt=1 error="ValueError: no = key"')
    assert [frame.split(":")[0] for frame in frames] == ["    test_formats.py"]


def test_ecs_line(tmp_path: Path) -> None:
    """What ECS has a name for has it, the rest is in a namespace of our own; the first three are where they belong."""
    line = json.loads(written(tmp_path, "ecs"))
    expected = {
        "@timestamp": STAMP,
        "log.level": "info",
        "message": "stage.finished queue=issue session=ab attempt=1 outcome=retry duration_ms=1.5"
        ' why="a \\"b\\" \\\\c"',
        "ca_supervisor": {"attempt": 1, "outcome": "retry", "queue": "issue", "session": "ab"},
        "ecs.version": "1.6.0",
        "event": {
            "action": "stage.finished",
            "dataset": "ca-supervisor.log",
            "duration": 1_500_000,
            "kind": "event",
            "reason": 'a "b" \\c',
        },
        "process": {"pid": os.getpid()},
        "service": {"name": "ca-supervisor", "version": VERSION},
    }
    assert expected == line
    assert list(line)[:3] == ["@timestamp", "log.level", "message"]


def test_ecs_fault(tmp_path: Path) -> None:
    """An exception is ECS's error, and the outcome of the event is a failure."""
    line = json.loads(written(tmp_path, "ecs", broken=True))
    trace = line["error"].pop("stack_trace")
    assert (line["error"], line["event"]["outcome"]) == ({"type": "ValueError", "message": "no = key"}, "failure")
    assert trace.startswith("test_formats.py:")


def test_ecs_takes_every_event_of_the_table(tmp_path: Path) -> None:
    """No field of any event gets in the way of another one, or of ECS's own."""
    lines = Lines(tmp_path / "log", "ecs", "debug")
    for name, event in EVENTS.items():
        structlog.get_logger().log(20, name, **dict.fromkeys(event.fields, 1))
    found = {line["event"]["action"]: line for line in lines.read()}
    lines.close()
    assert set(EVENTS) == set(found)
    special = {*NAMES, "duration_ms", "took", "message"}
    for name, event in EVENTS.items():
        assert set(event.fields) - special == set(found[name].get(OWN, {})), name
        assert "unprintable" not in found[name].get(OWN, {}), name


def test_journal_entry() -> None:
    """Each field is one of the journal's; a value with a line break has its length before it."""
    form = Journal(Logfmt(bare=True))
    fields: dict[str, Any] = {"session": "ab", "attempt": 1, "names": ["a"], "none": None, "ä-b": "two\nlines"}
    entry = form.line(STAMP, form.head("warning", "stage.timed_out", {"queue": "issue"}), fields, b"")
    message = 'event=stage.timed_out queue=issue session=ab attempt=1 names="[\\"a\\"]" none=null ä-b="two\\nlines"'
    expected = (
        f"MESSAGE={message}\nPRIORITY=4\nSYSLOG_IDENTIFIER=ca-supervisor\nCA_EVENT=stage.timed_out\nCA_QUEUE=issue\n"
        'CA_SESSION=ab\nCA_ATTEMPT=1\nCA_NAMES=["a"]\nCA_NONE=\nCA___B\n'
    ).encode()
    assert expected + b"\x09\0\0\0\0\0\0\0two\nlines\n" == entry
