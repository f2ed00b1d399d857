"""The names of certificates in renewal information (RFC 9773 4.1): made and read here. Pure.

Two base64url texts without padding: the issuer's key identifier, a dot, and the serial number as the bytes of its DER
INTEGER, so with a zero byte in front where the top bit is set.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509

from supervisor.acme.jose.encoding import from_base64url, to_base64url
from supervisor.acme.problems import AcmeProblem

MAX_SERIAL_BYTES: Final = 21
"""RFC 5280 4.1.2.2: 20 octets; one more for a sign byte of other CAs."""


def certificate_id(authority: bytes, serial: int) -> str:
    """The id of the certificate with this serial number, from an issuer with this key identifier."""
    der = serial.to_bytes(serial.bit_length() // 8 + 1)
    return f"{to_base64url(authority)}.{to_base64url(der)}"


def parse_certificate_id(text: object, field: str) -> tuple[bytes, int]:
    """The issuer's key identifier and the serial number in an id; raises AcmeProblem("malformed")."""
    if not isinstance(text, str) or text.count(".") != 1:
        raise AcmeProblem(
            "malformed", f"{field}: it must be two base64url texts with a dot between them (RFC 9773 4.1)"
        )
    authority, serial = (from_base64url(part, field) for part in text.split("."))
    number = int.from_bytes(serial, signed=True)
    if not authority or number <= 0 or len(serial) > MAX_SERIAL_BYTES or len(serial) != number.bit_length() // 8 + 1:
        raise AcmeProblem(
            "malformed",
            f"{field}: the parts must be a key identifier and the DER of a positive serial number (RFC 9773 4.1)",
        )
    return authority, number


def is_named(pem: str, authority: bytes) -> bool:
    """Whether the certificate that begins this chain (PEM) was issued under this key identifier."""
    leaf = x509.load_pem_x509_certificate(pem.encode("ascii"))
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return found.key_identifier == authority
