"""Certificate requests (PKCS #10, RFC 2986): reading them, and checking one against its session.

Of a request only the public key and the names count; its other extensions are dropped, and its subject too,
except that a common name must be one of the names. Names must be in the SAN: a common name alone is not
enough (RFC 8555 7.4 allows both places, every client in use fills the SAN). Used by the issue stage, the
front door and the command line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from stages.ca.key_policy import KeyPolicy
from stages.ca.pem import pem_block
from stages.ca.spki import public_bytes
from stages.errors import Refused
from stages.names import parse_name

MAX_CSR_BYTES: Final = 64 * 1024
"""100 names of 253 bytes and an RSA 4096 key come to half of it."""

PEM_BLOCK: Final = re.compile(
    rb"\s*-----BEGIN (?P<new>NEW )?CERTIFICATE REQUEST-----\r?\n"
    rb"(?P<base64>[A-Za-z0-9+/=\r\n]+?)"
    rb"-----END (?(new)NEW )CERTIFICATE REQUEST-----\s*"
)
HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class CheckedCsr(msgspec.Struct, frozen=True):
    """What is taken from a request that passed.

    Attributes:
        der: the whole request.
        spki_der: its SubjectPublicKeyInfo, encoded again.
        key_type: one of `key_policy.KEY_TYPES`.
    """

    der: bytes
    spki_der: bytes
    key_type: str

    @property
    def sha256(self) -> str:
        """Lower-case hex SHA-256 of the request."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def spki_sha256(self) -> str:
        """Lower-case hex SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki_der).hexdigest()


def check_csr(csr: bytes | str, names: tuple[str, ...], policy: KeyPolicy) -> CheckedCsr:
    """Check a request (PEM or DER) against the session's names and the key policy.

    Raises Refused("badCSR", <part of the request>, ...) for the first thing that is wrong.
    """
    return _check(_der(csr), names, policy)


@lru_cache(maxsize=64)
def _check(der: bytes, names: tuple[str, ...], policy: KeyPolicy) -> CheckedCsr:
    """Both the front door and the issue stage ask, a moment apart: a good answer is kept for so long."""
    request = _load_der(der)
    key = _public_key(request)
    spki_der = public_bytes(key)
    key_type = policy.check(key, spki_der, "badCSR")
    _check_signature(request)
    extensions = _extensions(request)
    _check_no_ca(extensions)
    asked = _san_names(extensions)
    _check_names(asked, names)
    _check_common_names(request, names)
    return CheckedCsr(request.public_bytes(Encoding.DER), spki_der, key_type)


def csr_pem(der: bytes) -> str:
    """A request's DER as PEM (RFC 7468 7)."""
    return pem_block("CERTIFICATE REQUEST", der)


def csr_names(csr: bytes | str) -> tuple[str, ...]:
    """The names of a request, in order, where it alone says them; raises Refused("badCSR", ...)."""
    return _san_names(_extensions(_load(csr)))


def thumbprint(csr: bytes | str) -> str:
    """Unpadded base64url SHA-256 of the SPKI: in key authorizations of sessions without an account."""
    digest = hashlib.sha256(public_bytes(_public_key(_load(csr)))).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _load(csr: bytes | str) -> x509.CertificateSigningRequest:
    return _load_der(_der(csr))


def _der(csr: bytes | str) -> bytes:
    """The request's DER, which may come as PEM; whether it is a request is still to be seen."""
    if isinstance(csr, str):
        if not csr.isascii():
            raise Refused("badCSR", "csr", "the request is not ASCII")
        csr = csr.encode("ascii")
    if not csr:
        raise Refused("badCSR", "csr", "the request is empty")
    if len(csr) > MAX_CSR_BYTES:
        raise Refused("badCSR", "csr", f"the request is larger than {MAX_CSR_BYTES} bytes")
    # A DER request is a SEQUENCE, whose first byte no text has at its start.
    return csr if csr[0] == 0x30 else _from_pem(csr)  # noqa: PLR2004


