"""Certificates for tls-alpn-01, right and wrong."""

import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

OID = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
DIGEST = b"\x04\x20" + hashlib.sha256(b"tok.thumb").digest()
ADDRESS = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
NAME = x509.DNSName("a.example")


def make_certificate(
    names: tuple[x509.GeneralName, ...] = (ADDRESS,),
    digest: bytes | None = DIGEST,
    *,
    critical: bool = True,
    self_signed: bool = True,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate and its key; what the arguments change is what is wrong with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if digest is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(OID, digest), critical=critical)
    signer = key if self_signed else ec.generate_private_key(ec.SECP256R1())
    return builder.sign(signer, hashes.SHA256()), key
