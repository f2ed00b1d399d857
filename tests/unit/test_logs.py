"""What a log line looks like, and what it never carries."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from supervisor.logs.outlet.output import Output
from supervisor.logs.outlet.stream import Stream
from supervisor.logs.safety import is_secret, safe_text, safe_value
from supervisor.logs.setup import Logs, setup

NOW = 1_341_611_126.25


class Lines:
    """A file that the logs go to, and what is in it."""

    def __init__(self, file: Path, form: str = "json", level: str = "info") -> None:
        self.file = file
        self.fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.logs: Logs = setup(level, form, fd=self.fd, clock=lambda: NOW)

    def read(self) -> list[dict[str, Any]]:
        """The lines so far."""
        self.logs.flush()
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def close(self) -> None:
        """End the logs and close the file."""
        self.logs.close()
        os.close(self.fd)


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """Logs as JSON in a file."""
    made = Lines(tmp_path / "log")
    yield made
    made.close()


def test_line_has_time_level_event_and_fields(lines: Lines) -> None:
    """A line starts with the same three keys, in UTC."""
    structlog.get_logger().bind(session="ab").info("stage.finished", took=0.5, names=("a", "b"))
    expected = {
        "time": "2012-07-06T21:45:26.250Z",
        "level": "info",
        "event": "stage.finished",
        "session": "ab",
        "took": 0.5,
        "names": ["a", "b"],
    }
    assert [expected] == lines.read()
    assert list(expected) == list(lines.read()[0])


def test_level_is_set_at_run_time_in_existing_loggers(lines: Lines) -> None:
    """A reload changes what loggers write that were bound long before."""
    log = structlog.get_logger().bind(session="ab")
    log.debug("stage.finished", n=1)
    lines.logs.set_level("debug")
    log.debug("stage.finished", n=2)
    lines.logs.set_level("error")
    log.warning("stage.finished", n=3)
    log.error("stage.finished", n=4)
    assert [line["n"] for line in lines.read()] == [2, 4]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("plain Ünïcode", "plain Ünïcode"),
        (r"a\nb\r\tc", "a\nb\r\tc"),
        (r"\x1b[31mred", "\x1b[31mred"),
        (r"\u202egnp.exe", "\u202egnp.exe"),
        (r"\u2066x\u2069\u200b", "\u2066x\u2069\u200b"),
        (r"\x00\x7f\x9b", "\x00\x7f\x9b"),
        (r"\u2028\ud800", "\u2028\ud800"),
        ("[hidden]", "-----BEGIN EC PRIVATE KEY-----"),
        (f"{'x' * 2048}...[3000 characters]", "x" * 3000),
    ],
)
def test_text_is_made_safe(lines: Lines, expected: str, text: str) -> None:
    """What a client chose cannot end a line, drive a terminal or fill a disk."""
    structlog.get_logger().info("x", value=text)
    assert expected == lines.read()[0]["value"]


@given(st.text())
def test_text_is_always_one_printable_line(text: str) -> None:
    """Whatever comes in, what goes out is printable."""
    assert safe_text(text).isprintable()


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("<3 bytes>", b"\x00ab"),
        (None, None),
        ("RuntimeError: a\\nb", RuntimeError("a\nb")),
        ({"a": "[hidden]" if is_secret("a") else 1, "token": "[hidden]"}, {"a": 1, "token": "x"}),
        ([1, "\\x1b"], [1, "\x1b"]),
        (["x"], {"x"}),
        ("/srv/ca", Path("/srv/ca")),
        (str(1 << 70), 1 << 70),
        ([[[["[['x']]"]]]], [[[[[["x"]]]]]]),
        (64, list(range(1000))),
    ],
)
def test_value_is_made_safe(expected: object, value: object) -> None:
    """Every value becomes one of JSON's types, bounded."""
    safe = safe_value("value", value)
    assert expected == (len(safe) if isinstance(expected, int) and isinstance(safe, list) else safe)


@pytest.mark.parametrize(
    ("expected", "key"),
    [
        (True, "password"),
        (True, "Passphrase"),
        (True, "key"),
        (True, "private_key"),
        (True, "eab-secret"),
        (True, "token"),
        (False, "session"),
        (False, "tokens"),
        (False, "monkey"),
    ],
)
def test_secret_is_hidden(lines: Lines, expected: bool, key: str) -> None:  # noqa: FBT001  a table's column
    """A field that is named like a secret is not printed."""
    structlog.get_logger().info("x", **{key: "hunter2"})
    assert ("[hidden]" if expected else "hunter2") == lines.read()[0][key]


def test_exception_is_one_line_with_a_short_trace(lines: Lines) -> None:
    """A fault has its type, its message, where it was and what caused it."""

    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        raise ValueError("bad\nvalue") from KeyError("k")

    try:
        deep(20)
    except ValueError:
        structlog.get_logger().exception("stage.failed")
    [line] = lines.read()
    assert (
        line["level"],
        line["error"],
        line["causes"],
        len(line["trace"]),
    ) == ("error", "ValueError: bad\\nvalue", ["KeyError: 'k'"], 8)
    assert line["trace"][-1].startswith("test_logs.py:")


def test_value_that_cannot_be_printed_does_not_raise(lines: Lines) -> None:
    """A broken object costs its line's fields, not the work."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    structlog.get_logger().info("stage.finished", broken=Broken())
    assert [(line["event"], line["unprintable"]) for line in lines.read()] == [("stage.finished", "RuntimeError")]


def test_library_logging_goes_to_the_same_stream(lines: Lines) -> None:
    """Messages and warnings of libraries are events like others."""
    logging.getLogger("asyncio").warning("slow %s", "callback\n")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    logging.getLogger("asyncio").info("not this")
    first, second = lines.read()
    assert (
        first["event"],
        first["library"],
        first["message"],
    ) == ("library.message", "asyncio", "slow callback\\n")
    assert second["library"] == "py.warnings"


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


@pytest.mark.parametrize("break_it", [os.close, lambda _: None])
def test_broken_output_does_not_raise(break_it: Callable[[int], None]) -> None:
    """A reader that has gone, or a closed descriptor, stops the log and nothing else."""
    reader, writer = os.pipe()
    os.close(reader)
    output = Output(Stream(writer), lambda _: b"")
    break_it(writer)
    output.put(b"a\n")
    output.put(b"b\n")
    if break_it is not os.close:
        os.close(writer)


def test_slow_reader_does_not_block_and_is_told_what_it_missed() -> None:
    """Lines wait for a slow reader up to a bound; the rest is counted."""
    reader, writer = os.pipe()
    output = Output(Stream(writer), lambda lines: b"lost %d\n" % lines)
    line = b"x" * 4095 + b"\n"
    for _ in range(2000):
        output.put(line)
    os.set_blocking(reader, True)
    got = b""
    while b"lost" not in got[-64:] or not got.endswith(b"\n"):
        got += os.read(reader, 1 << 20)
    kept = got.count(line)
    assert f"lost {2000 - kept}\n".encode() == got[kept * len(line) :]
    os.close(reader)
    os.close(writer)
