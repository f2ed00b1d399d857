"""Whom a limit for addresses counts, with proxies and without."""

from __future__ import annotations

import pytest

from supervisor.acme.counting import counted

PROXIES = ("10.0.0.1/32", "10.0.1.0/24", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
    ],
)
def test_address_that_is_counted(peer: str, expected: str) -> None:
    """An IPv4 address counts for itself, an IPv6 address for its /64; where nobody is trusted no header counts."""
    assert expected == counted(peer)
    assert expected == counted(peer, "198.51.100.1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1,192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.1, 10.0.1.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.1, 10.0.1.7, 10.0.1.8", "192.0.2.1"),
        ("10.0.0.1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, ::ffff:10.0.1.7", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("fd00::1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "not an address, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.1.7, 10.0.1.8", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, ", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1, , 10.0.1.7", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1:4711", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::1]", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.0/24", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1 198.51.100.1", "10.0.0.1"),
        ("fd00:1::1", "unknown", "fd00:1::/64"),
        ("10.0.0.2", "192.0.2.1", "10.0.0.2"),
        ("192.0.2.7", "192.0.2.1, 10.0.0.1", "192.0.2.7"),
        ("", "192.0.2.1", "unknown"),
    ],
)
def test_address_behind_proxies(peer: str, forwarded: str, expected: str) -> None:
    """The last address that is no trusted proxy's; the peer where it is no proxy, or its header is of no use."""
    assert expected == counted(peer, forwarded, PROXIES)
