"""The other side of a validation, for real, on loopback: a web server (plain or TLS) and a DNS server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import Certificate

from stages.challenges import ValidationSettings, Validators
from stages.session import ChallengeType, ValidationRecord

KEY_AUTHORIZATION = "tok.thumb"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntok.thumb"
NOW = 1_800_000_000.5

Answer = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """A server: its port, and what it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


def moved(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side goes."""
    await reader.read()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin a response and never end it (slow loris)."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-")
    await reader.read()


@asynccontextmanager
async def web(
    answer: Callable[[str, Peer], Answer], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Peer]:
    """A server that answers each path with raw bytes."""
    peer = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split(" ")[1]
            peer.asked.append(f"{head[1].removeprefix('Host: ')}{path}")
            chosen = answer(path, peer)
            if isinstance(chosen, bytes):
                writer.write(chosen)
                await writer.drain()
            else:
                await chosen(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


Forger = Callable[[dns.message.Message], bytes]
Zone = dict[tuple[str, str], list[str] | str | Forger]
"""Records of a name and type, the rcode of the answer, or a function from an empty reply to what is sent.

"silence" stands for no answer, and a first record "cut" for TC over UDP.
"""


class _Dns(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone, peer: Peer, chain: dict[str, str]) -> None:
        self.zone, self.peer, self.chain = zone, peer, chain
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for answer in self.answers(data, udp=True):
            self.transport.sendto(answer, addr)

    def answers(self, data: bytes, *, udp: bool) -> list[bytes]:
        query = dns.message.from_wire(data)
        name, kind = query.question[0].name.to_text(), dns.rdatatype.to_text(query.question[0].rdtype)
        self.peer.asked.append(f"{name} {kind}{'' if udp else ' tcp'}")
        reply = dns.message.make_response(query)
        while name in self.chain:
            target = self.chain[name]
            reply.answer.append(dns.rrset.from_text(name, 1, "IN", "CNAME", target))
            name = target
            if target.startswith("far."):  # an authoritative server stops where its zone ends
                return [reply.to_wire()]
        found = self.zone.get((name, kind), [] if any(n == name for n, _ in self.zone) else "NXDOMAIN")
        if found == "silence":
            return []
        if callable(found):
            return [found(reply)]
        if found == "forged":
            forged = dns.message.make_response(dns.message.make_query(name, kind, id=(query.id + 1) % 65536))
            forged.answer.append(dns.rrset.from_text(name, 1, "IN", "A", "8.8.8.8"))
            reply.answer.append(dns.rrset.from_text(name, 1, "IN", "A", "127.0.0.1"))
            return [forged.to_wire(), reply.to_wire()]
        if isinstance(found, str):
            reply.set_rcode(dns.rcode.from_text(found))
        elif found and found[0] == "cut" and udp:
            reply.flags |= dns.flags.TC
        elif records := [record for record in found if record != "cut"]:
            reply.answer.append(dns.rrset.from_text(name, 1, "IN", kind, *records))
        return [reply.to_wire(max_size=65535)]


@asynccontextmanager
async def nameserver(zone: Zone, chain: dict[str, str] | None = None) -> AsyncIterator[Peer]:
    """A DNS server over UDP and TCP; `chain` holds its CNAMEs."""
    peer = Peer()
    responder = _Dns(zone, peer, chain or {})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        for answer in responder.answers(data, udp=False):
            writer.write(len(answer).to_bytes(2) + answer)
        writer.close()

    server, transport = await _bind_both(serve, responder)
    peer.port = transport.get_extra_info("sockname")[1]
    try:
        yield peer
    finally:
        server.close()
        transport.close()
        await responder.closed.wait()


async def _bind_both(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], responder: _Dns
) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    """Find a port that is free for TCP and UDP alike."""
    for _ in range(50):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        try:
            made = await asyncio.get_running_loop().create_datagram_endpoint(lambda: responder, address)
        except OSError:
            server.close()
            continue
        return server, made[0]
    raise OSError("no port is free for both TCP and UDP")


def server_context(
    folder: Path, certificate: Certificate, key: ec.EllipticCurvePrivateKey, alpn: list[str]
) -> ssl.SSLContext:
    """A TLS server's context with one certificate."""
    pem = folder / "peer.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


async def validate(
    settings: ValidationSettings,
    name: str = "127.0.0.1",
    kind: ChallengeType = ChallengeType.HTTP_01,
    account_url: str = "",
) -> ValidationRecord:
    """One attempt; whatever it says is printable ASCII."""
    record = await Validators(settings, None, lambda: NOW).validate(kind, name, "tok", KEY_AUTHORIZATION, account_url)
    texts = [record.error.detail if record.error else "", *(hop.seen + hop.target for hop in record.hops)]
    assert all(text.isascii() and text.isprintable() for text in texts)
    return record


def seen(record: ValidationRecord) -> tuple[str, str, bool]:
    """Kind, detail and lasting of a failure."""
    assert record.error is not None
    assert not record.ok
    return record.error.kind, record.error.detail, record.lasting
