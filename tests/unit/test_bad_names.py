"""Every way that a name can be bad, and its one clear error."""

from __future__ import annotations

import pytest

from stages.errors import Refused
from stages.names import parse_names

MALFORMED, REJECTED, UNSUPPORTED = "malformed", "rejectedIdentifier", "unsupportedIdentifier"

BAD: list[tuple[str, str, str]] = [
    # the name, the kind of the error, a part of its reason
    ("", MALFORMED, "empty"),
    (" ", MALFORMED, "letters, digits and inner hyphens"),
    ("a b.example", MALFORMED, "letters, digits and inner hyphens"),
    (".", MALFORMED, "not four decimal bytes"),
    ("..", MALFORMED, "not four decimal bytes"),
    (".example", MALFORMED, "empty label"),
    ("a..example", MALFORMED, "empty label"),
    ("a.example.", MALFORMED, "ends in a dot"),
    ("a.example..", MALFORMED, "ends in a dot"),
    ("-a.example", MALFORMED, "inner hyphens"),
    ("a-.example", MALFORMED, "inner hyphens"),
    ("a_b.example", MALFORMED, "letters, digits"),
    ("_acme-challenge.a.example", MALFORMED, "letters, digits"),
    ("a,b.example", MALFORMED, "letters, digits"),
    ("a!.example", MALFORMED, "letters, digits"),
    ("a.example\x00", MALFORMED, "control character"),
    ("a.\x00example", MALFORMED, "control character"),
    ("a.example\n", MALFORMED, "control character"),
    ("a\t.example", MALFORMED, "control character"),
    ("\x7f.example", MALFORMED, "control character"),
    ("b\u00fccher.example", MALFORMED, "not ASCII"),
    ("a\u3002example", MALFORMED, "not ASCII"),
    ("a\u200b.example", MALFORMED, "not ASCII"),
    ("\u0130.example", MALFORMED, "not ASCII"),
    ("a" * 64 + ".example", MALFORMED, "longer than 63"),
    ("a." * 126 + "bb", MALFORMED, "longer than 253"),
    ("xn--.example", MALFORMED, "inner hyphens"),
    ("xn--a.example", MALFORMED, "no A-label"),
    ("xn--ls8h.example", MALFORMED, "no A-label"),
    ("xn--zz--zz.example", MALFORMED, "no A-label"),
    ("ab--c.example", MALFORMED, "third and fourth place"),
    ("*", MALFORMED, "at least one label below"),
    ("*.", MALFORMED, "at least one label below"),
    ("**.example", MALFORMED, "whole leftmost label"),
    ("a.*.example", MALFORMED, "whole leftmost label"),
    ("*.*.example", MALFORMED, "whole leftmost label"),
    ("a*.example", MALFORMED, "whole leftmost label"),
    ("*a.example", MALFORMED, "whole leftmost label"),
    ("example.*", MALFORMED, "whole leftmost label"),
    ("*.10", MALFORMED, "read as an address"),
    ("a.123", MALFORMED, "read as an address"),
    ("a.0x7f", MALFORMED, "read as an address"),
    ("0x7f000001", MALFORMED, "read as an address"),
    ("1", MALFORMED, "not four decimal bytes"),
    ("10.0.0", MALFORMED, "not four decimal bytes"),
    ("10.0.0.256", MALFORMED, "not four decimal bytes"),
    ("10.0.0.01", MALFORMED, "not four decimal bytes"),
    ("10.0.0.1.", MALFORMED, "not four decimal bytes"),
    ("a.example:443", MALFORMED, "no port"),
    ("10.0.0.1:80", MALFORMED, "no port"),
    ("[::1]", MALFORMED, "no brackets"),
    ("2001:DB8::1", MALFORMED, "which is 2001:db8::1"),
    ("2001:db8:0:0:0:0:0:1", MALFORMED, "which is 2001:db8::1"),
    ("2001:0db8::1", MALFORMED, "which is 2001:db8::1"),
    (":::", MALFORMED, "not an IPv6 address"),
    ("fe80::1%eth0", UNSUPPORTED, "zone id"),
    ("::ffff:10.0.0.1", UNSUPPORTED, "IPv4-mapped"),
    ("::ffff:a00:1", UNSUPPORTED, "IPv4-mapped"),
    ("https://a.example", UNSUPPORTED, "URL"),
    ("me@a.example", UNSUPPORTED, "e-mail"),
    ("10.0.0.0/8", UNSUPPORTED, "network or a path"),
    ("a.example/path", UNSUPPORTED, "network or a path"),
    ("0.0.0.0", REJECTED, "no host"),  # noqa: S104  a name, not a binding
    ("::", REJECTED, "no host"),
    ("224.0.0.1", REJECTED, "no host"),
    ("ff02::1", REJECTED, "no host"),
    ("255.255.255.255", REJECTED, "no host"),
]


@pytest.mark.parametrize(("text", "kind", "reason"), BAD)
def test_parse_names_refuses(text: str, kind: str, reason: str) -> None:
    """A bad name among good ones gets one error, which says which one, and carries none of its bytes."""
    with pytest.raises(Refused) as caught:
        parse_names(["a.example", "b.example", text], 10)
    assert (kind, "names[2]") == (caught.value.kind, caught.value.field)
    assert reason in caught.value.reason
    assert caught.value.reason.isascii()
    assert caught.value.reason.isprintable()


def test_table_is_large_enough() -> None:
    """The table holds what the project promises: at least forty bad names."""
    assert len(BAD) >= 40
