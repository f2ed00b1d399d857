"""The CRL and the issuer's certificate over HTTP, at the URLs that certificates name (RFC 5280 4.2.1.13, 4.2.2.1).

They are answered from a copy in memory. The CRL's copy is as new as its file at every request: the file may be written
by this program or by a command beside it, and a revocation that has been answered must be in what is served.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

import anyio
import anyio.to_thread
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.issuer import Issuer
from supervisor.http.message import Request, Response

log = structlog.get_logger()

CRL_TYPE: Final = "application/pkix-crl"  # RFC 2585 4.2
CERTIFICATE_TYPE: Final = "application/pkix-cert"  # RFC 2585 4.1
CERTIFICATE_AGE: Final = 86_400
"""Seconds for which a copy of the issuer's certificate may be used unasked."""
CRL_CACHING: Final = "no-cache"
"""A copy may be kept, and asks whether it is the newest before it is used (RFC 9111 5.2.2.4): a revocation counts at
once, also behind a cache. The answer is a 304 most of the time."""
METHODS: Final = "GET, HEAD"


class Crl(NamedTuple):
    """A CRL as it is served; `tag` is its ETag."""

    der: bytes
    tag: str


class Publisher:
    """What is published of one issuer; `crl_file` is where the CRL lies now (PEM or DER), `clock` gives unix time."""

    def __init__(self, issuer: Issuer, crl_file: Callable[[], Path], clock: Callable[[], float]) -> None:
        self._crl_file = crl_file
        self._clock = clock
        self._issuer = issuer
        self._certificate = issuer.certificate.public_bytes(Encoding.DER)
        self._certificate_tag = f'"{issuer.certificate.serial_number:x}"'
        self._crl: Crl | None = None
        self._seen: tuple[Path, int, int, int] | None = None
        self._loading = anyio.Lock()

    def has(self, path: str) -> bool:
        """Whether something is published at this path."""
        return self._what(path) != ""

    async def handle(self, request: Request) -> Response:
        """Answer one request: GET and HEAD of what there is, 404 for anything else."""
        what = self._what(request.path)
        if not what:
            return self.refuse(404, "there is nothing here")
        if request.method not in {"GET", "HEAD"}:
            return self.refuse(405, "it can only be read", headers=[("Allow", METHODS)])
        if what == "ca":
            age = min(CERTIFICATE_AGE, max(0, self._issuer.not_after - int(self._clock())))
            return _served(request, self._certificate, CERTIFICATE_TYPE, self._certificate_tag, f"max-age={age}")
        crl = await self._newest()
        if crl is None:
            return self.refuse(404, "there is no CRL yet")
        return _served(request, crl.der, CRL_TYPE, crl.tag, CRL_CACHING)

    @staticmethod
    def refuse(
        status: int, detail: str, request: Request | None = None, *, headers: list[tuple[str, str]] | None = None
    ) -> Response:
        """An error in one plain sentence; also for what the web server itself refuses."""
        del request
        return Response(status, f"{detail}\n".encode(), [("Content-Type", "text/plain"), *(headers or [])])

    def _what(self, path: str) -> str:
        """Which thing is at a path: "crl", "ca" or "" for nothing."""
        for what, end in (("crl", ".crl"), ("ca", ".cer")):
            start = f"/{what}/"
            if path.startswith(start) and unquote(path[len(start) :]) == f"{self._issuer.id}{end}":
                return what
        return ""

    async def _newest(self) -> Crl | None:
        """The CRL that lies there; the last good one where that cannot be read."""
        file = self._crl_file()
        if _state(file) == self._seen:
            return self._crl
        async with self._loading:
            seen = _state(file)
            if seen != self._seen:
                # Megabytes where much is revoked: not in the loop.
                found = await anyio.to_thread.run_sync(_load, file)
                if isinstance(found, Crl):
                    self._crl = found
                elif self._crl is not None or seen is not None:
                    log.error("crl.unreadable", file=str(file), why=found)
                self._seen = seen
        return self._crl


def _state(file: Path) -> tuple[Path, int, int, int] | None:
    """What differs after each writing: the file is always replaced whole. None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return file, status.st_ino, status.st_mtime_ns, status.st_size


def _load(file: Path) -> Crl | str:
    """The CRL in a file, or why it cannot be served."""
    try:
        data = file.read_bytes()
        crl = (x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl)(data)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        der = crl.public_bytes(Encoding.DER)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, x509.DuplicateExtension, x509.ExtensionNotFound):
        return "it is no readable CRL with a number"
    return Crl(der, f'"{number:x}"')


def _served(request: Request, body: bytes, kind: str, tag: str, caching: str) -> Response:
    headers = [("Content-Type", kind), ("Cache-Control", caching), ("ETag", tag)]
    if tag in request.headers.get("if-none-match", ""):  # RFC 9110 13.1.2
        return Response(304, headers=headers)
    return Response(200, body, headers)
