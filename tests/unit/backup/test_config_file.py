"""A restored config file: another data_dir, and nothing else is touched."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from stages.errors import Refused
from supervisor.backup.config_file import with_data_dir

OURS = (Path(__file__).parents[3] / "config.toml").read_bytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'data_dir = "/var/lib/ca"  # here\n[store]\nprefix = "x"\n', b'data_dir = "data"\n[store]\nprefix = "x"\n'),
        (b'# data_dir = "no"\n data_dir="x"\n', b'# data_dir = "no"\ndata_dir = "data"\n'),
        (b"[store]\n", b'data_dir = "data"\n[store]\n'),
        (b"", b'data_dir = "data"\n'),
    ],
)
def test_data_dir_is_changed(text: bytes, expected: bytes) -> None:
    """Where it stands, or at the head of a file that does not name it."""
    assert with_data_dir(text, "data", "FILE") == expected


def test_every_other_setting_stays() -> None:
    """In the file that the program comes with."""
    before, after = (tomllib.loads(text.decode()) for text in (OURS, with_data_dir(OURS, "elsewhere", "FILE")))
    assert {**before, "data_dir": "elsewhere"} == after


@pytest.mark.parametrize("text", [b'data_dir = """\nx"""\n', b'"data_dir" = "x"\n', b'a = """\ndata_dir = "x"\n"""\n'])
def test_what_is_written_in_a_strange_way_is_refused(text: bytes) -> None:
    """Rather than to change something else."""
    with pytest.raises(Refused, match=r"data_dir cannot be changed|is not TOML"):
        with_data_dir(text, "data", "FILE")
