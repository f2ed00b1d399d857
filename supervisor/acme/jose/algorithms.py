"""The signature algorithms: one row for each `alg`, with what key it fits and how it is checked.

RFC 8555 6.2, RFC 7518 3, RFC 8037 3.1. RFC 8555 forbids "none" and the MACs for requests; the MACs sign external
account bindings alone (7.3.4). PS256 and its like are left out: no ACME client signs with them, and one key with
two paddings is one more thing to get wrong. Used by `jwk` and `jws`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

Check: TypeAlias = Callable[[PublicKey, bytes, bytes], bool]
"""(key, signature, signed bytes) -> whether it is the key's signature. A key or length that does not fit: False."""


def _ecdsa(curve: type[ec.EllipticCurve], octets: int, digest: hashes.HashAlgorithm) -> Check:
    """RFC 7518 3.4: R and S, each of exactly the curve's length, one after the other."""
    scheme = ec.ECDSA(digest)

    def check(key: PublicKey, signature: bytes, signed: bytes) -> bool:
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
            return False
        r, s = int.from_bytes(signature[:octets]), int.from_bytes(signature[octets:])
        return _holds(lambda: key.verify(encode_dss_signature(r, s), signed, scheme))

    return check


def _pkcs1(digest: hashes.HashAlgorithm) -> Check:
    """RFC 7518 3.3: RSASSA-PKCS1-v1_5."""
    scheme = padding.PKCS1v15()

    def check(key: PublicKey, signature: bytes, signed: bytes) -> bool:
        return isinstance(key, rsa.RSAPublicKey) and _holds(lambda: key.verify(signature, signed, scheme, digest))

    return check


def _eddsa(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    """RFC 8037 3.1, Ed25519 of RFC 8032."""
    return isinstance(key, ed25519.Ed25519PublicKey) and _holds(lambda: key.verify(signature, signed))


def _holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True


CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "ES256": _ecdsa(ec.SECP256R1, 32, hashes.SHA256()),
        "ES384": _ecdsa(ec.SECP384R1, 48, hashes.SHA384()),
        "ES512": _ecdsa(ec.SECP521R1, 66, hashes.SHA512()),
        "EdDSA": _eddsa,
        "RS256": _pkcs1(hashes.SHA256()),
        "RS384": _pkcs1(hashes.SHA384()),
        "RS512": _pkcs1(hashes.SHA512()),
    }
)
"""Every `alg` that signs requests."""

SIGNATURE_BYTES: Final[Mapping[str, int]] = MappingProxyType(
    {"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64, "HS256": 32, "HS384": 48, "HS512": 64}
)
"""How long the signature of an `alg` is. An RSA signature is as long as its key's modulus."""

MACS: Final[Mapping[str, str]] = MappingProxyType({"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"})
"""RFC 7518 3.2: every `alg` of an external account binding, and its hash."""

SIGNATURES: Final = tuple(CHECKS)
BINDINGS: Final = tuple(MACS)


def signature_bytes(alg: str, key: PublicKey) -> int:
    """How long a signature by this algorithm and key is."""
    return (key.key_size + 7) // 8 if isinstance(key, rsa.RSAPublicKey) else SIGNATURE_BYTES[alg]


def mac_is_right(alg: str, key: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether `signature` is the HMAC of `signed`, compared in constant time."""
    return hmac.compare_digest(hmac.digest(key, signed, MACS[alg]), signature)
