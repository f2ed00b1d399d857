"""What this host knows of names: resolv.conf and hosts, read again when they change. For `resolving` alone.

Why not getaddrinfo: it blocks a thread, cannot be cancelled, and appends search domains to names that must be
taken as they are.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import dns.exception
import dns.resolver

from stages.challenges.names import canonical_host, is_address

T = TypeVar("T")

MOST_SERVERS: Final = 3
"""As many servers as other programs read from resolv.conf (MAXNS)."""


class WatchedFile(Generic[T]):
    """A file that is parsed again when its time, size or inode changes; a missing file reads as empty."""

    def __init__(self, path: Path, parse: Callable[[str], T]) -> None:
        self._path = path
        self._parse = parse
        self._stamp: tuple[int, int, int] | None = None
        self._value = parse("")

    def read(self) -> T:
        """Return what the file says now; what it said last when it cannot be read or parsed."""
        try:
            status = os.stat(self._path)  # noqa: PTH116  a third of the cost of Path.stat, for each lookup
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._value = self._parse(self._path.read_text("utf-8", errors="replace"))
                self._stamp = stamp
        except (OSError, ValueError, dns.exception.DNSException):
            return self._value
        return self._value


def parse_resolv_conf(text: str) -> tuple[str, ...]:
    """Return the first three usable "nameserver" addresses, or else 127.0.0.1 (resolv.conf(5)).

    Raises:
        ValueError: a server is no address.
        dns.exception.DNSException: a search domain is no name.
    """
    resolver = dns.resolver.Resolver(configure=False)
    try:
        resolver.read_resolv_conf(io.StringIO(text))
    except dns.resolver.NoResolverConfiguration:
        return ("127.0.0.1",)
    found = [server for server in resolver.nameservers if isinstance(server, str) and is_address(server)]
    return tuple(found[:MOST_SERVERS]) or ("127.0.0.1",)


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each name in hosts(5) form, in the order of the lines."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if not is_address(address):
            continue
        for name in names:
            if host := canonical_host(name):
                found.setdefault(host, []).append(address)
    return {name: tuple(dict.fromkeys(addresses)) for name, addresses in found.items()}


class SystemFiles:
    """The two files in one folder, normally /etc."""

    def __init__(self, folder: Path) -> None:
        self._resolv_conf = WatchedFile(folder / "resolv.conf", parse_resolv_conf)
        self._hosts = WatchedFile(folder / "hosts", parse_hosts)

    def servers(self) -> tuple[tuple[str, int], ...]:
        """Return address and port of the DNS servers to ask, in order."""
        return tuple((address, 53) for address in self._resolv_conf.read())

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses that /etc/hosts gives to a name; it is asked before DNS."""
        return self._hosts.read().get(name, ())
