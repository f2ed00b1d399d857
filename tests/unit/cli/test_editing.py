"""Putting values into a config file, and leaving everything else as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import Refused
from supervisor.cli.editing import edit, replace, with_values
from supervisor.cli.invocation import Invocation

CONCURRENCY = {"queues.issue.concurrency": 40}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "# mine\n[queues.issue] # why\nconcurrency = 3 # three\ntimeout = '9s'\n[names]\n",
            "# mine\n[queues.issue] # why\nconcurrency = 40 # three\ntimeout = '9s'\n[names]\n",
        ),
        ("queues.issue.concurrency = 3\n[names]\n", "queues.issue.concurrency = 40\n[names]\n"),
        (
            "[queues]\nissue = {concurrency = 3, timeout = '9s'}\n",
            "[queues]\nissue = {concurrency = 40, timeout = '9s'}\n",
        ),
        (
            "[queues.issue]\ntimeout = '9s'\n\n[names] # rest\n",
            "[queues.issue]\ntimeout = '9s'\nconcurrency = 40\n\n[names] # rest\n",
        ),
        ("# only this\n", "# only this\n\n[queues.issue]\nconcurrency = 40\n"),
        (
            "[queues.done]\n[names]\n[queues.makechallenge]\n[keys]\n",
            "[queues.done]\n\n[queues.issue]\nconcurrency = 40\n[names]\n[queues.makechallenge]\n[keys]\n",
        ),
        (
            "[queues.done]\ntimeout = '9s'\n",
            "[queues.done]\ntimeout = '9s'\n\n[queues.issue]\nconcurrency = 40\n",
        ),
    ],
)
def test_the_value_is_all_that_changes(text: str, expected: str) -> None:
    """However the file says it, comments and order stay."""
    assert expected == with_values(text, CONCURRENCY)


def test_the_whole_sample_keeps_its_comments() -> None:
    """config.toml as `init` writes it changes in one line."""
    before = (Path(__file__).parents[3] / "config.toml").read_text()
    after = with_values(before, {"queues.testchallenge.concurrency": 200})
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed == [("concurrency = 64", "concurrency = 200")]


def test_replacing_keeps_the_mode_and_follows_a_link(tmp_path: Path) -> None:
    """The file that is meant is replaced whole, and nothing is left beside it."""
    file, link = tmp_path / "real.toml", tmp_path / "config.toml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    replace(link, "new")
    assert (link.is_symlink(), file.read_text(), file.stat().st_mode & 0o777) == (True, "new", 0o640)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml", "real.toml"]


def test_replacing_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(Refused) as refused:
        replace(tmp_path / "config.toml", "new")
    assert refused.value.field == str(tmp_path / "config.toml")


def test_what_the_environment_overrides_is_not_written(tmp_path: Path) -> None:
    """The variable is named, and the file stays."""
    file = tmp_path / "config.toml"
    file.write_text("# mine\n")
    variable = "CA_SUPERVISOR__QUEUES__ISSUE__CONCURRENCY"
    with pytest.raises(Refused) as refused:
        edit(Invocation({variable: "2"}, lambda: 0.0, bytes), file, CONCURRENCY)
    assert (refused.value.field, file.read_text()) == (variable, "# mine\n")
    edit(Invocation({}, lambda: 0.0, bytes), file, CONCURRENCY)
    assert file.read_text() == "# mine\n\n[queues.issue]\nconcurrency = 40\n"
