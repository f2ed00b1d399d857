"""Listening sockets that systemd holds and passes to the program (sd_listen_fds(3), systemd.socket(5)).

`supervisor.lifecycle` takes them once, before anything else is started; who listens for a setting asks for its own. The
kernel keeps what connects while no program runs, so a restart refuses nobody. Such a socket is never shut down here:
closing this process's descriptor leaves the one of systemd, and what waits at it, as it is.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from stages.errors import Refused
from supervisor.config.addresses import Address, socket_path, tcp_addresses
from supervisor.config.settings import Settings

FIRST: Final = 3
"""SD_LISTEN_FDS_START: the first descriptor that is passed."""
MOST: Final = 64
"""Descriptors that are taken; systemd passes one for each ListenStream=."""
SETTINGS: Final = {"acme": "acme.listen", "acme-http": "acme.http_listen", "admin": "admin.listen"}
"""FileDescriptorName= of a socket unit, and the setting that it listens for."""
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

Listening: TypeAlias = tuple[str, int] | socket.socket
"""What `supervisor.http.server` listens on: (host, port), or a socket that listens already."""


class Passed(NamedTuple):
    """One socket as it was passed.

    Attributes:
        bound: its IP address or path, and its port; 0 for a path.
        dual: an IPv6 socket that takes IPv4 connections too.
    """

    sock: socket.socket
    bound: Address
    dual: bool = False

    def covers(self, wanted: Address) -> bool:
        """Whether it is what a setting's address asks for."""
        host, port = self.bound
        if port != wanted.port:
            return False
        if wanted.host == "localhost":
            return self.bound.loopback
        return host == wanted.host or (self.dual and host == "::" and wanted.host == "0.0.0.0")  # noqa: S104  compared

    @property
    def text(self) -> str:
        """As in a setting."""
        host, port = self.bound
        if not port:
            return f"unix:{host}"
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Activation:
    """The sockets that were passed, by the setting that each listens for."""

    def __init__(self, passed: Mapping[str, Sequence[Passed]] | None = None) -> None:
        self._passed = dict(passed or {})

    @property
    def texts(self) -> list[str]:
        """Setting and address of each, for the log."""
        return [f"{setting} {one.text}" for setting, many in self._passed.items() for one in many]

    def check(self, settings: Settings) -> None:
        """Raises Refused("config", setting, ...) for a socket that is not at an address of its setting.

        The settings say where the program may be reached, and more hangs on them: whether TLS may be off, and which
        addresses a validation never dials. A socket unit cannot widen that.
        """
        texts = {
            "acme.listen": settings.acme.listen,
            "acme.http_listen": settings.acme.http_listen,
            "admin.listen": settings.admin.listen,
        }
        for setting, many in self._passed.items():
            text = texts[setting]
            path, wanted = socket_path(text), tcp_addresses(text)
            for one in many:
                fits = one.bound.host == str(path) if not one.bound.port else any(map(one.covers, wanted))
                if not fits:
                    why = f"is {text!r}, and systemd passes a socket at {one.text} for it"
                    raise Refused("config", setting, f"{why}: change the setting or ListenStream=, or mask the unit")

    def listening(self, setting: str, addresses: Sequence[Address]) -> list[Listening]:
        """Where to listen for a setting: what was passed, then those of its `addresses` that this leaves open."""
        many = self._passed.get(setting, ())
        left = [wanted for wanted in addresses if not any(one.covers(wanted) for one in many)]
        return [*(one.sock for one in many), *left]


def take_passed(environ: MutableMapping[str, str], pid: int, first: int = FIRST) -> Activation:
    """The sockets passed to process `pid`, from descriptor `first` on; the variables are gone afterwards.

    No child inherits a socket or takes the variables for its own.

    Raises Refused("config", ...), naming the descriptor, for what is no listening stream socket of a known name.
    """
    told = {name: environ.pop(name, "") for name in _VARIABLES}
    if not told["LISTEN_FDS"] or told["LISTEN_PID"] != str(pid):
        return Activation()
    count = told["LISTEN_FDS"]
    if not (count.isascii() and count.isdigit() and int(count) <= MOST):
        raise Refused("config", "LISTEN_FDS", f"must be a number up to {MOST}, not {count!r}")
    descriptors = range(first, first + int(count))
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else []
    if len(names) != len(descriptors):
        why = f"{len(names)} names for {len(descriptors)} sockets: each socket unit needs a FileDescriptorName="
        raise Refused("config", "LISTEN_FDNAMES", why)
    found: dict[str, list[Passed]] = {}
    for descriptor, name in zip(descriptors, names, strict=True):
        if name not in SETTINGS:
            known = ", ".join(SETTINGS)
            why = f"descriptor {descriptor} is named {name!r}; FileDescriptorName= must be one of {known}"
            raise Refused("config", "LISTEN_FDNAMES", why)
        found.setdefault(SETTINGS[name], []).append(_taken(descriptor, name))
    return Activation(found)


def _taken(descriptor: int, name: str) -> Passed:
    field = f"socket {name}"
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  the function's own signature
        sock = socket.socket(fileno=descriptor)
    except OSError as fault:
        raise Refused("config", field, f"descriptor {descriptor} is no socket: {fault.strerror}") from None
    if sock.type != socket.SOCK_STREAM or sock.family not in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}:
        raise _refused(sock, field, "is no TCP or unix stream socket: the unit needs ListenStream=")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise _refused(sock, field, "does not listen: the unit needs Accept=no")
    if sock.family == socket.AF_UNIX and name != "admin":
        raise _refused(sock, field, "is a unix socket, and only admin.listen can be one")
    sock.setblocking(False)  # noqa: FBT003  the socket's own signature
    if sock.family == socket.AF_UNIX:
        return Passed(sock, Address(sock.getsockname(), 0))
    host, port = sock.getsockname()[:2]
    dual = sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return Passed(sock, Address(str(ipaddress.ip_address(host)), port), dual)


def _refused(sock: socket.socket, field: str, why: str) -> Refused:
    descriptor = sock.detach()
    return Refused("config", field, f"descriptor {descriptor} {why}")
