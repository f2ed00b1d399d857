import pytest

from supervisor.acme.accounts import counted_address


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
def test_counted_address(peer: str, expected: str) -> None:
    """An IPv4 address counts for itself, an IPv6 address for its /64."""
    assert expected == counted_address(peer)
