"""Caddy, from Debian, as a client: a web server that gets its own certificates, one for each name, all at once."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from tests.harness.clients.base import EMAIL, Challenge, ClientError, Issued, Renews
from tests.harness.fetching import service_port

_SECONDS = 40
_EVERYTHING = 0.9999999999
"""The part of a certificate's life in which Caddy renews it, so that it does so at once."""


class Caddy(Renews):
    """`caddy run` with a JSON config. A certificate counts as got when Caddy serves it."""

    name: ClassVar[str] = "caddy"
    package: ClassVar[str] = "caddy"

    @classmethod
    def missing(cls) -> str:
        """What this machine lacks to run it."""
        return "" if shutil.which("caddy") else "it is not installed (Debian: apt-get install caddy)"

    def issue(self, names: list[str], challenge: Challenge = "http-01") -> Issued:
        """Start Caddy for these names and wait until it serves a certificate for each; the files of the first."""
        with self._running(names, challenge) as port:
            self._wait(port, names, before={})
        return self._files(names[0])

    def renew(self, issued: Issued) -> Issued:
        """Start Caddy again with a config in which the certificate is due."""
        name, before = issued.chain.stem, issued.chain.read_bytes()
        leaf = ssl.PEM_cert_to_DER_cert(before.decode().partition("-----END CERTIFICATE-----")[0] + _END)
        with self._running([name], "http-01", renewal_window_ratio=_EVERYTHING) as port:
            self._wait(port, [name], before={name: leaf})
        return self._files(name)

    @contextmanager
    def _running(self, names: list[str], challenge: Challenge, **policy: Any) -> Iterator[int]:
        port = self.server.tls_port if challenge == "tls-alpn-01" else service_port()
        config = self.home / "caddy.json"
        config.write_text(json.dumps(self._config(names, challenge, port, policy)))
        self.log = self.home / "caddy.log"
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                ["caddy", "run", "--config", config],
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)

    def _config(self, names: list[str], challenge: Challenge, port: int, policy: dict[str, Any]) -> dict[str, Any]:
        challenges = {
            "http": {"alternate_port": self.server.http_port, "disabled": challenge != "http-01"},
            "tls-alpn": {"alternate_port": port, "disabled": challenge != "tls-alpn-01"},
            "bind_host": "127.0.0.1",
        }
        issuer: dict[str, Any] = {
            "module": "acme",
            "ca": self.server.directory,
            "email": EMAIL,
            "trusted_roots_pem_files": [str(self.server.trust)],
            "challenges": challenges,
        }
        if self.binding:
            issuer["external_account"] = {"key_id": self.binding.kid, "mac_key": self.binding.key}
        server = {
            "listen": [f"127.0.0.1:{port}"],
            "automatic_https": {"disable": True},
            "tls_connection_policies": [{}],
            "routes": [{"handle": [{"handler": "static_response", "body": "served"}]}],
        }
        return {
            "admin": {"disabled": True, "config": {"persist": False}},
            "storage": {"module": "file_system", "root": str(self.home / "storage")},
            "apps": {
                "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
                "http": {"http_port": self.server.http_port, "https_port": port, "servers": {"tested": server}},
                "tls": {
                    "certificates": {"automate": names},
                    "automation": {"policies": [{"issuers": [issuer], **policy}]},
                },
            },
        }

    def _wait(self, port: int, names: list[str], before: dict[str, bytes]) -> None:
        deadline = time.monotonic() + _SECONDS
        for name in names:
            while (served := _served(port, name)) is None or served == before.get(name):
                if time.monotonic() > deadline:
                    said = self.log.read_text()[-6000:]
                    raise ClientError(f"caddy serves no new certificate for {name} within {_SECONDS} s:\n{said}")
                time.sleep(0.05)

    def _files(self, name: str) -> Issued:
        (chain,) = (self.home / "storage").rglob(f"{name}.crt")
        return Issued(chain, chain.with_suffix(".key"))


_END = "-----END CERTIFICATE-----\n"


def _served(port: int, name: str) -> bytes | None:
    """The DER of the certificate that is served for this name; None while there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=name) as stream,
        ):
            return stream.getpeercert(binary_form=True)
    except OSError:
        return None
