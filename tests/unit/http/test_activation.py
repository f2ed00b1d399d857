"""Sockets that systemd passes: taken by name, and only where the settings say that the program listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from stages.errors import Refused
from supervisor.config import Settings
from supervisor.config.acme import Acme
from supervisor.config.addresses import Address
from supervisor.config.program import Admin
from supervisor.http.activation import Activation, Passed, take_passed

HERE = 41
LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"  # noqa: S104  compared, not bound


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listener(stack: ExitStack, family: int = socket.AF_INET, host: str = LOOPBACK) -> socket.socket:
    sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    sock.bind((host, 0))
    sock.listen()
    return sock


def passed(stack: ExitStack, *sockets: socket.socket) -> int:
    """Duplicates of these with numbers in a row, as systemd passes them; the first number."""
    first = 200
    while any(Path(f"/proc/self/fd/{first + place}").exists() for place in range(len(sockets))):
        first += 16
    for place, sock in enumerate(sockets):
        os.dup2(sock.fileno(), first + place)
        stack.callback(close, first + place)
    return first


def close(descriptor: int) -> None:
    with suppress(OSError):  # whoever took it has closed it
        os.close(descriptor)


def told(count: int, names: str, pid: int = HERE) -> dict[str, str]:
    return {"LISTEN_PID": str(pid), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names, "PATH": "/bin"}


def port(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_sockets_are_taken_by_name(opened: ExitStack) -> None:
    """Each listens for its setting; what no socket covers is left to be bound; the variables are gone."""
    tls, plain = listener(opened), listener(opened)
    environ = told(2, "acme:acme-http")
    taken = take_passed(environ, HERE, passed(opened, tls, plain))
    assert environ == {"PATH": "/bin"}
    assert taken.texts == [f"acme.listen {LOOPBACK}:{port(tls)}", f"acme.http_listen {LOOPBACK}:{port(plain)}"]
    other = Address("::1", port(tls))
    sock, left = taken.listening("acme.listen", [Address(LOOPBACK, port(tls)), other])
    assert left == other
    assert isinstance(sock, socket.socket)
    assert (sock.getsockname(), sock.getblocking(), sock.get_inheritable()) == (tls.getsockname(), False, False)
    assert taken.listening("admin.listen", [other]) == [other]
    for each in (*taken.listening("acme.listen", []), *taken.listening("acme.http_listen", [])):
        assert isinstance(each, socket.socket)
        each.close()


@pytest.mark.parametrize("environ", [{}, told(1, "acme", HERE + 1), told(0, ""), {"LISTEN_PID": str(HERE)}])
def test_what_was_passed_to_another_process_is_left_alone(environ: dict[str, str]) -> None:
    """Variables that were inherited, or none."""
    assert take_passed(environ, HERE).texts == []


@pytest.mark.parametrize(
    ("count", "names", "why"),
    [
        ("one", "acme", "must be a number"),
        ("65", "acme", "must be a number"),
        ("1", "", "0 names for 1 sockets"),
        ("2", "acme", "1 names for 2 sockets"),
        ("1", "ca-supervisor.socket", "FileDescriptorName= must be one of acme, acme-http, admin"),
    ],
)
def test_variables_that_make_no_sense_are_refused(opened: ExitStack, count: str, names: str, why: str) -> None:
    """The sentence says what the unit lacks."""
    first = passed(opened, listener(opened))
    environ = {"LISTEN_PID": str(HERE), "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
    with pytest.raises(Refused, match=why) as refused:
        take_passed(environ, HERE, first)
    assert refused.value.kind == "config"


def test_descriptors_of_a_wrong_kind_are_refused(opened: ExitStack, tmp_path: Path) -> None:
    """A file, a datagram socket, one that does not listen, a unix socket for ACME: each is named."""
    unix = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    unix.bind(str(tmp_path / "s"))
    unix.listen()
    file = os.open(os.devnull, os.O_RDONLY)
    opened.callback(close, file)
    with pytest.raises(Refused, match=f"socket acme: descriptor {file} is no socket"):
        take_passed(told(1, "acme"), HERE, file)
    for sock, why in (
        (opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)), "is no TCP or unix stream socket"),
        (opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)), "does not listen"),
        (unix, "only admin.listen can be one"),
    ):
        with pytest.raises(Refused, match=why):
            take_passed(told(1, "acme"), HERE, passed(opened, sock))


def settings(listen: str = "", http_listen: str = "", admin: str = "") -> Settings:
    return Settings(acme=Acme(listen=listen, http_listen=http_listen), admin=Admin(listen=admin))


def one(host: str, at: int, *, dual: bool = False) -> tuple[Address, bool]:
    return Address(host, at), dual


@pytest.mark.parametrize(
    ("setting", "found", "config"),
    [
        ("acme.listen", one("::", 443), settings("0.0.0.0:443,[::]:443")),
        ("acme.listen", one("::", 443, dual=True), settings("0.0.0.0:443")),
        ("acme.listen", one("127.0.0.1", 443), settings("localhost:443")),
        ("acme.http_listen", one("192.0.2.1", 80), settings("", "192.0.2.1:80")),
        ("admin.listen", one("/run/ca/admin.sock", 0), settings(admin="unix:/run/ca/admin.sock")),
    ],
)
def test_a_socket_at_an_address_of_its_setting_fits(
    setting: str, found: tuple[Address, bool], config: Settings
) -> None:
    """The same address and port, or a socket that takes IPv4 too."""
    with socket.socket() as sock:
        Activation({setting: [Passed(sock, *found)]}).check(config)


@pytest.mark.parametrize(
    ("setting", "found", "config"),
    [
        ("acme.listen", one(ANY, 443), settings()),
        ("acme.listen", one(ANY, 443), settings("127.0.0.1:443")),
        ("acme.listen", one("::", 443), settings("0.0.0.0:443")),
        ("acme.listen", one(ANY, 8443), settings("0.0.0.0:443")),
        ("acme.listen", one("192.0.2.1", 443), settings("localhost:443")),
        ("acme.http_listen", one(ANY, 443), settings("0.0.0.0:443", "0.0.0.0:80")),
        ("admin.listen", one(ANY, 8470), settings(admin="127.0.0.1:8470")),
        ("admin.listen", one("/run/other", 0), settings(admin="unix:/run/ca/admin.sock")),
        ("admin.listen", one("/run/ca/admin.sock", 0), settings(admin="127.0.0.1:8470")),
    ],
)
def test_a_socket_elsewhere_fits_no_setting(setting: str, found: tuple[Address, bool], config: Settings) -> None:
    """A socket unit cannot widen what the settings allow: the setting and the address are named."""
    with socket.socket() as sock:
        wrong = Passed(sock, *found)
        with pytest.raises(Refused) as refused:
            Activation({setting: [wrong]}).check(config)
    assert (refused.value.kind, refused.value.field) == ("config", setting)
    assert f"systemd passes a socket at {wrong.text} for it" in refused.value.reason
