import asyncio
import socket
import struct
from ipaddress import IPv6Address
from pathlib import Path

import anyio
import msgspec
import pytest

from stages.challenges import ValidationSettings, Validators
from stages.challenges.caa import CaaRecord
from stages.challenges.dialing import is_local
from stages.session import ChallengeType, Hop
from tests.e2e.challenges.certificates import make_certificate
from tests.e2e.challenges.peers import (
    NOW,
    OK,
    Answer,
    Peer,
    Zone,
    moved,
    nameserver,
    seen,
    server_context,
    silence,
    trickle,
    validate,
    web,
)

pytestmark = pytest.mark.anyio

PATH = "/.well-known/acme-challenge/tok"
LOCAL = ValidationSettings(allow=("loopback",), resolver_timeout=0.4, timeout=5)


def at(peer: Peer, **changes: object) -> ValidationSettings:
    return msgspec.structs.replace(LOCAL, http_port=peer.port, **changes)


async def test_http01_proof_at_an_address() -> None:
    """An address needs no lookup; the record holds the one hop and the clock's time."""
    async with web(lambda _path, _peer: OK) as peer:
        record = await validate(at(peer))
    assert record.ok
    assert (record.at, record.error, record.lasting) == (1_800_000_000, None, False)
    assert record.hops == (Hop(f"http://127.0.0.1:{peer.port}", ("127.0.0.1",), "127.0.0.1", "status 200"),)
    assert peer.asked == [f"127.0.0.1:{peer.port}{PATH}"]


async def test_http01_proof_at_a_name() -> None:
    """A name is looked up, and goes into the Host header."""
    async with web(lambda _path, _peer: OK) as peer, nameserver({("a.example.", "A"): ["127.0.0.1"]}) as dns:
        record = await validate(at(peer, resolver=f"127.0.0.1:{dns.port}"), "a.example")
    assert record.ok
    assert peer.asked == [f"a.example:{peer.port}{PATH}"]
    assert sorted(dns.asked) == ["a.example. A", "a.example. AAAA"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntok\r\n6\r\n.thumb\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\ntok.thumb \t\r\n\n",
    ],
)
async def test_http01_body_forms(answer: bytes) -> None:
    """Chunks, the end of the stream and trailing whitespace make no difference."""
    async with web(lambda _path, _peer: answer) as peer:
        assert (await validate(at(peer))).ok


async def test_http01_over_ipv6() -> None:
    """An IPv6 address stands in brackets in the Host header."""
    async with web(lambda _path, _peer: OK, host="::1") as peer:
        assert (await validate(at(peer), "::1")).ok
    assert peer.asked == [f"[::1]:{peer.port}{PATH}"]


@pytest.mark.parametrize(
    ("answer", "kind", "detail", "lasting"),
    [
        (
            b"HTTP/1.1 404 \x1b[31mNo\r\n\r\n",
            "incorrectResponse",
            "expected status 200, saw 404 {where}",
            True,
        ),
        (b"HTTP/1.1 503 No\r\n\r\n", "incorrectResponse", "expected status 200, saw 503 {where}", False),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "incorrectResponse",
            "expected the key authorization as the body, saw 3 bytes, SHA-256 ba7816bf8f01cfea..., {where}",
            True,
        ),
        (
            b"\x00\xff\x1b]0;x\x07" * 10,
            "incorrectResponse",
            "the response {where} is refused: what came is not an HTTP response",
            True,
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5000,
            "incorrectResponse",
            "the response {where} is refused: its body is longer than 4096 bytes",
            True,
        ),
        (
            b"",
            "connection",
            "the response {where} is refused: the connection was closed before a response",
            False,
        ),
        (
            moved("http://x.example/\xff"),
            "incorrectResponse",
            "the redirect {where} is not followed: its Location is empty or not printable ASCII",
            True,
        ),
        (
            moved(PATH),
            "incorrectResponse",
            "the redirect {where} is not followed: it leads back to where it came from",
            True,
        ),
        (
            moved("http://127.0.0.1:6379/"),
            "incorrectResponse",
            "the redirect {where} is not followed: its Location names port 6379, which is not allowed",
            True,
        ),
        (moved("/", 304), "incorrectResponse", "expected status 200, saw 304 {where}", True),
    ],
)
async def test_http01_no_proof(answer: bytes, kind: str, detail: str, *, lasting: bool) -> None:
    """Each wrong answer has its own precise error, without any of its bytes."""
    async with web(lambda _path, _peer: answer) as peer:
        record = await validate(at(peer))
    expected = detail.format(where=f"from 127.0.0.1 at http://127.0.0.1:{peer.port}")
    assert seen(record) == (kind, expected, lasting)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_http01_redirect_followed(status: int) -> None:
    """Each redirect status is followed, and each hop is on record."""

    def answer(path: str, _peer: Peer) -> Answer:
        return moved("/there?x=1", status) if path == PATH else OK

    async with web(answer) as peer:
        record = await validate(at(peer))
    assert record.ok
    assert [hop.seen for hop in record.hops] == [f"status {status}", "status 200"]
    assert peer.asked[1] == f"127.0.0.1:{peer.port}/there?x=1"


