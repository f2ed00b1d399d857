"""Checks of the resolver, the validation ports and the listeners. For `supervisor.doctor` only."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Final

from stages.challenges.evidence import Fault
from stages.challenges.resolving import DnsResolver, read_server
from stages.challenges.systemfiles import SystemFiles
from supervisor.config import Settings
from supervisor.config.addresses import socket_path, tcp_addresses
from supervisor.doctor.finding import Finding, error, note, ok, warning

_NO_NAME: Final = "doctor.invalid"
"""RFC 6761 6.4: a name that exists nowhere; "there is none" is an answer all the same."""
_STANDARD: Final = {"validation.http_port": 80, "validation.tls_port": 443, "validation.https_port": 443}


async def check_resolver(settings: Settings) -> list[Finding]:
    """Every name server answers."""
    wanted = settings.validation.resolver
    if wanted == "system":
        servers = SystemFiles(Path("/etc")).servers()
    else:
        servers = tuple(read_server(part.strip()) for part in wanted.split(","))
    silent: list[str] = []
    answering: list[str] = []
    for host, port in servers:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        problem = await _asked(where, min(2.0, settings.validation.timeout))
        (silent if problem else answering).append(problem or where)
    if not silent:
        return [ok("resolver", f"{', '.join(answering)} answers")]
    advice = "name a server that answers in validation.resolver, or mend /etc/resolv.conf"
    if answering:
        return [warning("resolver", f"{'; '.join(silent)}; {', '.join(answering)} answers", advice)]
    return [error("resolver", "; ".join(silent), f"no name can be looked up: {advice}")]


async def _asked(server: str, seconds: float) -> str:
    """What is wrong with a server; "" when it answers."""
    try:
        await DnsResolver(server, seconds).texts(_NO_NAME)
    except Fault as fault:
        return "" if fault.lasting else fault.detail
    return ""


def check_validation_ports(settings: Settings) -> list[Finding]:
    """The ports of RFC 8555 8.3 and RFC 8737 3, or others by intent."""
    validation = settings.validation
    seen = {key: getattr(validation, key.partition(".")[2]) for key in _STANDARD}
    odd = [f"{key} is {port}" for key, port in seen.items() if port != _STANDARD[key]]
    if odd:
        return [note("validation ports", ", ".join(odd), "clients answer on 80 and 443; another port is for tests")]
    return [ok("validation ports", "80 and 443, as clients expect")]


def check_listeners(settings: Settings, *, running: bool) -> list[Finding]:
    """The own ports are free; a supervisor that runs has them."""
    acme = settings.acme
    wanted = {"admin.listen": settings.admin.listen, "acme.listen": acme.listen, "acme.http_listen": acme.http_listen}
    return [_listener(key, text, running=running) for key, text in wanted.items() if text or key == "admin.listen"]


def _listener(key: str, text: str, *, running: bool) -> Finding:
    if not text:
        return ok(key, "none")
    if running:
        return ok(key, f"{text}, a supervisor runs")
    if (path := socket_path(text)) is not None:
        return _socket_file(key, text, path)
    for host, port in tcp_addresses(text):
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if ":" in host:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((host, port))
        except OSError as failure:
            return judge_bind(key, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", failure)
    return ok(key, f"{text} is free")


def judge_bind(key: str, where: str, failure: OSError) -> Finding:
    """From why an address could not be bound. A privilege is no error: systemd may hold the port for the program."""
    if failure.errno == errno.EACCES:
        advice = "right where ca-supervisor.socket holds it; else take a port above 1023, or give CAP_NET_BIND_SERVICE"
        return warning(key, f"{where} takes a privilege that this user does not have", advice)
    return error(key, f"{where} cannot be used: {failure.strerror}", _ADVICE.get(failure.errno or 0, _OTHER))


def _socket_file(key: str, text: str, path: Path) -> Finding:
    """A unix socket can be made there; the file of a process that is gone will be replaced."""
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        advice = "make it for the user that runs the program; under systemd RuntimeDirectory= does"
        return error(key, f"{folder} is no directory that can be written to", advice)
    if path.exists() and not path.is_socket():
        return error(key, f"{path} is there and is no socket", "move it away, or name another path")
    with socket.socket(socket.AF_UNIX) as asking:
        if path.exists() and asking.connect_ex(str(path)) == 0:
            return error(key, f"{path} is listened on by another program", "end it, or name another path")
    return ok(key, f"{text} is free")


_ADVICE: Final = {
    errno.EADDRNOTAVAIL: "name an address of this machine",
    errno.EAFNOSUPPORT: "this machine has no IPv6: name an IPv4 address",
}
_OTHER: Final = "right where systemd holds it (ca-supervisor.socket); else end what listens there, or take another port"
