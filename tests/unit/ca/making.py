"""Keys, requests and issuers for the tests of `stages.ca`."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stages.ca.csr import CheckedCsr, check_csr
from stages.ca.hierarchy import create_intermediate, create_root
from stages.ca.issuer import Issuer, make_issuer
from stages.ca.key_policy import KeyPolicy
from stages.ca.keys import SigningKey, generate
from stages.ca.profiles import Profile

SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
NOW = 1_800_000_000
DAY = 86_400
YEAR = 365 * DAY
PROFILE = Profile(name="server", validity_seconds=30 * DAY)
FULL_PROFILE = Profile(
    name="full",
    validity_seconds=30 * DAY,
    key_usages=("digitalSignature", "keyEncipherment", "keyAgreement"),
    extended_key_usages=("serverAuth", "clientAuth"),
    crl_url="http://ca.example/crl",
    ca_issuers_url="http://ca.example/issuer.crt",
)


def random_from(seed: int) -> Callable[[int], bytes]:
    """A random source that can be replayed."""
    return lambda size: hashlib.sha256(str(seed).encode()).digest()[:size]


@cache
def numbered_key(key_type: str, number: int) -> SigningKey:
    """One key of each type and number for the whole run: RSA keys take their time."""
    assert number
    return generate(key_type)


def key(key_type: str = "p256") -> SigningKey:
    return numbered_key(key_type, 1)


def second_key(key_type: str = "p256") -> SigningKey:
    return numbered_key(key_type, 2)


@cache
def root(key_type: str = "p256", permitted: tuple[str, ...] = ()) -> x509.Certificate:
    return create_root("Test Root", key(key_type), 10 * YEAR, NOW, random_from(1), permitted=permitted)


@cache
def issuer(
    key_type: str = "p256",
    permitted: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
    root_type: str = "p256",
    root_permitted: tuple[str, ...] = (),
) -> Issuer:
    """An intermediate below a root."""
    top = root(root_type, root_permitted)
    own = second_key(key_type)
    certificate = create_intermediate(
        "Test Intermediate",
        own,
        top,
        key(root_type),
        5 * YEAR,
        NOW,
        random_from(2),
        permitted=permitted,
        excluded=excluded,
    )
    return make_issuer(own, [certificate, top], NOW)


def san(names: Sequence[str]) -> x509.SubjectAlternativeName:
    entries: list[x509.GeneralName] = []
    for name in names:
        try:
            entries.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            entries.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(entries)


def make_csr(  # the parts that tests vary
    names: Sequence[str] = ("a.example",),
    *,
    signer: Any = None,
    common_names: Sequence[str] = (),
    extensions: Sequence[x509.ExtensionType] = (),
    attributes: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """The DER of a request, signed by `signer` (P-256 unless given)."""
    signer = signer or key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in common_names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(san(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    for oid, value in attributes:
        builder = builder.add_attribute(x509.ObjectIdentifier(oid), value)
    algorithm = None
    if isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey):
        algorithm = hashes.SHA256()
    return builder.sign(signer, algorithm).public_bytes(Encoding.DER)


def checked(names: Sequence[str] = ("a.example",), signer: Any = None) -> CheckedCsr:
    return check_csr(make_csr(names, signer=signer), tuple(names), KeyPolicy())


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size) + body


def integer(number: int) -> bytes:
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1))


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    body = bytes([first * 40 + second])
    for part in rest:
        chunk = [part & 0x7F]
        while part := part >> 7:
            chunk.insert(0, 0x80 | part & 0x7F)
        body += bytes(chunk)
    return tlv(0x06, body)


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def rsa_spki(modulus: int, exponent: int = 65537) -> bytes:
    algorithm = sequence(oid("1.2.840.113549.1.1.1"), b"\x05\x00")
    return sequence(algorithm, tlv(0x03, b"\x00", sequence(integer(modulus), integer(exponent))))


def spki_csr(spki: bytes) -> bytes:
    """A request with this key and a signature that is none: the key is looked at before the signature."""
    return raw_csr(extension_request(san_extension(tlv(0x82, b"a.example"))), spki=spki)


def san_extension(*general_names: bytes) -> bytes:
    return sequence(oid("2.5.29.17"), tlv(0x04, sequence(*general_names)))


def extension_request(*extensions: bytes) -> bytes:
    return sequence(oid("1.2.840.113549.1.9.14"), tlv(0x31, sequence(*extensions)))


def raw_csr(
    *attributes: bytes,
    spki: bytes = b"",
    version: int = 0,
    algorithm: str = "1.2.840.10045.4.3.2",
    subject: bytes = b"\x30\x00",
) -> bytes:
    """A request put together by hand; signed by `key()` unless another `spki` is given."""
    own = key()
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    if not spki:
        spki = x509.load_der_x509_csr(make_csr()).public_key().public_bytes(*SPKI)
    info = sequence(integer(version), subject, spki, tlv(0xA0, *attributes))
    signature = own.sign(info, ec.ECDSA(hashes.SHA256()))
    return sequence(info, sequence(oid(algorithm)), tlv(0x03, b"\x00", signature))


def to_pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
