"""How durations, sizes, addresses and URLs are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.config import addresses, values


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (0, "0s"), (30, "30s"), (300, "5m"), (43_200, "12h"), (7_776_000, "90d"), (90, "90s")],
)
def test_duration_reads_and_prints(seconds: float, text: str) -> None:
    """A duration is read in seconds and printed with its largest unit."""
    assert (seconds, text) == (values.parse_duration(text), values.format_duration(seconds))


@pytest.mark.parametrize("value", [5, 1.5, True, "", "5", "s", "-1s", "1 s", "1w", "1h30m", "٣s", ["1s"], None])
def test_duration_refuses(value: object) -> None:
    """Whatever is no number with a unit is refused."""
    with pytest.raises(ValueError, match="duration"):
        values.parse_duration(value)


def test_duration_hints_at_the_unit() -> None:
    """A plain number is answered with the text that was probably meant."""
    with pytest.raises(ValueError, match='such as "30s"'):
        values.parse_duration(30)


def test_span_refuses_parts_of_a_second() -> None:
    """What is compared with unix time is in whole seconds."""
    with pytest.raises(ValueError, match="whole number of seconds"):
        values.parse_span("1500ms")


@given(st.integers(0, 10**9))
def test_duration_survives_printing(milliseconds: int) -> None:
    """What is printed is read back as the same duration."""
    assert milliseconds == round(values.parse_duration(values.format_duration(milliseconds / 1000)) * 1000)


@given(st.integers(0, 2**29))
def test_size_survives_printing(size: int) -> None:
    """What is printed is read back as the same size."""
    assert size == values.parse_size(values.format_size(size))


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (512, "512B"), (20_480, "20KiB"), (1 << 20, "1MiB")])
def test_size_reads_and_prints(size: int, text: str) -> None:
    """A size is read in bytes and printed with its largest unit."""
    assert (size, text) == (values.parse_size(text), values.format_size(size))


@pytest.mark.parametrize("value", [4096, "4096", "4KB", "4 KiB", "", None])
def test_size_refuses(value: object) -> None:
    """Whatever is no number with a binary unit is refused."""
    with pytest.raises(ValueError, match="must be a size"):
        values.parse_size(value)


@pytest.mark.parametrize(
    ("check", "text", "reason"),
    [
        (values.check_network, "10.0.0.1/8", 'has host bits set; write "10.0.0.0/8"'),
        (values.check_network, "ten", "must be an address or a CIDR"),
        (values.check_reach, "lan", "one of private, loopback, public"),
        (values.check_domain, "*.example.org", "must be a DNS name"),
        (values.check_domain, "exa mple", "must be a DNS name"),
        (addresses.check_listen, "8470", "must be empty, an address and port"),
        (addresses.check_listen, "127.0.0.1:70000", "must be empty, an address and port"),
        (addresses.check_listen, "::1:8470", "must be empty, an address and port"),
        (addresses.check_listen, "127.0.0.1:1,127.0.0.1:2", "must be empty, an address and port"),
        (addresses.check_listen, "unix:run/admin.sock", "must be empty, an address and port"),
        (addresses.check_listen, "unix:", "must be empty, an address and port"),
        (addresses.check_listen, "unix:/" + "a" * 107, "more than 107 bytes"),
        (addresses.check_listens, "unix:/run/acme.sock", "must be empty or addresses and ports"),
        (values.check_resolver, "dns.example.org", 'must be "system"'),
        (values.check_resolver, "10.0.0.53:0", "must have a port"),
        (values.check_store_url, "http://localhost", 'must be "embedded"'),
        (values.check_store_url, "redis://localhost:70000", 'must be "embedded"'),
        (values.check_store_url, "redis:///0", "must name a host"),
        (values.check_store_url, "unix://valkey.sock", "must name an absolute socket path"),
        (values.check_web_url, "ftp://example.org", "absolute http"),
        (values.check_web_url, "http://example.org/a b", "absolute http"),
        (values.check_prefix, "a b", "printable ASCII"),
        (values.check_prefix, "{}:", "must enclose a hash tag"),
    ],
)  # fmt: skip
def test_text_is_refused(check: object, text: str, reason: str) -> None:
    """Each check names what it wants."""
    assert callable(check)
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        check(text)


@pytest.mark.parametrize(
    ("check", "expected", "text"),
    [
        (values.check_network, "10.0.0.0/8", "10.0.0.0/8"),
        (values.check_network, "192.0.2.1/32", "192.0.2.1"),
        (values.check_reach, "loopback", "loopback"),
        (values.check_reach, "fd00::/8", "fd00::/8"),
        (values.check_domain, "example.org", ".Example.org"),
        (addresses.check_listen, "[::1]:8470", "[::1]:8470"),
        (addresses.check_listen, "localhost:8470", "localhost:8470"),
        (addresses.check_listen, "0.0.0.0:8470", "0.0.0.0:8470"),
        (addresses.check_listen, "unix:/run/admin.sock", "unix:/run/admin.sock"),
        (values.check_resolver, "10.0.0.53,[fd00::53]:5353", "10.0.0.53,[fd00::53]:5353"),
        (values.check_store_url, "unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        (values.check_store_url, "rediss://store.example:6380/1", "rediss://store.example:6380/1"),
        (values.check_web_url, "http://ca.example/crl.pem", "http://ca.example/crl.pem"),
        (values.check_prefix, "{ca}:", "{ca}:"),
    ],
)
def test_text_is_taken(check: object, expected: str, text: str) -> None:
    """Each check gives the canonical text."""
    assert callable(check)
    assert expected == check(text)


@pytest.mark.parametrize(
    ("expected", "url"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://:[hidden]@h:1/0", "redis://:hunter2@h:1/0"),
        ("redis://u:[hidden]@h", "redis://u:a:b@c@h"),
        ("unix:///s?db=1&password=[hidden]", "unix:///s?db=1&password=hunter2"),
    ],
)
def test_password_in_url_is_hidden(expected: str, url: str) -> None:
    """Neither place in which a URL can have a password shows it."""
    assert expected == values.hide_password(url)
