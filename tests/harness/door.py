"""A CA whose program has its ACME door open on loopback, and the DNS that it asks; for tests with real clients."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.harness.authority import environment, make_authority
from tests.harness.challtestsrv import challtestsrv
from tests.harness.clients.base import Credential, Server
from tests.harness.fetching import service_port
from tests.harness.process import ROOT, Program

_SOON = '[queues.testchallenge]\nbackoff = "50ms"\n'
"""What cannot be proven is given up within a second."""
_HTTP_LISTENER = 'http_listen = "127.0.0.1:{port}"\n'


class Door:
    """A CA below `folder` whose clients know it as `server`; `root` is the CA's own, in PEM."""

    def __init__(self, folder: Path, config: Path, server: Server, published: int) -> None:
        self.folder = folder
        self.config = config
        self.server = server
        self.root = folder / "data" / "ca" / "root.pem"
        self._published = published

    def start(self) -> Program:
        """Start the program and wait until it is ready."""
        program = Program(self.config)
        try:
            program.wait_for("supervisor.ready")
        except BaseException:
            program.__exit__()
            raise
        return program

    def ca(self, *arguments: str) -> Any:
        """Run a command of the program that has --json; its document. Raises AssertionError when it fails."""
        command = [sys.executable, "-m", "supervisor", *arguments, "--json", "--config", str(self.config)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return json.loads(done.stdout)

    def credential(self) -> Credential:
        """A new credential for External Account Binding."""
        made = self.ca("eab", "create")
        return Credential(made["kid"], made["hmac_key"])

    def renew_now(self, serial: int) -> None:
        """Tell the clients that ask (RFC 9773) to renew this certificate at once."""
        self.ca("certificates", "renew-by", f"{serial:x}", "--now")

    def is_revoked(self, serial: int) -> bool:
        """Whether the CRL that is served now lists it."""
        url = f"http://127.0.0.1:{self._published}/crl/main.crl"
        with urllib.request.urlopen(url, timeout=10) as answer:
            crl = x509.load_der_x509_crl(answer.read())
        return crl.get_revoked_certificate_by_serial_number(serial) is not None


@contextmanager
def founded(folder: Path, listen: int, url: str, trust: Path | None = None, extra: str = "") -> Iterator[Door]:
    """A CA whose program is not started yet.

    `listen` is the port of its door and `url` how clients reach it; `trust` is the CA of what they find there, the CA's
    own root when nothing is given. `extra` is appended to [acme].
    """
    http_port, tls_port, published = service_port(), service_port(), service_port()
    with challtestsrv() as dns:
        acme = f'[acme]\nlisten = "127.0.0.1:{listen}"\nurl = "{url}"\n{_HTTP_LISTENER.format(port=published)}{extra}'
        validation = f'tls_port = {tls_port}\nresolver = "{dns.dns}"\n'
        config = make_authority(folder, validation + acme + _SOON, http_port=http_port)
        root = folder / "data" / "ca" / "root.pem"
        server = Server(f"{url}/acme/directory", trust or root, http_port, tls_port, dns)
        yield Door(folder, config, server, published)


@contextmanager
def opened(folder: Path) -> Iterator[Door]:
    """A CA whose program runs, with a certificate from itself for its door; it has to end without an error."""
    listen = service_port()
    with founded(folder, listen, f"https://localhost:{listen}") as door:
        with door.start() as program:
            yield door
            assert program.stop() == 0
        faults = [event for event in program.events if event["level"] == "error"]
        assert not faults, faults
        assert program.other == []
