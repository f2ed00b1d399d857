"""From a host and a port to a connection: resolved once, judged, and that very address dialled.

Because the judged address is the dialled one, a name that changes between two lookups (DNS rebinding) gains
nothing.
"""

from __future__ import annotations

import socket
from itertools import chain, zip_longest
from typing import Final

import anyio
import msgspec

from stages.challenges.evidence import Fault, Trail
from stages.challenges.names import endpoint, is_address
from stages.challenges.resolving import Resolver
from stages.challenges.streams import Connection, phrase
from stages.challenges.targets import AddressPolicy

MOST_TRIES: Final = 3
"""Addresses of one host that are dialled, and refused ones that are put on record."""


class Dialer(msgspec.Struct, frozen=True):
    """Opens connections for the validators, within the deadline that stands around the call."""

    resolver: Resolver
    policy: AddressPolicy

    async def dial(self, target: str, host: str, port: int, trail: Trail) -> tuple[Connection, str]:
        """Connect to the first of the host's addresses that answers; return the connection and that address.

        Args:
            target: what the hops say was asked.
            host: a DNS name, or an address, which needs no lookup.
            port: the port, of every address.
            trail: one hop is written for each address tried or refused, and the last one is left open.

        Raises:
            Fault: "dns", the name has no address; "connection", no address may be dialled, or none answers.
        """
        addresses = await self._find(target, host, trail)
        allowed = self._judge(target, addresses, port, trail)
        for n, address in enumerate(allowed):
            trail.hop(target, addresses, address)
            trail.doing(f"connecting to {endpoint(address, port)}")
            remaining = anyio.current_effective_deadline() - anyio.current_time()
            # the last one may use up the time, so that the deadline of the whole attempt is what ends it
            share = remaining / (len(allowed) - n) if n + 1 < len(allowed) else None
            with anyio.move_on_after(share):
                try:
                    return await Connection.open(address, port), address
                except OSError as error:
                    trail.saw(phrase(error))
            trail.saw("no answer")
        others = f", nor to {len(allowed) - 1} other addresses" if len(allowed) > 1 else ""
        failed = f"cannot connect to {endpoint(allowed[-1], port)}{others}: {trail.hops[-1].seen}"
        raise Fault("connection", failed, lasting=False)

    async def _find(self, target: str, host: str, trail: Trail) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        trail.doing(f"looking up {host}", "dns")
        try:
            return await self.resolver.addresses(host)
        except Fault as fault:
            trail.hop(target, seen=fault.detail)
            raise

    def _judge(self, target: str, addresses: tuple[str, ...], port: int, trail: Trail) -> list[str]:
        verdicts = {address: self.policy.judge(address, port) for address in addresses}
        allowed = [address for address, why in verdicts.items() if why is None]
        refused = [(address, why) for address, why in verdicts.items() if why is not None]
        for address, why in refused[:MOST_TRIES]:
            trail.hop(target, addresses, seen=f"{address} is not dialled: {why}")
        if not allowed:
            address, why = refused[0]
            raise Fault("connection", f"{endpoint(address, port)} must not be dialled: {why}", lasting=True)
        return in_turn(allowed)


def in_turn(addresses: list[str]) -> list[str]:
    """Return at most three addresses, IPv6 and IPv4 by turns (RFC 8305 4), so that each family has a try."""
    sixes = [address for address in addresses if ":" in address]
    fours = [address for address in addresses if ":" not in address]
    turns = chain.from_iterable(zip_longest(sixes, fours))
    return [address for address in turns if address is not None][:MOST_TRIES]


def is_local(address: str) -> bool:
    """Whether an address is one of this host's: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True
