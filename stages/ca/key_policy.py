"""Which public keys this CA certifies: allowed types and sizes, weak keys, keys on the operator's list.

The arithmetic on RSA moduli is the `badkeys` library's. Only tests that need nothing but the library itself
are named
here: its blocklist test wants files below the home directory. Used by `csr`, and for ACME account keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stages.errors import Refused

KEY_TYPES: Final = ("p256", "p384", "p521", "ed25519", "rsa")
"""What a key can be; "rsa" is every allowed size."""

RSA_SIZES: Final = ("rsa2048", "rsa3072", "rsa4096")
"""Words that allow RSA keys of exactly one size, in place of "rsa"."""

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
MIN_EXPONENT: Final = 2**16 + 1
MAX_EXPONENT: Final = 2**256 - 1
"""NIST FIPS 186-5 5.1: an odd exponent between these."""

WEAKNESSES: Final = {
    "rsainvalid": "its numbers are no RSA key",
    "smallfactors": "its modulus has small prime factors",
    "sharedprimes": "its modulus shares a prime with known keys",
    "fermat": "its primes are so close that Fermat's method factors it",
    "roca": "it bears the fingerprint of ROCA (CVE-2017-15361)",
    "rsapoly": "its modulus has a bit pattern that lets it be factored",
    "smalld": "its private exponent is small (Wiener's attack)",
    "pattern": "its modulus has an implausible repetition",
    "xzbackdoor": "its modulus carries the payload of the xz backdoor",
}
"""The tests of `badkeys` that run, in this order, and what each says."""

CURVES: Final = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}
SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")


class KeyPolicy(msgspec.Struct, frozen=True):
    """What is allowed.

    Attributes:
        key_types: words of `KEY_TYPES` and `RSA_SIZES`.
        blocked_spki: lower-case hex SHA-256 digests of SubjectPublicKeyInfos that are never certified.
    """

    key_types: frozenset[str] = frozenset(KEY_TYPES)
    blocked_spki: frozenset[str] = frozenset()

    @classmethod
    def from_settings(cls, *, key_types: Sequence[str] = KEY_TYPES, blocked_spki: Sequence[str] = ()) -> KeyPolicy:
        """Check the settings; raises Refused("config", ...) for keys.allowed and keys.blocked_file."""
        words = KEY_TYPES + RSA_SIZES
        if not key_types:
            raise Refused("config", "keys.allowed", f"at least one of {', '.join(words)} is needed")
        for index, word in enumerate(key_types):
            if word not in words:
                raise Refused("config", f"keys.allowed[{index}]", f"it must be one of {', '.join(words)}")
        for index, digest in enumerate(blocked_spki, 1):
            if not SHA256_HEX.fullmatch(digest.lower()):
                raise Refused("config", "keys.blocked_file", f"digest {index} is not 64 hex digits")
        return cls(frozenset(key_types), frozenset(digest.lower() for digest in blocked_spki))

    def check(self, key: object, spki_der: bytes, kind: str = "badPublicKey", field: str = "public key") -> str:
        """Give the key's type, one of `KEY_TYPES`; raises Refused(kind, field, ...) for a bad one.

        RFC 8555 6.7 has badPublicKey for the keys of accounts and badCSR for those in requests.
        """
        key_type = _key_type(key, kind, field)
        if isinstance(key, rsa.RSAPublicKey):
            _check_rsa_numbers(key, kind, field)
        if key_type not in self.key_types and not self._allows_size(key):
            raise Refused(kind, field, f"keys of type {_described(key, key_type)} are not allowed here")
        if hashlib.sha256(spki_der).hexdigest() in self.blocked_spki:
            raise Refused(kind, field, "the key is on this CA's list of blocked keys")
        if isinstance(key, rsa.RSAPublicKey):
            _check_rsa_strength(key, kind, field)
        return key_type

    def _allows_size(self, key: object) -> bool:
        return isinstance(key, rsa.RSAPublicKey) and f"rsa{key.key_size}" in self.key_types


def _described(key: object, key_type: str) -> str:
    return f"rsa{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else key_type


def _key_type(key: object, kind: str, field: str) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = CURVES.get(key.curve.name)
        if name is None:
            raise Refused(kind, field, f"the curve {key.curve.name} is not supported; use P-256, P-384 or P-521")
        return name
    raise Refused(kind, field, "the key type is not supported; use P-256, P-384, P-521, RSA or Ed25519")


def _check_rsa_numbers(key: rsa.RSAPublicKey, kind: str, field: str) -> None:
    numbers = key.public_numbers()
    bits = numbers.n.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS or bits % 8:
        raise Refused(
            kind,
            field,
            f"the RSA key has {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS}, a multiple of 8, are allowed",
        )
    if not MIN_EXPONENT <= numbers.e <= MAX_EXPONENT or numbers.e % 2 == 0:
        raise Refused(kind, field, "the RSA exponent must be odd and between 2^16+1 and 2^256-1; 65537 is usual")


def _check_rsa_strength(key: rsa.RSAPublicKey, kind: str, field: str) -> None:
    import badkeys  # noqa: PLC0415  35 ms and 6.7 MB, which a CA whose clients have no RSA keys does not need

    numbers = key.public_numbers()
    for test, meaning in WEAKNESSES.items():
        if badkeys.checkrsa(numbers.n, numbers.e, checks=[test]):
            raise Refused(kind, field, f"the RSA key is weak: {meaning} (test {test})")
