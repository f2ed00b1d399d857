import asyncio
import ipaddress
import ssl
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stages.challenges import ValidationSettings
from stages.challenges.settings import make_tools
from stages.session import ChallengeType
from tests.e2e.challenges.certificates import ADDRESS, DIGEST, NAME, make_certificate
from tests.e2e.challenges.peers import Peer, Zone, nameserver, seen, server_context, silence, validate, web

pytestmark = pytest.mark.anyio

LOCAL = ValidationSettings(allow=("loopback",), resolver_timeout=0.4, timeout=5)


def at(peer: Peer, **changes: object) -> ValidationSettings:
    return msgspec.structs.replace(LOCAL, tls_port=peer.port, **changes)


def server_names(context: ssl.SSLContext) -> list[str | None]:
    """The SNI values that a server will have seen."""
    found: list[str | None] = []
    context.sni_callback = lambda _tls, name, _context: found.append(name)
    return found


async def test_tlsalpn01_proof_for_an_address(tmp_path: Path) -> None:
    """For an address the SNI is its reverse name and the SAN is the address (RFC 8738)."""
    context = server_context(tmp_path, *make_certificate(), ["acme-tls/1"])
    names = server_names(context)
    async with web(lambda _path, _peer: b"", context) as peer:
        record = await validate(at(peer), "127.0.0.1", ChallengeType.TLS_ALPN_01)
    assert record.ok
    assert names == ["1.0.0.127.in-addr.arpa"]
    assert record.hops[0].seen == "the certificate with the digest"


async def test_tlsalpn01_proof_for_an_ipv6_address(tmp_path: Path) -> None:
    """The reverse name of IPv6 has a label for each half byte (RFC 8738 6, RFC 3596 2.5)."""
    address = x509.IPAddress(ipaddress.ip_address("::1"))
    context = server_context(tmp_path, *make_certificate((address,)), ["acme-tls/1"])
    names = server_names(context)
    async with web(lambda _path, _peer: b"", context, "::1") as peer:
        record = await validate(at(peer), "::1", ChallengeType.TLS_ALPN_01)
    assert record.ok
    assert names == [f"1.{'0.' * 31}ip6.arpa"]
    assert record.hops[0].target == f"[::1]:{peer.port}"


