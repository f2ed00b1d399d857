"""A DNS server whose answers a test sets: Debian's pebble-challtestsrv on free ports of loopback.

Every name has the address 127.0.0.1 and no other until a test says otherwise. Other tests of names may use it too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from tests.harness.fetching import service_port

PROGRAM = "pebble-challtestsrv"
_START = 10.0


class ChallTestSrv(NamedTuple):
    """A running server. `dns` is the HOST:PORT of its DNS, `management` the URL where its answers are set."""

    dns: str
    management: str

    def set_txt(self, host: str, value: str) -> None:
        """One more TXT value of a name, which ends with a dot."""
        self.call("set-txt", {"host": host, "value": value})

    def clear_txt(self, host: str) -> None:
        """No TXT value any more."""
        self.call("clear-txt", {"host": host})

    def set_address(self, host: str, address: str) -> None:
        """The one IPv4 address of a name, which ends with a dot."""
        self.call("add-a", {"host": host, "addresses": [address]})

    def call(self, what: str, body: dict[str, object]) -> None:
        """Ask for one change, by its name in the management interface. Raises OSError when it is refused."""
        request = urllib.request.Request(f"{self.management}/{what}", json.dumps(body).encode(), method="POST")  # noqa: S310  a URL of ours
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  a URL of ours
            answer.read()


def is_installed() -> bool:
    """Whether this machine has the program."""
    return shutil.which(PROGRAM) is not None


@contextmanager
def challtestsrv() -> Iterator[ChallTestSrv]:
    """A server that answers, until the end of the block."""
    dns, management = service_port(), service_port()
    process = subprocess.Popen(
        command(f"127.0.0.1:{dns}", management, "127.0.0.1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = ChallTestSrv(f"127.0.0.1:{dns}", f"http://127.0.0.1:{management}")
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def command(listen: str, management: int, address: str) -> list[str]:
    """What runs it: DNS at HOST:PORT and nothing else, every name with this IPv4 address, management on a port."""
    told = _help()
    dns = "-dnsserver" if "-dnsserver" in told else "-dns01"  # the former from pebble 2.7 on
    others = [
        word for name in ("http01", "https01", "tlsalpn01", "doh") if f"-{name} " in told for word in (f"-{name}", "")
    ]
    addresses = ("-defaultIPv4", address, "-defaultIPv6", "")
    return [PROGRAM, dns, listen, "-management", f"127.0.0.1:{management}", *others, *addresses]


@cache
def _help() -> str:
    return subprocess.run([PROGRAM, "-help"], capture_output=True, text=True, check=False).stderr


def _wait(server: ChallTestSrv, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            server.clear_txt("ready.invalid.")
        except urllib.error.URLError:
            assert process.poll() is None, f"{PROGRAM} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{PROGRAM} does not answer within {_START} s"
            time.sleep(0.02)
        else:
            return
