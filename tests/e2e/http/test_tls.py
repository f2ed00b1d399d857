"""TLS: versions, the certificate that is swapped under way, and files that cannot be used."""

from __future__ import annotations

import ssl
from pathlib import Path

import anyio
import pytest
from anyio.streams.tls import TLSAttribute
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from stages.errors import Refused
from supervisor.http.tls import ServerTls
from tests.e2e.http.door import GET, Client, open_door, request_of
from tests.harness.tls import Certificates

pytestmark = pytest.mark.anyio


def trusting(*made: Certificates) -> ssl.SSLContext:
    """A client that trusts these CAs."""
    context = ssl.create_default_context(cafile=made[0].ca)
    for more in made[1:]:
        context.load_verify_locations(more.ca)
    return context


def serial_of(client: Client) -> int:
    """The serial number of the certificate that the client was shown."""
    shown = client.stream.extra(TLSAttribute.peer_certificate_binary)  # noqa: S610  no database here
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def serial_in(made: Certificates) -> int:
    """The serial number of the certificate in the file."""
    return x509.load_pem_x509_certificate(made.server.read_bytes()).serial_number


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_request_comes_over_tls(version: ssl.TLSVersion, tmp_path: Path) -> None:
    """Kept alive, pipelined, with a large body, and said to be secure; ALPN is http/1.1."""
    made = Certificates(tmp_path)
    context = trusting(made)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    body = b"x" * 50_000
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + body
    async with open_door(tls=ServerTls(made.server, made.server)) as door, await door.connect(context) as client:
        await client.send(raw * 3)
        for _ in range(3):
            found = request_of(await client.answer())
            assert (True, body) == (found.secure, found.body)
        assert client.stream.extra(TLSAttribute.alpn_protocol) == "http/1.1"  # noqa: S610  as above
        await client.send(GET[:-2] + b"Connection: close\r\n\r\n")
        assert [answer.status for answer in await client.rest()] == [200]


async def test_an_old_version_of_tls_is_refused(tmp_path: Path) -> None:
    """RFC 8996."""
    made = Certificates(tmp_path)
    context = trusting(made)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with open_door(tls=ServerTls(made.server, made.server)) as door:
        with pytest.raises((OSError, anyio.EndOfStream, anyio.BrokenResourceError)):
            await door.connect(context)


async def test_plain_http_at_a_tls_port_is_dropped(tmp_path: Path) -> None:
    """No answer in clear; the next client is served."""
    made = Certificates(tmp_path)
    async with open_door(tls=ServerTls(made.server, made.server)) as door:
        async with await door.connect() as client:
            await client.send(GET)
            assert b"HTTP" not in await client.ended()
        async with await door.connect(trusting(made)) as client:
            await client.send(GET)
            assert (await client.answer()).status == 200


async def test_a_new_certificate_is_for_the_connections_that_come_then(tmp_path: Path) -> None:
    """Without a restart; a connection that is there goes on as it was."""
    first, second = Certificates(tmp_path / "1"), Certificates(tmp_path / "2")
    context = trusting(first, second)
    tls = ServerTls(first.server, first.server)
    async with open_door(tls=tls) as door, await door.connect(context) as old:
        await old.send(GET)
        await old.answer()
        tls.load(second.server, second.server)
        async with await door.connect(context) as new:
            assert [serial_in(first), serial_in(second)] == [serial_of(old), serial_of(new)]
            for client in (old, new):
                await client.send(GET)
                assert (await client.answer()).status == 200


def test_files_that_cannot_be_used_are_refused_and_the_old_ones_stay(tmp_path: Path) -> None:
    """With a sentence that names them; nobody is asked for a passphrase at a terminal."""
    made, other = Certificates(tmp_path / "made"), Certificates(tmp_path / "other")
    key = load_pem_private_key(made.server.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    sealed = BestAvailableEncryption(b"secret")
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    tls = ServerTls(made.server, made.server)
    before = tls()
    for certificate, key_file, why in (
        (made.server, other.server, "the key is not that of the certificate"),
        (made.server, made.ca, "not readable PEM"),
        (encrypted, made.server, "not readable PEM"),
        (made.server, encrypted, "the key is encrypted"),
        (made.server, tmp_path / "missing", "No such file"),
    ):
        with pytest.raises(Refused, match=why) as refused:
            tls.load(certificate, key_file)
        assert (refused.value.kind, refused.value.field) == ("config", "acme.tls_certificate")
    assert tls() is before