async def test_tlsalpn01_offers_its_protocol_alone(tmp_path: Path) -> None:
    """A server that also speaks HTTP is asked for acme-tls/1 and nothing else, with TLS 1.2 at least (RFC 8737 3)."""
    context = server_context(tmp_path, *make_certificate(), ["h2", "http/1.1"])
    async with web(lambda _path, _peer: b"", context) as peer:
        record = await validate(at(peer), "127.0.0.1", ChallengeType.TLS_ALPN_01)
    assert seen(record)[0] == "tls"
    assert make_tools(LOCAL, None).acme_tls.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tlsalpn01_proof_for_a_name(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """For a name the SNI and the SAN are that name."""
    context = server_context(tmp_path, *make_certificate((NAME,)), ["acme-tls/1"])
    context.minimum_version = context.maximum_version = version
    names = server_names(context)
    zone: Zone = {("a.example.", "A"): ["127.0.0.1"]}
    async with web(lambda _path, _peer: b"", context) as peer, nameserver(zone) as dns:
        settings = at(peer, resolver=f"127.0.0.1:{dns.port}")
        assert (await validate(settings, "a.example", ChallengeType.TLS_ALPN_01)).ok
    assert names == ["a.example"]


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (make_certificate(self_signed=False), "it is not self-signed"),
        (make_certificate(()), "it has no subjectAltName"),
        (make_certificate((ADDRESS, NAME)), "its subjectAltName has 2 entries and not one"),
        (make_certificate((NAME,)), "its subjectAltName is not the address 127.0.0.1"),
        (make_certificate((x509.DNSName("127.0.0.1"),)), "its subjectAltName is not the address 127.0.0.1"),
        (
            make_certificate((x509.IPAddress(ipaddress.ip_address("127.0.0.2")),)),
            "its subjectAltName is not the address 127.0.0.1",
        ),
        (make_certificate((ADDRESS, ADDRESS)), "its subjectAltName has 2 entries and not one"),
        (
            make_certificate((x509.IPAddress(ipaddress.ip_network("127.0.0.1/32")),)),
            "its subjectAltName is not the address 127.0.0.1",
        ),
        (make_certificate(digest=None), "it has no acmeIdentifier extension"),
        (make_certificate(critical=False), "its acmeIdentifier extension is not critical"),
        (
            make_certificate(digest=DIGEST[2:]),
            "its acmeIdentifier extension is not an OCTET STRING of 32 bytes",
        ),
        (
            make_certificate(digest=DIGEST + b"\0"),
            "its acmeIdentifier extension is not an OCTET STRING of 32 bytes",
        ),
        (
            make_certificate(digest=b"\x04\x20" + bytes(32)),
            "its acmeIdentifier extension is not the digest of the key authorization",
        ),
    ],
)
async def test_tlsalpn01_wrong_certificate(
    tmp_path: Path, certificate: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], reason: str
) -> None:
    """Each way in which the certificate can be wrong has its own reason."""
    context = server_context(tmp_path, *certificate, ["acme-tls/1"])
    async with web(lambda _path, _peer: b"", context) as peer:
        record = await validate(at(peer), "127.0.0.1", ChallengeType.TLS_ALPN_01)
    where = f"from 127.0.0.1:{peer.port}"
    expected = f"expected the certificate of RFC 8737, saw one {where} that does not fit: {reason}"
    assert seen(record) == ("incorrectResponse", expected, True)


async def test_tlsalpn01_protocol_not_agreed(tmp_path: Path) -> None:
    """An ordinary web server with the right certificate proves nothing."""
    context = server_context(tmp_path, *make_certificate(), [])
    async with web(lambda _path, _peer: b"", context) as peer:
        record = await validate(at(peer), "127.0.0.1", ChallengeType.TLS_ALPN_01)
    where = f"from 127.0.0.1:{peer.port}"
    expected = f"expected the protocol acme-tls/1, which was not agreed on, {where}"
    assert seen(record) == ("tls", expected, True)


async def test_tlsalpn01_no_tls() -> None:
    """A server that never shakes hands is left at the deadline."""
    async with web(lambda _path, _peer: silence) as peer:
        record = await validate(at(peer, timeout=0.3), "127.0.0.1", ChallengeType.TLS_ALPN_01)
    expected = f"timed out after 0.3 s while waiting for the TLS handshake from 127.0.0.1:{peer.port}"
    assert seen(record) == ("tls", expected, False)


@pytest.mark.parametrize(
    ("answer", "reason", "lasting"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x78", "TLS error: tlsv1 alert no application protocol", True),
        (b"\x1b[31m SSH-2.0-x\r\n" * 9, "TLS error: wrong version number", True),
        (b"", "the connection ended in the middle of the TLS handshake", False),
    ],
)
async def test_tlsalpn01_no_handshake(answer: bytes, reason: str, *, lasting: bool) -> None:
    """An alert and an answer that is no TLS are definite; a connection that ends is not."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        record = await validate(at(Peer(port)), "127.0.0.1", ChallengeType.TLS_ALPN_01)
    assert seen(record) == ("tls", f"no TLS handshake from 127.0.0.1:{port}: {reason}", lasting)


async def test_tlsalpn01_wildcard() -> None:
    """tls-alpn-01 cannot prove a wildcard."""
    expected = ("malformed", "tls-alpn-01 proves DNS names and IP addresses, no wildcards", True)
    assert seen(await validate(LOCAL, "*.a.example", ChallengeType.TLS_ALPN_01)) == expected
