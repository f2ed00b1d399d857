from pathlib import Path

import pytest

from stages.challenges.systemfiles import SystemFiles, parse_hosts, parse_resolv_conf


def test_resolv_conf_servers() -> None:
    """The first three usable servers count; without any it is this host."""
    servers = ("10.0.0.1", "fe80::1%eth0", "::1", "10.0.0.2", "10.0.0.3")
    text = "# x\n" + "".join(f"nameserver {server}\n" for server in servers)
    assert parse_resolv_conf(text) == ("10.0.0.1", "::1", "10.0.0.2")
    assert parse_resolv_conf("search example\n") == ("127.0.0.1",)


def test_hosts_lines() -> None:
    """Names are found in any case, comments and broken lines are passed over."""
    text = "127.0.0.1 localhost\n\n::1 localhost # x y\nbad line\n10.0.0.5 NAS nas.example\n"
    expected = {"localhost": ("127.0.0.1", "::1"), "nas": ("10.0.0.5",), "nas.example": ("10.0.0.5",)}
    assert parse_hosts(text) == expected


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """A change is seen at the next lookup; a file that is gone keeps what it said."""
    files = SystemFiles(tmp_path)
    assert files.servers() == (("127.0.0.1", 53),)
    (tmp_path / "hosts").write_text("10.0.0.5 nas\n")
    assert files.addresses("nas") == ("10.0.0.5",)
    (tmp_path / "hosts").write_text("10.0.0.60 nas\n")
    assert files.addresses("nas") == ("10.0.0.60",)
    (tmp_path / "hosts").unlink()
    assert files.addresses("nas") == ("10.0.0.60",)


@pytest.mark.parametrize("text", ["nameserver dns.example\n", "search a..b\nnameserver 10.0.0.2\n"])
def test_resolv_conf_broken_keeps_what_it_said(tmp_path: Path, text: str) -> None:
    """A file that cannot be parsed keeps what it said before."""
    files = SystemFiles(tmp_path)
    (tmp_path / "resolv.conf").write_text("nameserver 10.0.0.1\n")
    assert files.servers() == (("10.0.0.1", 53),)
    (tmp_path / "resolv.conf").write_text(text)
    assert files.servers() == (("10.0.0.1", 53),)
