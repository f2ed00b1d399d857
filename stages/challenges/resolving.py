"""Whom to ask about names: the host's own files, then DNS; what goes wrong is a `Fault`. For this package alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.CAA import CAA
from dns.rdtypes.ANY.TXT import TXT

from stages.challenges.caa import CaaRecord
from stages.challenges.evidence import Absent
from stages.challenges.lookup import Lookup
from stages.challenges.names import is_address
from stages.challenges.systemfiles import SystemFiles
from stages.errors import Refused

MOST_ANSWERS: Final = 16
"""Addresses that are looked at; a name may have more."""


class Resolver(Protocol):
    """What the validators ask about names."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a host name, IPv6 first, from 1 to 16; raise `Fault` otherwise."""
        ...

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """Return the TXT records of a name, all of them, each joined; raise `Fault` where there are none."""
        ...

    async def caa(self, name: str) -> tuple[CaaRecord, ...]:
        """Return the CAA records of a name, all of them, none where there are none; raise `Fault` otherwise."""
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
        found = await self._lookup(name, (RdataType.AAAA, RdataType.A))
        return tuple(record.to_text() for record in found)[:MOST_ANSWERS]

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """See `Resolver`. Any one may be the proof; how many there can be, the length of a message says."""
        found = await self._lookup(name, (RdataType.TXT,))
        return tuple(b"".join(record.strings) for record in found if isinstance(record, TXT))

    async def caa(self, name: str) -> tuple[CaaRecord, ...]:
        """See `Resolver`. All count: one that was left out might be the one that forbids."""
        try:
            found = await self._lookup(name, (RdataType.CAA,))
        except Absent:
            return ()
        return tuple(CaaRecord(r.flags, r.tag.decode().lower(), r.value) for r in found if isinstance(r, CAA))

    async def _lookup(self, name: str, kinds: tuple[RdataType, ...]) -> list[Rdata]:
        servers = self._files.servers() if self._files else self._fixed
        return await Lookup(name, kinds, servers, self._timeout, self._random_bytes).run()


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
        raise Refused("malformed", "validation.resolver", 'neither "system" nor an address such as "10.0.0.1:53"')
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):  # noqa: PLR2004  ports
        raise Refused("malformed", "validation.resolver", "the port is not a number from 1 to 65535")
    return bare, int(port)
