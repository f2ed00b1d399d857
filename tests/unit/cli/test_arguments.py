"""What stands on a command line: read exactly, or refused with the argument's name."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from stages.errors import Refused
from supervisor.cli.arguments import Moment, parse_serial, parse_session, read_input, write_file


@pytest.mark.parametrize("text", ["0a1b", "A1B", "0x0a1b", "00:0A:1B", " a1b\n"])
def test_serial_is_normalised(text: str) -> None:
    """However other tools write it, it is the store's lower-case hex without leading zeros."""
    assert parse_serial(text) == "a1b"


@pytest.mark.parametrize("text", ["", "0", "xyz", "-1", "1 2", "a" * 41, "\x1b[31m", "ä"])
def test_serial_is_refused(text: str) -> None:
    """What is no serial number names its field and repeats none of it."""
    with pytest.raises(Refused, match=r"^serial: it must be a serial number in hex"):
        parse_serial(text)


@pytest.mark.parametrize("text", ["", "xyz", "a" * 65, "a*", "../x", "\x1b"])
def test_session_is_refused(text: str) -> None:
    """What begins no id is refused; a glob is none."""
    with pytest.raises(Refused, match=r"^session: "):
        parse_session(text)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (1_796_083_200, "2026-12-01"),
        (1_796_083_200, "2026-12-01T00:00"),
        (1_796_083_200, "2026-12-01T00:00:00Z"),
        (1_796_079_600, "2026-12-01T00:00:00+01:00"),
        (1_796_083_200, "1796083200"),
        (0, "0"),
    ],
)
def test_time_is_read(expected: int, text: str) -> None:
    """A time without a zone is UTC, a number is unix time."""
    assert expected == Moment().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "-1", "30d", "1796083200000", "0001-01-01T00:00+23:59"])
def test_time_is_refused(text: str) -> None:
    """What is no time is answered with one that is."""
    with pytest.raises(click.BadParameter, match='must be a time such as "2026-12-01"'):
        Moment().convert(text, None, None)


def test_file_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """One byte too many is enough to see that a file is too large."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_input(str(tmp_path / "file"), "csr", 10) == b"x" * 11


@pytest.mark.parametrize("name", ["none", ".", "a\0b"])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """A missing file, a directory, a NUL in the name: one sentence with the field."""
    with pytest.raises(Refused, match=r"^csr: .* cannot be read: "):
        read_input(f"{tmp_path}/{name}", "csr", 10)


def test_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    """The file is there whole, and nothing else is left beside it."""
    file = tmp_path / "chain.pem"
    file.write_text("old")
    write_file(file, b"new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    """A directory that is not there is refused with the option's name."""
    with pytest.raises(Refused, match=r"^--out: .*none/chain.pem cannot be written: No such file"):
        write_file(tmp_path / "none" / "chain.pem", b"")
