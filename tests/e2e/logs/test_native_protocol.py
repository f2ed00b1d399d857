"""Entries on the socket of a journald: what they say, big ones, and a journald that is slow or started again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.logs.formats.journal import Journal
from supervisor.logs.formats.json_lines import JsonLines
from supervisor.logs.logger import Pen
from supervisor.logs.outlet.journald import Journald
from supervisor.logs.outlet.output import Output
from tests.harness.journal import Receiver

STAMP = "2012-07-06T21:45:26.250Z"


class Sender:
    """What the program has for a journald that listens at `path`."""

    def __init__(self, path: Path) -> None:
        pen = self.pen = Pen(Journal(JsonLines()), lambda: STAMP)
        pen.output = self.output = Output(
            Journald(path), lambda lines: pen.line("warning", "logs.dropped", {"lines": lines})
        )

    def log(self, level: str, event: str, **fields: Any) -> None:
        """Write an entry."""
        self.output.put(self.pen.line(level, event, fields), urgent=True)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """What listens where journald would."""
    made = Receiver(tmp_path / "socket")
    yield made
    made.close()


def test_entry_has_a_field_for_each_of_ours(receiver: Receiver) -> None:
    """MESSAGE is the line itself, PRIORITY what syslog calls its level."""
    sender = Sender(receiver.path)
    sender.log("warning", "stage.timed_out", session="ab", queue="issue", attempt=1, limit_s=30.0)
    expected = {
        "MESSAGE": f'{{"time":"{STAMP}","level":"warning","event":"stage.timed_out","session":"ab","queue":"issue",'
        '"attempt":1,"limit_s":30.0}',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "ca-supervisor",
        "CA_EVENT": "stage.timed_out",
        "CA_SESSION": "ab",
        "CA_QUEUE": "issue",
        "CA_ATTEMPT": "1",
        "CA_LIMIT_S": "30.0",
    }
    assert expected == {name: value.decode() for name, value in receiver.receive().items()}
    sender.output.close(1)


def test_big_entry_comes_in_sealed_memory(receiver: Receiver) -> None:
    """A datagram holds some 200 KB; what is bigger arrives whole all the same, between the others."""
    sender = Sender(receiver.path)
    problems = ["x" * 2000 + str(i) for i in range(64)]
    sender.log("info", "a")
    sender.log("error", "config.refused", problems=problems, more={str(i): problems for i in range(8)})
    sender.log("info", "b")
    entries = [receiver.receive() for _ in range(3)]
    assert [entry["CA_EVENT"] for entry in entries] == [b"a", b"config.refused", b"b"]
    assert problems == json.loads(entries[1]["CA_PROBLEMS"])
    assert len(entries[1]["MESSAGE"]) > 1_000_000
    sender.output.close(1)


def test_slow_journald_gets_every_entry_in_order(receiver: Receiver) -> None:
    """Its socket takes a few hundred at most; the rest waits here, and no call waits."""
    sender = Sender(receiver.path)
    for number in range(2000):
        sender.log("info", "stage.finished", number=number)
    assert sender.output.queued > 0
    assert list(range(2000)) == [int(receiver.receive()["CA_NUMBER"]) for _ in range(2000)]
    sender.output.flush(10)
    assert (sender.output.queued, sender.output.dropped) == (0, 0)
    sender.output.close(1)


def test_journald_that_is_started_again_is_found_again(tmp_path: Path) -> None:
    """What is logged while it is away waits for it."""
    first = Receiver(tmp_path / "socket")
    sender = Sender(first.path)
    sender.log("info", "a")
    assert first.receive()["CA_EVENT"] == b"a"
    first.close()
    sender.log("info", "b")
    assert sender.output.queued > 0
    second = Receiver(tmp_path / "socket")
    sender.log("info", "c")
    assert [second.receive()["CA_EVENT"] for _ in "bc"] == [b"b", b"c"]
    sender.output.close(1)
    second.close()
