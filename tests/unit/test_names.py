"""What names are accepted, and as what."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import Refused
from stages.names import Name, parse_name, parse_names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a.example", Name("dns", "a.example", wildcard=False, base="a.example")),
        ("A.Example", Name("dns", "a.example", wildcard=False, base="a.example")),
        ("nas", Name("dns", "nas", wildcard=False, base="nas")),
        ("*.Example", Name("dns", "*.example", wildcard=True, base="example")),
        ("4u.example", Name("dns", "4u.example", wildcard=False, base="4u.example")),
        ("10.in-addr", Name("dns", "10.in-addr", wildcard=False, base="10.in-addr")),
        (
            "xn--bcher-kva.example",
            Name("dns", "xn--bcher-kva.example", wildcard=False, base="xn--bcher-kva.example"),
        ),
        (
            "a" * 63 + ".example",
            Name("dns", "a" * 63 + ".example", wildcard=False, base="a" * 63 + ".example"),
        ),
        ("10.0.0.1", Name("ip", "10.0.0.1", wildcard=False, base="10.0.0.1")),
        ("::1", Name("ip", "::1", wildcard=False, base="::1")),
        ("2001:db8::1:0:0:1", Name("ip", "2001:db8::1:0:0:1", wildcard=False, base="2001:db8::1:0:0:1")),
    ],
)
def test_parse_name_accepts(text: str, name: Name) -> None:
    """A good name becomes what stands in the certificate."""
    assert name == parse_name(text)


def test_parse_names_keeps_order_and_drops_duplicates() -> None:
    """Names are lower-cased before they are compared, and stay in the order asked for."""
    assert parse_names(["B.example", "a.example", "b.EXAMPLE", "::1"], 3) == ("b.example", "a.example", "::1")


@pytest.mark.parametrize(
    ("texts", "kind", "reason"),
    [
        ([], "malformed", "no name"),
        (["a.example", "b.example", "c.example"], "rejectedIdentifier", "3 names are given, at most 2"),
        (["a.example"] * 5, "rejectedIdentifier", "5 names are given, at most 2"),
    ],
)
def test_parse_names_refuses_numbers(texts: list[str], kind: str, reason: str) -> None:
    """No names, too many names and far too many repetitions are refused as a whole."""
    with pytest.raises(Refused, match=reason) as caught:
        parse_names(texts, 2)
    assert (kind, "names") == (caught.value.kind, caught.value.field)


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[-a-zA-Z0-9.*:x]{1,40}", fullmatch=True)))
def test_parse_name_is_idempotent_or_refuses(text: str) -> None:
    """Whatever comes in, the answer is a name that parses to itself, or a Refused."""
    try:
        name = parse_name(text)
    except Refused:
        return
    assert name == parse_name(name.value)


@given(st.ip_addresses())
def test_parse_name_accepts_canonical_addresses(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """An address in canonical text is never malformed."""
    try:
        assert str(address) == parse_name(str(address)).value
    except Refused as refused:
        assert refused.kind != "malformed"  # noqa: PT017  most examples raise nothing