@pytest.mark.parametrize(("count", "ok"), [(10, True), (11, False)])
async def test_http01_redirect_count(count: int, *, ok: bool) -> None:
    """Ten redirects are followed, an eleventh is not."""

    def answer(_path: str, peer: Peer) -> Answer:
        return OK if len(peer.asked) > count else moved(f"/{len(peer.asked)}")

    async with web(answer) as peer:
        record = await validate(at(peer))
    assert record.ok == ok
    assert len(peer.asked) == 11
    if not ok:
        where = f"from 127.0.0.1 at http://127.0.0.1:{peer.port}"
        assert seen(record) == ("incorrectResponse", f"more than 10 redirects, the last one {where}", True)


MAPPED = str(IPv6Address("::ffff:127.0.0.1"))
"""As this Python writes it: from 3.13 on with the IPv4 address in it (RFC 5952 5)."""


@pytest.mark.parametrize(
    ("host", "shown", "why"),
    [
        ("127.0.0.1", "127.0.0.1", "it is loopback, and validation.allow does not name it"),
        ("[::ffff:127.0.0.1]", f"[{MAPPED}]", "it is loopback, and validation.allow does not name it"),
        ("169.254.169.254", "169.254.169.254", "it is link-local"),
        ("0.0.0.0", "0.0.0.0", "it is unspecified"),  # noqa: S104  judged, not bound
        ("[::]", "[::]", "it is unspecified"),
        ("[fe80::1]", "[fe80::1]", "it is link-local"),
        ("10.0.0.1", "10.0.0.1", "it is private, and validation.allow does not name it"),
    ],
)
async def test_http01_redirect_to_refused_address(host: str, shown: str, why: str) -> None:
    """A redirect does not get past the address policy."""
    async with web(lambda _path, peer: moved(f"http://{host}:{peer.port}/"), host="::1") as peer:
        settings = at(peer, allow=("::1/128",))
        record = await validate(settings, "::1")
    assert seen(record) == ("connection", f"{shown}:{peer.port} must not be dialled: {why}", True)
    assert len(peer.asked) == 1


GUARDED = [
    ("A", "127.0.0.1", "it is loopback, and validation.allow does not name it"),
    ("A", "169.254.169.254", "it is link-local"),
    ("A", "0.0.0.0", "it is unspecified"),  # noqa: S104  judged, not bound
    ("AAAA", "::1", "it is loopback, and validation.allow does not name it"),
    ("AAAA", "::ffff:127.0.0.1", "it is loopback, and validation.allow does not name it"),
    ("AAAA", "64:ff9b::7f00:1", "it carries 127.0.0.1: it is loopback, and validation.allow does not name it"),
    ("AAAA", "fe80::1", "it is link-local"),
]


@pytest.mark.parametrize("kind", [ChallengeType.HTTP_01, ChallengeType.TLS_ALPN_01])
@pytest.mark.parametrize("through", ["name", "address"])
@pytest.mark.parametrize(("family", "address", "why"), GUARDED)
async def test_guard(kind: ChallengeType, through: str, family: str, address: str, why: str) -> None:
    """By default no name or address leads to this host or a metadata service, in whatever form it is written."""
    zone: Zone = {("a.example.", family): [address]}
    async with web(lambda _path, _peer: OK) as peer, nameserver(zone) as dns:
        settings = ValidationSettings(
            http_port=peer.port, tls_port=peer.port, resolver=f"127.0.0.1:{dns.port}", timeout=5
        )
        record = await validate(settings, "a.example" if through == "name" else address, kind)
    _, detail, lasting = seen(record)
    assert (detail.endswith(f" must not be dialled: {why}"), lasting) == (True, True)
    assert peer.asked == []
    assert [hop.used for hop in record.hops] == [""]


@pytest.mark.parametrize(
    ("allow", "deny", "ok"),
    [
        (("127.0.0.0/8",), (), True),
        (("loopback",), ("127.0.0.1/32",), False),
        (("private", "public"), (), False),
        (("loopback", "::ffff:0:0/96"), ("127.0.0.0/8",), False),
    ],
)
async def test_guard_is_a_setting(allow: tuple[str, ...], deny: tuple[str, ...], *, ok: bool) -> None:
    """validation.allow and validation.deny say what is reached; deny wins."""
    async with web(lambda _path, _peer: OK) as peer:
        record = await validate(at(peer, allow=allow, deny=deny))
    assert (record.ok, len(peer.asked)) == (ok, int(ok))


