"""The CA as its files have it: root, intermediates, other chains, CRL. Read again only when a file has changed.

A CRL may be large (40 bytes for each entry), so the reading is done in a thread. For `supervisor.overview.view`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import anyio.to_thread
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.chain import is_self_issued
from stages.ca.pem import read_certificates
from stages.errors import Refused
from supervisor.config import Settings
from supervisor.overview.parts import Authority, CrlNow, Tree
from supervisor.upkeep.crl import read_crl

T = TypeVar("T")
_Stamp = tuple[int, int, int]
_LONGEST: Final = 300


class Files:
    """What was read, by file, for as long as the file is the same."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, Path], tuple[_Stamp | None, object]] = {}

    def get(self, kind: str, file: Path, read: Callable[[Path], T]) -> T:
        """What `read` makes of the file now."""
        stamp = _stamp(file)
        before = self._read.get((kind, file))
        if before is None or before[0] != stamp:
            before = (stamp, read(file))
            self._read[kind, file] = before
        return before[1]  # type: ignore[return-value]  # what `read` gave for this kind


async def read_tree(settings: Settings, files: Files) -> Tree:
    """The CA of [ca] and its CRL; what cannot be read is among the problems."""
    return await anyio.to_thread.run_sync(_read_tree, settings, files)


def _read_tree(settings: Settings, files: Files) -> Tree:
    problems: list[str] = []
    chain = [path for each in (settings.ca.certificate, *settings.ca.chain) if (path := Path(each))]
    chains = []
    for sources in (chain, *([Path(file)] for file in settings.ca.alternate_chains)):
        found = []
        for file in sources:
            certificates = files.get("certificates", file, _certificates)
            if isinstance(certificates, str):
                problems.append(certificates)
            else:
                found += certificates
        if found:
            chains.append(_ordered(found))
    return Tree(settings.ca.name, tuple(chains), files.get("crl", settings.crl.file, _crl), tuple(problems))


def _certificates(file: Path) -> list[tuple[x509.Certificate, Authority]] | str:
    try:
        return [(certificate, _authority(certificate, str(file))) for certificate in read_certificates(file)]
    except Refused as refused:
        return str(refused)


def _ordered(found: list[tuple[x509.Certificate, Authority]]) -> tuple[Authority, ...]:
    """From the root down to the issuer, which is the first one found."""
    chain, rest = [found[0]], found[1:]
    while above := [each for each in rest if each[0].subject == chain[-1][0].issuer]:
        chain.append(above[0])
        rest.remove(above[0])
    return tuple(authority for _, authority in reversed(chain))


def _authority(certificate: x509.Certificate, file: str) -> Authority:
    der = certificate.public_bytes(Encoding.DER)
    return Authority(
        "root" if is_self_issued(certificate) else "intermediate",
        certificate.subject.rfc4514_string()[:_LONGEST],
        f"{certificate.serial_number:x}",
        _key(certificate),
        int(certificate.not_valid_before_utc.timestamp()),
        int(certificate.not_valid_after_utc.timestamp()),
        hashlib.sha256(der).hexdigest(),
        file,
    )


def _key(certificate: x509.Certificate) -> str:
    try:
        key = certificate.public_key()
    except ValueError:
        return "unknown"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def _crl(file: Path) -> CrlNow:
    if not file.exists():
        return CrlNow(str(file), problem="there is none yet")
    try:
        found = read_crl(file)
    except Refused as refused:
        return CrlNow(str(file), problem=refused.reason)
    size = file.stat().st_size
    return CrlNow(str(file), found.number, found.this_update, found.next_update, len(found.serials), size)


def _stamp(file: Path) -> _Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
