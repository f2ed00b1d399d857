"""Every error becomes one line and one documented code, and cannot do harm to a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from stages.errors import LeaseLost, Refused, StoreUnavailable
from stages.store.records import Garbled
from supervisor.cli import COMMANDS, output
from supervisor.cli.failures import Failure, report
from supervisor.config import ConfigError, Problem
from supervisor.embedded import EmbeddedError
from supervisor.exit_codes import ExitCode

PAGE = Path(__file__).parents[3] / "docs/cli.md"
FILE = Path("/etc/c.toml")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Refused("badCSR", "subjectAltName", "it is empty"), 4, "subjectAltName: it is empty"),
        (Refused("config", "ca.key", "cannot be read"), 3, "ca.key: cannot be read"),
        (ConfigError([Problem("", "", "is not TOML")], FILE), 3, "/etc/c.toml: is not TOML"),
        (StoreUnavailable("store: ConnectionError"), 5, "store: ConnectionError"),
        (EmbeddedError("data_dir: /x is in use"), 5, "data_dir: /x is in use"),
        (LeaseLost("the lease ran out"), 6, "store: the lease ran out"),
        (Failure(ExitCode.NOT_FOUND, "serial 1", "there is none"), 9, "serial 1: there is none"),
        (Garbled("ab", "state", "bad"), 4, "session ab: its record cannot be read: state: bad"),
        (click.UsageError("No such option\n'--x'"), 2, "No such option '--x'"),
        (ExceptionGroup("", [ExceptionGroup("", [Refused("x", "f", "r")])]), 4, "f: r"),
    ],
)
def test_error_is_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, line: str
) -> None:
    """The line names the field or file, nothing is on standard output."""
    assert code == report(error, as_json=False)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {line}\n")


def test_every_wrong_setting_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each, as text and as JSON."""
    error = ConfigError([Problem("a.b", "1", "is wrong"), Problem("c", "", "is missing")], FILE)
    assert report(error, as_json=False) == 3
    assert capsys.readouterr().err.splitlines() == [
        "error: /etc/c.toml: 2 settings are wrong",
        "  a.b = 1: is wrong",
        "  c: is missing",
    ]
    report(error, as_json=True)
    found = json.loads(capsys.readouterr().out)["error"]
    assert [problem["key"] for problem in found["problems"]] == ["a.b", "c"]
    assert (found["code"], found["name"]) == (3, "config")


def test_fault_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected error has code 1 and says where it came from."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("boom\x1b[2J\n")
    assert report(caught.value, as_json=False) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: a fault of the program: RuntimeError: boom\\x1b[2J\\n\n  test_failures.py:")


def test_hostile_text_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Colours, line ends and direction marks of a stranger come out as text: in lines, tables and JSON."""
    hostile = "a\x1b[31m\n\u202eb[bold]"
    output.line(hostile)
    output.table(("x",), [(hostile,)])
    output.document({"x": hostile})
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert out.splitlines()[0] == "a\\x1b[31m\\n\\u202eb[bold]"
    assert out.splitlines()[2].strip() == "a\\x1b[31m\\n\\u202eb[bold]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "-"), (86_400, "1970-01-02 00:00:00Z"), (10**30, str(10**30)), (-(10**18), str(-(10**18)))],
)
def test_any_number_is_a_time(seconds: int, text: str) -> None:
    """A garbled time of a record is shown as it is."""
    assert text == output.when(seconds)


def test_page_documents_every_code_and_command() -> None:
    """docs/cli.md names each exit code and each command."""
    text = PAGE.read_text(encoding="utf-8")
    assert [code for code in ExitCode if f"| {code.value} | {code.name.lower()} |" not in text] == []
    assert [name for name in COMMANDS if f"\n## {name}\n" not in text] == []
