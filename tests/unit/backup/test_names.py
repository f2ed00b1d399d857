"""What a member of a backup may be called."""

from __future__ import annotations

import pytest

from supervisor.backup.manifest import is_safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("config.toml", True),
        ("store/000001.msgpack", True),
        ("data/ca/root.pem", True),
        ("elsewhere/ca.key/x", True),
        ("config.toml/x", False),
        ("data/a\0b", False),
        ("data", False),
        ("data/..", False),
    ],
)
def test_names_of_members(name: str, safe: bool) -> None:  # noqa: FBT001  a table
    """Only what lies below a backup's own folders."""
    assert is_safe(name) is safe
