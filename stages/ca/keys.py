"""The CA's own private keys: making, keeping, loading, signing. Subjects' keys are `key_policy`'s.

No error of this file carries a key or a passphrase.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from stages.ca.files import read_file, write_new
from stages.errors import Refused


class KeyType(StrEnum):
    """The types of key that can be made here."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"
    ED25519 = "ed25519"
    ML_DSA_65 = "ml-dsa-65"


DEFAULT_KEY_TYPE: Final = KeyType.P256

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey
CURVES: Final[tuple[type[ec.EllipticCurve], ...]] = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
MIN_RSA_BITS: Final = 2048

SignedT_co = TypeVar("SignedT_co", covariant=True)


class Signable(Protocol[SignedT_co]):
    """The certificate, request and CRL builders of `cryptography`."""

    def sign(self, private_key: Any, algorithm: Any, *, ecdsa_deterministic: bool | None = None) -> SignedT_co:
        """Sign what was built."""
        ...


def generate(key_type: str) -> SigningKey:
    """Make a key, from the system's randomness: the library takes no other."""
    try:
        kind = KeyType(key_type)
    except ValueError:
        raise Refused("config", "key_type", f"it must be one of {', '.join(KeyType)}") from None
    match kind:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.ML_DSA_65:
            return mldsa.MLDSA65PrivateKey.generate()
        case KeyType.RSA2048 | KeyType.RSA3072 | KeyType.RSA4096:
            return rsa.generate_private_key(65537, int(kind.value.removeprefix("rsa")))


def save(path: Path, key: SigningKey, passphrase: bytes | None = None) -> None:
    """Write a new PKCS #8 file with mode 0600, encrypted when there is a passphrase; never over a file."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        if not passphrase:
            raise Refused("config", str(path), "the passphrase is empty")
        encryption = serialization.BestAvailableEncryption(passphrase)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    write_new(path, pem, 0o600)


def load(path: Path, passphrase: bytes | None = None) -> SigningKey:
    """Read a PEM key that only its owner can read. Raises Refused("config", path, ...)."""
    data = read_file(path, private=True)
    field = str(path)
    if b"PRIVATE KEY-----" not in data:
        raise Refused("config", field, "it holds no PEM private key")
    encrypted = b"ENCRYPTED" in data
    if encrypted and not passphrase:
        raise Refused("config", field, "the key is encrypted and no passphrase is given")
    if not encrypted and passphrase is not None:
        raise Refused("config", field, "a passphrase is given but the key is not encrypted")
    try:
        key = serialization.load_pem_private_key(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        wrong = "the passphrase is wrong or the key is damaged" if encrypted else "the key is damaged"
        raise Refused("config", field, wrong) from None
    return check_signing_key(key, field)


def check_signing_key(key: object, field: str) -> SigningKey:
    """Give the key back as one that a CA here can sign with; raises Refused("config", field, ...)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, CURVES):
            raise Refused("config", field, f"the curve {key.curve.name} is not supported; use P-256 or P-384")
        return key
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise Refused("config", field, f"the RSA key has {key.key_size} bits, at least {MIN_RSA_BITS} are needed")
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey):
        return key
    raise Refused("config", field, f"the key type is not supported; use one of {', '.join(KeyType)}")


def require_deterministic(key: SigningKey, field: str) -> None:
    """Refuse a key that may not issue: the same intent must give the same bytes after a crash."""
    if isinstance(key, mldsa.MLDSA65PrivateKey):
        raise Refused(
            "config",
            field,
            "ML-DSA signatures are hedged here: signing twice gives different bytes, and a crash"
            " could leave two"
            " certificates for one session; use ml-dsa-65 for a root only, which then signs an"
            " intermediate of"
            " another type",
        )


def sign_with(builder: Signable[SignedT_co], key: SigningKey) -> SignedT_co:
    """Sign with the algorithm of the key: RFC 6979 ECDSA, Ed25519, RSA PKCS #1 v1.5, ML-DSA-65."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return builder.sign(key, _ecdsa_hash(key.curve), ecdsa_deterministic=True)
    if isinstance(key, rsa.RSAPrivateKey):
        return builder.sign(key, hashes.SHA256())
    return builder.sign(key, None)


def _ecdsa_hash(curve: ec.EllipticCurve) -> hashes.HashAlgorithm:
    """The hash whose length fits the curve's (RFC 5480 4)."""
    if isinstance(curve, ec.SECP384R1):
        return hashes.SHA384()
    return hashes.SHA512() if isinstance(curve, ec.SECP521R1) else hashes.SHA256()
