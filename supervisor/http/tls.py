"""The server's TLS contexts: which certificate a new connection gets. The front door makes and changes them.

A context is never changed: a new certificate is a new context, for the connections that come from then on. Those that
are there keep theirs and notice nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stages.errors import Refused

ALPN: Final = ("http/1.1",)


class ServerTls:
    """The context of the next connection, which `supervisor.http.server.serve` asks for; `load` changes it."""

    def __init__(self, certificate: Path, key: Path, setting: str = "acme.tls_certificate") -> None:
        self._setting = setting
        self._context = self._read(certificate, key)

    def __call__(self) -> ssl.SSLContext:
        """The context now."""
        return self._context

    def load(self, certificate: Path, key: Path) -> None:
        """Take this chain (PEM, the server's own certificate first) and its key; when it is refused the old one stays.

        Raises Refused("config", the setting, ...).
        """
        self.prepare(certificate, key)()

    def prepare(self, certificate: Path, key: Path) -> Callable[[], None]:
        """As `load`, but the new certificate counts from when the answer is called, which cannot fail."""
        context = self._read(certificate, key)

        def put() -> None:
            self._context = context

        return put

    def _read(self, certificate: Path, key: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(list(ALPN))
        try:
            context.load_cert_chain(certificate, key, password=self._no_passphrase)
        except ssl.SSLError as error:
            why = (
                "the key is not that of the certificate"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "not readable PEM"
            )
            raise Refused("config", self._setting, f"{certificate} and {key} cannot be used: {why}") from None
        except OSError as error:
            raise Refused("config", self._setting, f"{certificate} and {key}: {error.strerror}") from None
        return context

    def _no_passphrase(self) -> str:
        """Without this OpenSSL would ask at the terminal."""
        raise Refused("config", self._setting, "the key is encrypted; the server needs one that is not")
