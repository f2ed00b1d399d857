"""Finding addresses and TXT records by DNS; what goes wrong is a `Fault`. For this package alone.

A fresh socket, and so a fresh random port, for each lookup: with the random id that is what a forger has to
guess (RFC 5452 9). The A and the AAAA query of a lookup share that socket.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import anyio

from stages.challenges import wire
from stages.challenges.evidence import Fault
from stages.challenges.names import endpoint, is_address
from stages.challenges.streams import Connection, phrase
from stages.challenges.systemfiles import SystemFiles
from stages.errors import Refused

MOST_ANSWERS: Final = 16
"""Addresses, or TXT records, that are looked at; a name may have more."""

ROUNDS: Final = 2
"""How often each server is asked before the lookup is given up."""

MOST_LINKS: Final = 8
"""CNAMEs followed with queries of our own, where the server does not follow them itself."""

_TYPES: Final = {wire.A: "A", wire.AAAA: "AAAA", wire.TXT: "TXT"}


class Resolver(Protocol):
    """What the validators ask about names."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a host name, IPv6 first, from 1 to 16; raise `Fault` otherwise."""
        ...

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """Return the TXT records of a name, each joined, from 1 to 16; raise `Fault` otherwise."""
        ...


class DnsResolver:
    """A stub resolver that asks recursive DNS servers (RFC 1034 5.3.1); no search domains, no cache.

    Args:
        server: "system" for those of /etc/resolv.conf (then /etc/hosts is asked first), or one or more of
            "address:port", IPv6 in brackets, with commas between them; the port may be left out.
        timeout: seconds for one lookup, all tries and CNAMEs together.
        random_bytes: source of query ids.
        folder: where resolv.conf and hosts are.

    Raises:
        Refused: kind "malformed", when `server` cannot be read.
    """

    def __init__(
        self,
        server: str = "system",
        timeout: float = 5.0,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        folder: Path = Path("/etc"),
    ) -> None:
        self._timeout = timeout
        self._random_bytes = random_bytes
        self._files = SystemFiles(folder) if server == "system" else None
        self._fixed = () if server == "system" else tuple(read_server(s.strip()) for s in server.split(","))

    async def addresses(self, name: str) -> tuple[str, ...]:
        """See `Resolver`. One family is enough: when the other cannot be looked up, that is passed over."""
        if self._files and (known := self._files.addresses(name)):
            return tuple(sorted(known, key=lambda address: ":" not in address))[:MOST_ANSWERS]
        found = await self._lookup(name, (wire.AAAA, wire.A))
        return tuple(dict.fromkeys(wire.address_text(data) for data in found))[:MOST_ANSWERS]

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """See `Resolver`."""
        return tuple(await self._lookup(name, (wire.TXT,)))[:MOST_ANSWERS]

    async def _lookup(self, name: str, kinds: tuple[int, ...]) -> list[bytes]:
        servers = self._files.servers() if self._files else self._fixed
        lookup = Lookup(name, kinds, servers, self._timeout / (ROUNDS * len(servers)), self._random_bytes)
        with anyio.move_on_after(self._timeout):
            return await lookup.run()
        raise lookup.failed(f"no answer within {self._timeout:g} s")


