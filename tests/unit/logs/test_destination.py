"""Where lines go: a file that others may move, cut or fill, or what systemd gave the program."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from stages.errors import Refused
from supervisor.logs.destination import find_sink, is_journal
from supervisor.logs.outlet.file import LogFile
from supervisor.logs.outlet.journald import Journald
from supervisor.logs.outlet.output import Output
from supervisor.logs.outlet.stream import Stream


def test_file_is_appended_to_with_few_rights(tmp_path: Path) -> None:
    """What is there stays; a new file is not for everybody to read."""
    file = tmp_path / "log"
    for line in (b"a\n", b"b\n"):
        sink = LogFile(file)
        assert sink.send([line, line], 0) == 2
        sink.close()
    assert (file.read_bytes(), file.stat().st_mode & 0o137) == (b"a\na\nb\nb\n", 0)


@pytest.mark.parametrize(("expected", "before"), [(b"half\na\n", b"half"), (b"b\na\n", b"b\n"), (b"a\n", b"")])
def test_half_a_line_of_a_killed_run_stays_alone(tmp_path: Path, expected: bytes, before: bytes) -> None:
    """The next run begins on a line of its own."""
    (tmp_path / "log").write_bytes(before)
    sink = LogFile(tmp_path / "log")
    sink.send([b"a\n"], 0)
    sink.close()
    assert expected == (tmp_path / "log").read_bytes()


def test_file_that_was_cut_short_goes_on_at_its_new_end(tmp_path: Path) -> None:
    """As logrotate's copytruncate does it: no hole, no old offset."""
    sink = LogFile(tmp_path / "log")
    sink.send([b"before\n"], 0)
    os.truncate(tmp_path / "log", 0)
    sink.send([b"after\n"], 0)
    sink.close()
    assert (tmp_path / "log").read_bytes() == b"after\n"


def test_file_that_was_moved_is_opened_again(tmp_path: Path) -> None:
    """Lines go to the moved file until then, and to the new one from there on."""
    file, moved = tmp_path / "log", tmp_path / "log.1"
    sink = LogFile(file)
    file.rename(moved)
    sink.send([b"old\n"], 0)
    sink.reopen()
    sink.send([b"new\n"], 0)
    sink.close()
    assert (moved.read_bytes(), file.read_bytes()) == (b"old\n", b"new\n")


def test_file_that_cannot_be_opened_again_is_kept(tmp_path: Path) -> None:
    """A refusal names the setting, and no line is lost."""
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    sink = LogFile(folder / "log")
    folder.rename(moved)
    with pytest.raises(Refused) as refused:
        sink.reopen()
    sink.send([b"a\n"], 0)
    sink.close()
    expected = f"logs.to: {folder}/log cannot be opened: No such file or directory"
    assert (expected, b"a\n") == (str(refused.value), (moved / "log").read_bytes())


@pytest.mark.parametrize(
    ("reason", "name"),
    [("cannot be opened: Is a directory", "folder"), ("cannot be opened: No such device or address", "fifo")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, reason: str, name: str) -> None:
    """A FIFO would hold the program until somebody reads it."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Refused) as refused:
        LogFile(tmp_path / name)
    assert f"logs.to: {tmp_path}/{name} {reason}" == str(refused.value)


def test_fifo_with_a_reader_is_refused(tmp_path: Path) -> None:
    """It can be opened, and is no file all the same."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(Refused) as refused:
        LogFile(tmp_path / "fifo")
    os.close(reader)
    assert f"logs.to: {tmp_path}/fifo is not a file" == str(refused.value)


def test_full_disk_holds_lines_back_and_ends_at_once() -> None:
    """Lines wait for room; at the end there is one more try and no waiting, and what is lost is counted."""
    output = Output(LogFile(Path("/dev/full")), lambda lines: b"lost %d\n" % lines)
    output.put(b"a\n")
    output.put(b"b\n")
    assert (output.dropped, output.queued) == (0, 4)
    output.close(60)
    assert (output.dropped, output.queued) == (2, 0)


def test_journald_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    """At the start there is somebody to be told."""
    with pytest.raises(Refused) as refused:
        Journald(tmp_path / "socket")
    expected = f"logs.to: journald does not answer at {tmp_path}/socket: No such file or directory"
    assert expected == str(refused.value)


@pytest.mark.parametrize("variable", [None, "", "1:2", "x", "right"])
def test_journal_is_known_by_device_and_inode(tmp_path: Path, variable: str | None) -> None:
    """As systemd says it: JOURNAL_STREAM counts for the descriptor that it names, and for no other."""
    with (tmp_path / "log").open("wb") as file:
        found = os.fstat(file.fileno())
        value = f"{found.st_dev}:{found.st_ino}" if variable == "right" else variable
        environ = {} if value is None else {"JOURNAL_STREAM": value}
        assert (variable == "right") is is_journal(file.fileno(), environ)


@pytest.mark.parametrize(("expected", "to"), [(Journald, "auto"), (Stream, "stdout"), (Journald, "journald")])
def test_destination_under_systemd(tmp_path: Path, expected: type, to: str) -> None:
    """Where standard output is the journal's, the journal is spoken to in its own way, unless "stdout" is asked for."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "socket"))
    with (tmp_path / "log").open("wb") as file, receiver:
        found = os.fstat(file.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        sink = find_sink(to, file.fileno(), environ, tmp_path / "socket")
        assert type(sink) is expected
        sink.close()


def test_destination_elsewhere(tmp_path: Path) -> None:
    """Standard output is standard output, also where a unit sees the stream and not the socket."""
    with (tmp_path / "log").open("wb") as file:
        found = os.fstat(file.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert [Stream, Stream] == [
            type(find_sink("auto", file.fileno(), given, tmp_path / "socket")) for given in ({}, environ)
        ]