async def test_guard_leaves_the_allowed_addresses_of_a_name() -> None:
    """One address that is refused does not cost the name the other; both are on record."""
    zone: Zone = {("a.example.", "A"): ["169.254.169.254", "127.0.0.1"]}
    async with web(lambda _path, _peer: OK) as peer, nameserver(zone) as dns:
        record = await validate(at(peer, resolver=f"127.0.0.1:{dns.port}"), "a.example")
    assert record.ok
    assert [(hop.used, hop.seen) for hop in record.hops] == [
        ("", "169.254.169.254 is not dialled: it is link-local"),
        ("127.0.0.1", "status 200"),
    ]


async def test_http01_redirect_to_a_name_that_points_inside() -> None:
    """A redirect's name is looked up and judged as the first one was."""
    zone: Zone = {("inside.example.", "A"): ["127.0.0.1"]}
    async with (
        web(lambda _path, peer: moved(f"http://inside.example:{peer.port}/"), host="::1") as peer,
        nameserver(zone) as dns,
    ):
        record = await validate(at(peer, allow=("::1/128",), resolver=f"127.0.0.1:{dns.port}"), "::1")
    why = "127.0.0.1:{} must not be dialled: it is loopback, and validation.allow does not name it"
    assert seen(record) == ("connection", why.format(peer.port), True)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("port", [1, 22, 81, 444, 6379, 8080, 8443])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_http01_redirect_to_another_port(scheme: str, port: int) -> None:
    """Redirects lead to ports 80 and 443, and to those of the settings, and nowhere else."""
    async with web(lambda _path, _peer: moved(f"{scheme}://127.0.0.1:{port}/")) as peer:
        record = await validate(at(peer))
    assert seen(record)[1].endswith(f" is not followed: its Location names port {port}, which is not allowed")
    assert len(record.hops) == 1


@pytest.mark.parametrize(("length", "ok"), [(4096 - 9, True), (4096 - 8, False)])
async def test_http01_body_cap(length: int, *, ok: bool) -> None:
    """White space up to the cap is read and passed over; one byte more is not read."""
    body = b"tok.thumb" + b"\n" * length
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with web(lambda _path, _peer: answer) as peer:
        assert (await validate(at(peer))).ok == ok


@pytest.mark.parametrize("body", [b" tok.thumb", b"tok.thumb\0", b"TOK.thumb", b"tok.thumbtok.thumb", b"tok", b""])
async def test_http01_body_is_exact(body: bytes) -> None:
    """Only white space at the end is passed over (RFC 8555 8.3)."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with web(lambda _path, _peer: answer) as peer:
        assert seen(await validate(at(peer)))[0] == "incorrectResponse"


async def test_http01_redirect_to_https(tmp_path: Path) -> None:
    """An https redirect is followed although nobody vouches for its certificate."""
    tls = server_context(tmp_path, *make_certificate(), [])
    async with (
        web(lambda _path, _peer: OK, tls) as secure,
        web(lambda _path, _peer: moved(f"https://127.0.0.1:{secure.port}/x")) as peer,
    ):
        record = await validate(at(peer, https_port=secure.port))
    assert record.ok
    assert secure.asked == [f"127.0.0.1:{secure.port}/x"]


async def test_http01_redirect_to_https_without_tls() -> None:
    """An https server that speaks no TLS is a TLS error."""
    async with web(lambda _path, peer: moved(f"https://127.0.0.1:{peer.port}/x")) as peer:
        record = await validate(at(peer, timeout=0.3))
    assert seen(record)[0] == "tls"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])  # noqa: S104  judged, not bound
async def test_http01_own_listener_refused(host: str) -> None:
    """The CA does not ask itself, although loopback is allowed."""
    async with web(lambda _path, _peer: OK) as peer:
        record = await validate(at(peer, own=((host, peer.port),)))
    expected = f"127.0.0.1:{peer.port} must not be dialled: it is a listener of this CA"
    assert seen(record) == ("connection", expected, True)
    assert peer.asked == []


class Rebinding:
    """A resolver whose answer changes with each question."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    async def addresses(self, _name: str) -> tuple[str, ...]:
        """The next answer."""
        return self.answers.pop(0)

    async def texts(self, _name: str) -> tuple[bytes, ...]:
        """Never asked."""
        return ()

    async def caa(self, _name: str) -> tuple[CaaRecord, ...]:
        """Never asked."""
        return ()