class Lookup:
    """One lookup: which questions are open, what has been found, and what went wrong last."""

    def __init__(
        self,
        name: str,
        kinds: tuple[int, ...],
        servers: tuple[tuple[str, int], ...],
        share: float,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.name = name
        self.servers = servers
        self.share = share
        self.random_bytes = random_bytes
        self.edns = True
        self.trouble = ""
        self.kinds = kinds
        self.nonexistent = False
        self.found: dict[int, list[bytes]] = {}

    async def run(self) -> list[bytes]:
        """Return the data of all the types, in their order."""
        try:
            questions = {kind: wire.encode_name(self.name) for kind in self.kinds}
            for _ in range(MOST_LINKS):
                if questions:
                    replies = await self._ask(questions)
                    questions = {kind: end for kind, reply in replies.items() if (end := self._take(reply))}
        except wire.Unreadable as error:
            raise Fault("dns", f"DNS lookup of {self.name} failed: {error}", lasting=True) from error
        if questions:
            detail = f"DNS lookup of {self.name} failed: more than {MOST_LINKS} CNAMEs"
            raise Fault("dns", detail, lasting=True)
        everything = [data for kind in self.kinds for data in self.found.get(kind, ())]
        if not everything:
            raise self._nothing()
        return everything

    def failed(self, why: str) -> Fault:
        """Return the passing fault of a lookup that no server answered."""
        asked = " and ".join(endpoint(*server) for server in self.servers)
        return Fault(
            "dns", f"DNS lookup of {self.name} at {asked} failed: {self.trouble or why}", lasting=False
        )

    def _take(self, reply: wire.Reply) -> bytes | None:
        """Keep what a reply says; return the name to ask for next, where a CNAME is ours to follow."""
        end, data = reply.follow()
        self.nonexistent |= reply.rcode == wire.NXDOMAIN
        if not data and end != reply.name and not reply.recursive and reply.rcode == wire.NOERROR:
            return end
        self.found[reply.type] = data
        return None

    def _nothing(self) -> Fault:
        if len(self.found) < len(self.kinds):  # the other type may be there, nobody knows
            return self.failed("no answer")
        if self.nonexistent:
            return Fault("dns", f"DNS says that {self.name} does not exist (NXDOMAIN)", lasting=True)
        wanted = " or ".join(_TYPES[kind] for kind in self.kinds)
        return Fault("dns", f"DNS has no {wanted} record for {self.name}", lasting=True)

    async def _ask(self, questions: dict[int, bytes]) -> dict[int, wire.Reply]:
        """Ask the servers in turn until each question has an answer, or one has data after a full try."""
        answered: dict[int, wire.Reply] = {}
        for server in self.servers * ROUNDS:
            missing = {kind: name for kind, name in questions.items() if kind not in answered}
            with anyio.move_on_after(self.share) as scope:
                try:
                    await self._exchange(server, missing, answered)
                except OSError as error:
                    self.trouble = f"{endpoint(*server)}: {phrase(error)}"
                except wire.Unreadable as error:
                    self.trouble = f"{endpoint(*server)} sent {error}"
            if scope.cancelled_caught and not self.trouble:
                self.trouble = f"no answer from {endpoint(*server)}"
            if len(answered) == len(questions) or any(reply.follow()[1] for reply in answered.values()):
                return answered
        if not answered:
            raise self.failed("no answer")
        return answered

    async def _exchange(
        self, server: tuple[str, int], questions: dict[int, bytes], answered: dict[int, wire.Reply]
    ) -> None:
        """Ask one server over UDP, all questions at once, and over TCP what comes back truncated."""
        numbers = self.random_bytes(2 * len(questions))
        waiting = {
            (int.from_bytes(numbers[2 * n : 2 * n + 2]), name, kind)
            for n, (kind, name) in enumerate(questions.items())
        }
        with socket.socket(
            socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM
        ) as sock:
            sock.settimeout(0)
            sock.connect(server)  # from here on the kernel drops what others send
            for ident, name, kind in waiting:
                sock.send(wire.encode_query(ident, name, kind, edns=self.edns))
            while waiting:
                await anyio.wait_readable(sock)
                reply = self._read(sock, waiting, server)
                if reply is None:
                    continue
                waiting.discard((reply.id, reply.name, reply.type))
                if reply.truncated:
                    reply = await self._exchange_tcp(server, reply)
                self._judge(server, reply, answered)

    def _read(
        self, sock: socket.socket, waiting: set[tuple[int, bytes, int]], server: tuple[str, int]
    ) -> wire.Reply | None:
        """Return the next datagram if it answers an open question; another one may be forged."""
        try:
            reply = wire.decode_reply(sock.recv(65535))
        except BlockingIOError:
            return None
        except wire.Unreadable as error:
            self.trouble = f"{endpoint(*server)} sent {error}"
            return None
        return reply if (reply.id, reply.name, reply.type) in waiting else None

    async def _exchange_tcp(self, server: tuple[str, int], cut: wire.Reply) -> wire.Reply:
        """Ask again over TCP (RFC 7766 5)."""
        query = wire.encode_query(cut.id, cut.name, cut.type, edns=self.edns)
        with await Connection.open(*server) as connection:
            await connection.send(len(query).to_bytes(2) + query)
            received = b""
            while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2]):  # noqa: PLR2004  octets
                data = await connection.receive()
                if not data:
                    raise wire.Unreadable("an answer that is cut short")
                received += data
        reply = wire.decode_reply(received[2 : 2 + int.from_bytes(received[:2])])
        if (reply.id, reply.name, reply.type) != (cut.id, cut.name, cut.type) or reply.truncated:
            raise wire.Unreadable("an answer to another question")
        return reply

    def _judge(self, server: tuple[str, int], reply: wire.Reply, answered: dict[int, wire.Reply]) -> None:
        if reply.rcode in {wire.NOERROR, wire.NXDOMAIN}:
            answered[reply.type] = reply
            return
        if reply.rcode == wire.FORMERR:
            self.edns = False  # an old server that does not know OPT (RFC 6891 7)
        self.trouble = f"{endpoint(*server)} answered {wire.RCODES.get(reply.rcode, f'code {reply.rcode}')}"


def read_server(text: str) -> tuple[str, int]:
    """Read "address:port", "[address]:port" or a bare address (port 53).

    Raises:
        Refused: kind "malformed".
    """
    if is_address(text):
        return text, 53
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not is_address(bare) or (bare == host) == (":" in bare):
        raise Refused(
            "malformed", "validation.resolver", 'neither "system" nor an address such as "10.0.0.1:53"'
        )
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):  # noqa: PLR2004  ports
        raise Refused("malformed", "validation.resolver", "the port is not a number from 1 to 65535")
    return bare, int(port)
