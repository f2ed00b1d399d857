"""tls-alpn-01 (RFC 8737, RFC 8738): a certificate that says so itself. For `validators` alone."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from stages.challenges.evidence import Fault, Trail
from stages.challenges.names import canonical_host, endpoint, is_address
from stages.challenges.settings import Claim, Tools
from stages.challenges.streams import is_answer, phrase

ACME_TLS: Final = "acme-tls/1"
ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_OCTET_STRING_32: Final = b"\x04\x20"


class BadCertificate(ValueError):  # noqa: N818  an answer about what came
    """A certificate that is not the proof; its text says why, without any of its bytes."""


async def tlsalpn01(tools: Tools, claim: Claim, trail: Trail) -> None:
    """Shake hands for "acme-tls/1" alone and look at the certificate; return when it carries the digest.

    Raises:
        Fault: kinds "dns", "connection", "tls" and "incorrectResponse"; "malformed" where it cannot prove the
            name.
    """
    host = canonical_host(claim.name)
    if host is None:
        raise Fault("malformed", "tls-alpn-01 proves DNS names and IP addresses, no wildcards", lasting=True)
    port = tools.settings.tls_port
    connection, address = await tools.dialer.dial(endpoint(host, port), host, port, trail)
    where = f"from {endpoint(address, port)}"
    trail.doing(f"waiting for the TLS handshake {where}", "tls")
    with connection:
        try:
            tls = await connection.start_tls(tools.acme_tls, server_name(host))
        except OSError as error:
            trail.saw(phrase(error))
            detail = f"no TLS handshake {where}: {phrase(error)}"
            raise Fault("tls", detail, lasting=is_answer(error)) from error
    if tls.selected_alpn_protocol() != ACME_TLS:
        trail.saw(f"no {ACME_TLS}")
        raise Fault("tls", f"expected the protocol {ACME_TLS}, which was not agreed on, {where}", lasting=True)
    try:
        check_certificate(tls.getpeercert(binary_form=True) or b"", host, claim.key_authorization)
    except BadCertificate as error:
        trail.saw(str(error))
        detail = f"expected the certificate of RFC 8737, saw one {where} that does not fit: {error}"
        raise Fault("incorrectResponse", detail, lasting=True) from error
    trail.saw("the certificate with the digest")


def server_name(host: str) -> str:
    """Return what goes out as SNI: the name, or the reverse name of an address (RFC 8738 6)."""
    return ipaddress.ip_address(host).reverse_pointer if is_address(host) else host


def check_certificate(der: bytes, host: str, key_authorization: str) -> None:
    """Hold a certificate against RFC 8737 3.

    Raises:
        BadCertificate: it is not self-signed, its subjectAltName is not this one name or address, or it has
            no critical acmeIdentifier with this digest.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
    except (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise BadCertificate("it cannot be read") from error
    _check_signature(certificate)
    _check_names(extensions, host)
    _check_digest(extensions, hashlib.sha256(key_authorization.encode("ascii")).digest())


def _check_signature(certificate: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadCertificate("it is not self-signed") from error


def _check_names(extensions: x509.Extensions, host: str) -> None:
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as error:
        raise BadCertificate("it has no subjectAltName") from error
    if len(names) != 1:
        raise BadCertificate(f"its subjectAltName has {len(names)} entries and not one")
    name = names[0]
    if is_address(host):
        if not isinstance(name, x509.IPAddress) or name.value != ipaddress.ip_address(host):
            raise BadCertificate(f"its subjectAltName is not the address {host}")
    elif not isinstance(name, x509.DNSName) or name.value.lower() != host:
        raise BadCertificate(f"its subjectAltName is not the DNS name {host}")


def _check_digest(extensions: x509.Extensions, digest: bytes) -> None:
    try:
        extension = extensions.get_extension_for_oid(ACME_IDENTIFIER)
    except x509.ExtensionNotFound as error:
        raise BadCertificate("it has no acmeIdentifier extension") from error
    if not extension.critical:
        raise BadCertificate("its acmeIdentifier extension is not critical")
    value = extension.value.value if isinstance(extension.value, x509.UnrecognizedExtension) else b""
    if value[:2] != _OCTET_STRING_32 or len(value) != 2 + len(digest):
        raise BadCertificate("its acmeIdentifier extension is not an OCTET STRING of 32 bytes")
    if value[2:] != digest:
        raise BadCertificate("its acmeIdentifier extension is not the digest of the key authorization")
