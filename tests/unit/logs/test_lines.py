"""What a log line looks like, and what it never carries."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.logs.logger import Pen
from supervisor.logs.safety import is_secret, safe_text, safe_value
from tests.unit.logs.lines import Lines

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(1 << 70), max_value=1 << 70)
    | st.floats()
    | st.text()
    | st.text('ab\\"\x7f\x1b é', max_size=8)
    | st.binary()
    | st.lists(st.text())
    | st.dictionaries(st.sampled_from(("a", "token", "b\n")), st.text())
    | st.just("-----BEGIN PRIVATE KEY-----")
    | st.just("x" * 2049)
)
KEYS = st.sampled_from(
    ("session", "attempt", "why", "token", "time", "level", "a b", "é", "queue", "exc_info", "odd\n")
)


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


def test_form_is_set_at_run_time_in_existing_loggers(lines: Lines) -> None:
    """A reload changes how loggers write that were bound long before."""
    log = structlog.get_logger().bind(session="ab")
    log.info("stage.finished", n=1)
    lines.logs.set_form("logfmt")
    log.info("stage.finished", n=2)
    expected = [
        '{"time":"2012-07-06T21:45:26.250Z","level":"info","event":"stage.finished","session":"ab","n":1}',
        "time=2012-07-06T21:45:26.250Z level=info event=stage.finished session=ab n=2",
    ]
    assert expected == lines.text().splitlines()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a value of each kind takes a while to think of
@given(st.dictionaries(KEYS, VALUES, max_size=3), st.dictionaries(KEYS, VALUES, max_size=4))
def test_quick_way_writes_what_the_careful_one_does(bound: dict[str, Any], fields: dict[str, Any]) -> None:
    """Whether the fields of a line are looked at together or one by one, the line is the same."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Lines(Path(folder) / "log")
        log = structlog.get_logger().bind(**bound)
        for _ in range(2):  # the second time, what the first has kept is used
            log.info("stage.finished", **fields)
        written = lines.text().splitlines()
        pen: Pen = lines.logs._pen
        careful = pen.line("info", "stage.finished", {**bound, **fields}).decode().splitlines()
        lines.close()
    assert careful * 2 == written
    assert all(line.isprintable() and json.loads(line) for line in written)


def test_field_cannot_hide_time_level_or_event(lines: Lines) -> None:
    """A field of such a name is written under another one."""
    structlog.get_logger().bind(level="x").info("stage.finished", time=1)
    expected = {"time": "2012-07-06T21:45:26.250Z", "level": "info", "event": "stage.finished", "level_": "x"}
    assert [{**expected, "time_": 1}] == lines.read()


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
    assert line["trace"][-1].startswith("test_lines.py:")


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
