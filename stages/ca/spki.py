"""A public key as certificates carry it: its SubjectPublicKeyInfo (RFC 5280 4.1.2.7), and the digest that names it."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    """The DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_sha256(certificate: x509.Certificate) -> str:
    """Lower-case hex SHA-256 of the SubjectPublicKeyInfo."""
    return hashlib.sha256(public_bytes(certificate.public_key())).hexdigest()
