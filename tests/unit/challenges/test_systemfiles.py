from pathlib import Path

from stages.challenges.dialing import in_turn
from stages.challenges.evidence import printable
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


def test_in_turn_gives_both_families_a_try() -> None:
    """Three addresses at most, IPv6 first, families by turns."""
    assert in_turn(["::1", "::2", "::3", "1.1.1.1"]) == ["::1", "1.1.1.1", "::2"]
    assert in_turn(["1.1.1.1", "1.1.1.2"]) == ["1.1.1.1", "1.1.1.2"]


def test_printable_keeps_hostile_text_out() -> None:
    """Control characters and other scripts become question marks, and length is bounded."""
    assert printable("a\x1b[31m\n\u202eb") == "a?[31m??b"
    assert len(printable("x" * 1000)) == 400
