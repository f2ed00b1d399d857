"""What all ACME clients of the tests share: the server they talk to, their home folder, how they are run.

Client is what each can do; the classes below it (Renews, Revokes, ...) are what some can do, and each client's class
says which. Tests name the clients that they try.
"""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from tests.harness.challtestsrv import ChallTestSrv

Challenge = Literal["http-01", "dns-01", "tls-alpn-01"]

SECONDS = 90
"""The longest that one run of a client may take."""
EMAIL = "hostmaster@example.org"
_HOOK = """#!/bin/sh
# {purpose}
exec "{python}" - "$@" <<'END'
{code}
END
"""


class Server(NamedTuple):
    """An ACME server as its clients see it.

    Attributes:
        directory: URL of its directory.
        trust: PEM of the CA that its HTTPS certificate comes from.
        http_port: where it tests http-01, on 127.0.0.1.
        tls_port: where it tests tls-alpn-01, on 127.0.0.1.
        dns: what it asks for names.
    """

    directory: str
    trust: Path
    http_port: int
    tls_port: int
    dns: ChallTestSrv


class Credential(NamedTuple):
    """An External Account Binding (RFC 8555 7.3.4); the key in base64url without padding."""

    kid: str
    key: str


class Issued(NamedTuple):
    """What a client got: PEM files."""

    chain: Path
    key: Path


class ClientError(AssertionError):
    """A client ended with another code than 0. Its text has the command and all that the client printed."""


class Client(ABC):
    """A client with a home folder of its own. `binding` is used where it makes its account.

    Class attributes:
        name: what tests call it.
        package: the Debian package that brings it; empty where the project brings it.
    """

    name: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, server: Server, home: Path, binding: Credential | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.server = server
        self.home = home
        self.binding = binding

    @classmethod
    @abstractmethod
    def missing(cls) -> str:
        """What this machine lacks to run it, as a user would say it; empty when nothing."""

    @abstractmethod
    def issue(self, names: list[str], challenge: Challenge = "http-01") -> Issued:
        """Make an account where there is none, and get a certificate. Raises ClientError."""

    def environment(self) -> dict[str, str]:
        """What the client finds in its environment: its home and the path."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def run(self, command: Sequence[str | Path], extra: Mapping[str, str] | None = None) -> str:
        """Run it to its end; all that it printed. Raises ClientError."""
        try:
            done = subprocess.run(
                command,
                cwd=self.home,
                env={**self.environment(), **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode("utf-8", "backslashreplace")
            raise ClientError(f"{command[0]} did not end within {SECONDS} s:\n{said[-6000:]}") from None
        said = done.stdout.decode("utf-8", "backslashreplace")
        if done.returncode:
            raise ClientError(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{said[-6000:]}")
        return said

    def hook(self, purpose: str, code: str) -> Path:
        """A program that runs this Python `code` with the arguments in sys.argv[1:], for clients that call one."""
        path = self.home / f"{purpose.replace(' ', '-')}.sh"
        path.write_text(_HOOK.format(purpose=purpose, python=sys.executable, code=code))
        path.chmod(0o700)
        return path

    def dns_hook(self, code: str) -> Path:
        """A hook for dns-01: `code` may call `change(verb, name, value)`, where verb is "set-txt" or "clear-txt"."""
        change = f"""
import json, os, sys, urllib.request
def change(verb, name, value):
    body = json.dumps({{"host": name.rstrip(".") + ".", "value": value}}).encode()
    urllib.request.urlopen("{self.server.dns.management}/" + verb, body, timeout=10).read()
"""
        return self.hook("dns hook", change + code)


class Renews(Client):
    """A client that replaces a certificate before its time, when it is told to."""

    @abstractmethod
    def renew(self, issued: Issued) -> Issued:
        """Replace this certificate now."""


class Revokes(Client):
    """A client that revokes with the account's key."""

    @abstractmethod
    def revoke(self, issued: Issued) -> str:
        """Revoke (RFC 8555 7.6), signed by the account."""


class RevokesByItsKey(Client):
    """A client that revokes with the certificate's key."""

    @abstractmethod
    def revoke_by_its_key(self, issued: Issued) -> str:
        """Revoke (RFC 8555 7.6), signed by the certificate's own key."""


class ChangesContact(Client):
    """A client that changes its account's contact."""

    @abstractmethod
    def change_contact(self, email: str) -> str:
        """Update the account (RFC 8555 7.3.2)."""


class RollsKey(Client):
    """A client that changes its account's key."""

    @abstractmethod
    def roll_key(self) -> str:
        """Account key rollover (RFC 8555 7.3.5)."""


class Deactivates(Client):
    """A client that gives its account up."""

    @abstractmethod
    def deactivate(self) -> str:
        """Deactivate the account (RFC 8555 7.3.6)."""