async def test_http01_rebinding_gains_nothing() -> None:
    """The judged address is the dialled one; a redirect to the same name is looked up and judged anew."""
    async with web(lambda _path, _peer: moved("/again"), host="::1") as peer:
        settings = at(peer, allow=("::1/128",))
        validators = Validators(settings, Rebinding(("::1",), ("127.0.0.1",)), lambda: NOW)
        record = await validators.validate(ChallengeType.HTTP_01, "a.example", "tok", "tok.thumb")
    assert [(hop.addresses, hop.used) for hop in record.hops] == [(("::1",), "::1"), (("127.0.0.1",), "")]
    assert seen(record)[0] == "connection"


async def test_http01_falls_back_to_ipv4() -> None:
    """When the IPv6 address refuses, IPv4 is tried, and both are on record."""
    zone: Zone = {
        ("a.example.", "A"): ["127.0.0.1"],
        ("a.example.", "AAAA"): ["::1"],
    }
    async with web(lambda _path, _peer: OK) as peer, nameserver(zone) as dns:
        record = await validate(at(peer, resolver=f"127.0.0.1:{dns.port}"), "a.example")
    assert [(hop.used, hop.seen) for hop in record.hops] == [
        ("::1", "connection refused"),
        ("127.0.0.1", "status 200"),
    ]


async def test_http01_connection_refused() -> None:
    """Nobody listens: a passing fault."""
    async with web(lambda _path, _peer: OK) as peer:
        pass
    expected = f"cannot connect to 127.0.0.1:{peer.port}: connection refused"
    assert seen(await validate(at(peer))) == ("connection", expected, False)


async def test_http01_no_such_name() -> None:
    """A name that does not exist is a lasting DNS error, and on record."""
    async with nameserver({}) as dns:
        record = await validate(msgspec.structs.replace(LOCAL, resolver=f"127.0.0.1:{dns.port}"), "a.example")
    expected = "DNS says that a.example does not exist (NXDOMAIN)"
    assert seen(record) == ("dns", expected, True)
    assert record.hops == (Hop("http://a.example", seen=expected),)


async def test_http01_reset_while_reading() -> None:
    """A connection that is reset is a passing fault."""

    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with web(lambda _path, _peer: reset) as peer:
        record = await validate(at(peer))
    where = f"from 127.0.0.1 at http://127.0.0.1:{peer.port}"
    expected = f"the response {where} could not be read: connection reset"
    assert seen(record) == ("connection", expected, False)


@pytest.mark.parametrize(("address", "expected"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
def test_is_local(address: str, *, expected: bool) -> None:
    """Only this host's addresses are local."""
    assert is_local(address) == expected


@pytest.mark.parametrize("answer", [silence, trickle])
async def test_http01_deadline(answer: Answer) -> None:
    """A server that never ends is left at the deadline, and the error says what was being done."""
    async with web(lambda _path, _peer: answer) as peer:
        record = await validate(at(peer, timeout=0.3))
    where = f"from 127.0.0.1 at http://127.0.0.1:{peer.port}"
    expected = f"timed out after 0.3 s while reading the response {where}"
    assert seen(record) == ("connection", expected, False)
    assert record.took < 2000
    assert record.hops[-1].seen == expected


async def test_http01_cancellation_passes_through() -> None:
    """A caller that gives up is obeyed at once."""
    async with web(lambda _path, _peer: silence) as peer:
        with anyio.move_on_after(0.1) as scope:
            await validate(at(peer))
    assert scope.cancelled_caught


@pytest.mark.parametrize("name", ["*.a.example", "a b", "\x1b[31m"])
async def test_http01_name_that_it_cannot_prove(name: str) -> None:
    """Wildcards and what is no name are refused without a connection."""
    expected = "http-01 proves DNS names and IP addresses, no wildcards"
    assert seen(await validate(LOCAL, name)) == ("malformed", expected, True)


@pytest.mark.parametrize("kind", [ChallengeType.DVSNI, ChallengeType.EMAIL, ChallengeType.PAYMENT])
async def test_validate_types_of_2012(kind: ChallengeType) -> None:
    """The three types that are no longer tested are refused."""
    expected = f"challenges of the type {kind.label} are not tested"
    assert seen(await validate(LOCAL, "a.example", kind)) == ("malformed", expected, True)


async def test_reload_takes_effect_at_the_next_attempt() -> None:
    """New settings are used at once."""
    async with web(lambda _path, _peer: OK) as peer:
        validators = Validators(at(peer), None, lambda: NOW)
        validators.reload(at(peer, allow=()))
        record = await validators.validate(ChallengeType.HTTP_01, "127.0.0.1", "tok", "tok.thumb")
    assert seen(record)[0] == "connection"