def _load_der(der: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_der_x509_csr(der)
    except x509.InvalidVersion:
        raise Refused("badCSR", "version", "the version must be 0, which means PKCS #10 v1 (RFC 2986 4.1)") from None
    except ValueError:
        raise Refused("badCSR", "csr", "the request is not the DER of a PKCS #10 request") from None


def _from_pem(text: bytes) -> bytes:
    if text.count(b"-----BEGIN ") > 1:
        raise Refused("badCSR", "csr", "there is more than one PEM block; send the request alone")
    block = PEM_BLOCK.fullmatch(text)
    if block is None:
        raise Refused("badCSR", "csr", "it is neither DER nor exactly one PEM block CERTIFICATE REQUEST")
    try:
        return base64.b64decode(b"".join(block["base64"].split()), validate=True)
    except binascii.Error:
        raise Refused("badCSR", "csr", "the PEM block is not base64") from None


def _public_key(request: x509.CertificateSigningRequest) -> CertificatePublicKeyTypes:
    try:
        return request.public_key()
    except UnsupportedAlgorithm:
        raise Refused(
            "badCSR",
            "public key",
            "the key type or curve is not supported; use P-256, P-384, P-521, RSA or Ed25519",
        ) from None
    except ValueError:
        raise Refused("badCSR", "public key", "the key is not a valid one of its type") from None


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    """RFC 2986 3: the signature proves that the sender holds the private key."""
    try:
        algorithm = request.signature_hash_algorithm
        modern = algorithm is None or isinstance(algorithm, HASHES)
        valid = modern and request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused("badCSR", "signature", "the signature algorithm is not supported") from None
    if not modern:
        raise Refused("badCSR", "signature", "the request must be signed with SHA-256, SHA-384 or SHA-512")
    if not valid:
        raise Refused("badCSR", "signature", "the request is not signed by its own key")


def _extensions(request: x509.CertificateSigningRequest) -> x509.Extensions:
    try:
        oids = [attribute.oid for attribute in request.attributes]
    except ValueError:
        raise Refused(
            "badCSR", "attributes", "an attribute has no value, more than one, or one that cannot be read"
        ) from None
    if len(set(oids)) != len(oids):
        raise Refused("badCSR", "attributes", "an attribute, such as extensionRequest, is there twice")
    try:
        return request.extensions
    except x509.DuplicateExtension:
        raise Refused("badCSR", "extensions", "an extension is there twice") from None
    except (x509.UnsupportedGeneralNameType, ValueError, TypeError):
        raise Refused("badCSR", "extensions", "an extension cannot be read") from None


def _check_no_ca(extensions: x509.Extensions) -> None:
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise Refused("badCSR", "basicConstraints", "a CA certificate is asked for; this CA issues leaves only")
        if isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign):
            raise Refused("badCSR", "keyUsage", "keyCertSign or cRLSign is asked for; this CA issues leaves only")


def _san_names(extensions: x509.Extensions) -> tuple[str, ...]:
    try:
        san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise Refused("badCSR", "subjectAltName", "there is none; a common name alone is not enough") from None
    values = [_san_value(entry, f"subjectAltName[{index}]") for index, entry in enumerate(san)]
    if not values:
        raise Refused("badCSR", "subjectAltName", "it is empty")
    return tuple(dict.fromkeys(values))


def _san_value(entry: x509.GeneralName, field: str) -> str:
    if not isinstance(entry, x509.DNSName | x509.IPAddress):
        raise Refused("badCSR", field, f"it is of type {type(entry).__name__}; only dNSName and iPAddress are issued")
    try:
        name = parse_name(str(entry.value), field)
    except Refused as refused:
        raise Refused("badCSR", field, refused.reason) from None
    if (name.kind == "ip") != isinstance(entry, x509.IPAddress):
        raise Refused("badCSR", field, "it is an IP address in a dNSName; put it into an iPAddress (RFC 8738 4)")
    return name.value


def _check_names(asked: tuple[str, ...], names: tuple[str, ...]) -> None:
    """RFC 8555 7.4: the request must name the identifiers of the order, all of them and no other."""
    for name in asked:
        if name not in names:
            raise Refused("badCSR", "subjectAltName", f"{name} is not one of the names of this order")
    for name in names:
        if name not in asked:
            raise Refused("badCSR", "subjectAltName", f"{name} is a name of this order and is missing")


def _check_common_names(request: x509.CertificateSigningRequest, names: tuple[str, ...]) -> None:
    try:
        attributes = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError):  # the latter for a text that is a BIT STRING
        raise Refused("badCSR", "subject", "the subject cannot be read") from None
    for attribute in attributes:
        if not isinstance(attribute.value, str) or attribute.value.lower() not in names:
            raise Refused("badCSR", "common name", "it is not one of the names of this order; leave it out")
