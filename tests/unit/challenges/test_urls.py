from ipaddress import IPv6Address

import pytest

from stages.challenges.names import canonical_host
from stages.challenges.urls import BadRedirect, Url, first_url, redirected

MAPPED = str(IPv6Address("::ffff:127.0.0.1"))
"""As this Python writes it: from 3.13 on with the IPv4 address in it (RFC 5952 5)."""
BASE = Url("http", "a.example", 80, "/.well-known/acme-challenge/t")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A.Example.", "a.example"),
        ("_x.a-b.example", "_x.a-b.example"),
        ("nas", "nas"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::FFFF:1]", "::ffff:1"),
        ("::1", "::1"),
        ("[127.0.0.1]", None),
        ("127.1", None),
        ("2130706433", None),
        ("0x7f.0x1", None),
        ("fe80::1%eth0", None),
        ("*.a.example", None),
        ("-a.example", None),
        ("a..b", None),
        ("", None),
        ("a" * 64, None),
        ("\u00e4.example", None),
        ("a\n", None),
    ],
)
def test_canonical_host(text: str, expected: str | None) -> None:
    """A host is a DNS name or an address, and nothing that merely looks like one."""
    assert canonical_host(text) == expected


@pytest.mark.parametrize(
    ("host", "port", "authority"),
    [("a.example", 80, "a.example"), ("::1", 80, "[::1]"), ("::1", 5002, "[::1]:5002")],
)
def test_first_url_request(host: str, port: int, authority: str) -> None:
    """The request asks for the well-known path, and its Host header follows RFC 9110."""
    lines = first_url(host, port, "tok").request.split(b"\r\n")
    assert lines[0] == b"GET /.well-known/acme-challenge/tok HTTP/1.1"
    assert lines[1] == f"Host: {authority}".encode()
    assert lines[-2:] == [b"", b""]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (b"https://b.example/x?y=1", Url("https", "b.example", 443, "/x?y=1")),
        (b"http://b.example", Url("http", "b.example", 80, "/")),
        (b"//b.example:5002/x", Url("http", "b.example", 5002, "/x")),
        (b"/x", Url("http", "a.example", 80, "/x")),
        (b"t2", Url("http", "a.example", 80, "/.well-known/acme-challenge/t2")),
        (b"http://[::1]/x", Url("http", "::1", 80, "/x")),
        (b"http://[::ffff:127.0.0.1]/", Url("http", MAPPED, 80, "/")),
    ],
)
def test_redirected(location: bytes, expected: Url) -> None:
    """A Location, relative or not, leads to a checked URL."""
    assert redirected(BASE, [location], (5002,)) == expected


@pytest.mark.parametrize(
    ("locations", "reason"),
    [
        ([], "it has 0 Location headers"),
        ([b"/a", b"/b"], "it has 2 Location headers"),
        ([b""], "its Location is empty or not printable ASCII"),
        ([b"/a b"], "its Location is empty or not printable ASCII"),
        ([b"/\x1b[31m"], "its Location is empty or not printable ASCII"),
        ([b"/\xff"], "its Location is empty or not printable ASCII"),
        ([b"/" * 2049], "its Location is longer than 2048 bytes"),
        ([b"http://[::1/"], "its Location is no URL"),
        ([b"http://b.example:99999/"], "its Location is no URL"),
        ([b"ftp://b.example/"], "its Location is neither http nor https"),
        ([b"gopher:6379"], "its Location is neither http nor https"),
        ([b"http://u:p@b.example/"], "its Location has user information"),
        ([b"http://@b.example/"], "its Location has user information"),
        ([b"http://b.example/#f"], "its Location has a fragment"),
        ([b"http://127.1/"], "its Location names no host that is a DNS name or an address"),
        ([b"https:///x"], "its Location names no host that is a DNS name or an address"),
        ([b"http://[fe80::1%25eth0]/"], "its Location names no host that is a DNS name or an address"),
        ([b"http://b.example:6379/"], "its Location names port 6379, which is not allowed"),
    ],
)
def test_redirected_refused(locations: list[bytes], reason: str) -> None:
    """What is not followed is refused with a reason that holds none of its bytes."""
    with pytest.raises(BadRedirect) as caught:
        redirected(BASE, locations, (5002,))
    assert str(caught.value) == reason
