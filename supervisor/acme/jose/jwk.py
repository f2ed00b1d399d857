"""Account keys as JSON Web Keys: reading one that a client sent, and one that is on record.

RFC 7517, RFC 7518 6.2 and 6.3, RFC 8037 2, thumbprints by RFC 7638. A key that is no key of its type, or too weak
to stand for an account, is badPublicKey (RFC 8555 6.2). Whether this CA blocks a key is asked where an account is
made or changed: a blocked key may still revoke its own certificates. Used by all of `supervisor.acme`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stages.ca.key_policy import KeyPolicy
from stages.errors import Refused
from supervisor.acme.jose.algorithms import PublicKey
from supervisor.acme.jose.encoding import canonical_json, from_base64url, json_object, to_base64url
from supervisor.acme.problems import AcmeProblem, from_refused

PRIVATE_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
"""RFC 7518 6.2.2, 6.3.2, 6.4: what only its owner may know."""

ED25519_PRIME: Final = 2**255 - 19
ED25519_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        ED25519_PRIME - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        # The spellings of 0 and 1 that are not reduced.
        ED25519_PRIME,
        ED25519_PRIME + 1,
    }
)
"""The y of the points of order 1, 2, 4 and 8: signatures by such a key can be made by anyone (RFC 8032 8.8)."""


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key that may sign requests; two are equal when their canonical texts are.

    Attributes:
        canonical: the JSON of RFC 7638 3, ASCII, as it is kept on record.
        thumbprint: unpadded base64url SHA-256 of it.
        algorithms: every `alg` that fits the key.
        key: the key itself.
    """

    canonical: str
    thumbprint: str = field(compare=False)
    algorithms: tuple[str, ...] = field(compare=False)
    key: PublicKey = field(compare=False, repr=False)

    @property
    def spki_der(self) -> bytes:
        """The DER of its SubjectPublicKeyInfo, as lists of blocked keys and certificates know it."""
        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def members(self) -> dict[str, str]:
        """The members that make the key, for an account object."""
        return dict(json_object(self.canonical.encode("ascii"), "jwk"))


def parse_jwk(value: object) -> Jwk:
    """Read a `jwk` that a client sent. Members that say nothing of the key, such as `alg` or `kid`, are ignored.

    Raises AcmeProblem: malformed for what is no JWK, badPublicKey for a key that is not supported, not valid or weak.
    """
    jwk = _read(value)
    try:
        KeyPolicy().check(jwk.key, jwk.spki_der, field="jwk")
    except Refused as refused:
        raise from_refused(refused) from None
    return jwk


def jwk_from_text(canonical: str) -> Jwk:
    """Read a key that is on record, as `Jwk.canonical` wrote it; it was checked when it came.

    Raises AcmeProblem as `parse_jwk` does, for a record that was garbled.
    """
    return _read(json_object(canonical.encode(), "jwk"))


def _read(value: object) -> Jwk:
    if not isinstance(value, dict):
        raise AcmeProblem("malformed", "jwk: it must be a JSON object")
    kty = value.get("kty")
    if not isinstance(kty, str):
        raise AcmeProblem("malformed", "jwk: the member kty is missing or no string (RFC 7517 4.1)")
    if any(member in value for member in PRIVATE_MEMBERS):
        raise _bad("it has members of a private key; take the key out of use, and send the public part of a new one")
    reader = READERS.get(kty)
    if reader is None:
        raise _bad("the key type kty is not supported; use EC, RSA or OKP")
    members, algorithms, key = reader(value)
    canonical = canonical_json(members)
    thumbprint = to_base64url(hashlib.sha256(canonical.encode("ascii")).digest())
    return Jwk(canonical, thumbprint, algorithms, key)


Parts: TypeAlias = tuple[dict[str, str], tuple[str, ...], PublicKey]
"""The members of the canonical text, the algorithms that fit, the key."""


def _read_ec(value: dict[str, Any]) -> Parts:
    """RFC 7518 6.2.1: x and y are as long as the curve's field."""
    crv = _string(value, "crv")
    known = CURVES.get(crv)
    if known is None:
        raise _bad("the curve crv is not supported; use P-256, P-384 or P-521")
    curve, octets, alg = known
    x, y = _coordinate(value, "x", octets), _coordinate(value, "y", octets)
    try:
        key = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    except ValueError:
        raise _bad("x and y are no point on the curve") from None
    return {"crv": crv, "kty": "EC", "x": to_base64url(x), "y": to_base64url(y)}, (alg,), key


def _read_okp(value: dict[str, Any]) -> Parts:
    """RFC 8037 2."""
    if _string(value, "crv") != "Ed25519":
        raise _bad("the curve crv is not supported; of type OKP only Ed25519 is")
    x = _coordinate(value, "x", 32)
    if int.from_bytes(x, "little") % 2**255 in ED25519_SMALL_ORDER:
        raise _bad("x is a point of small order: anyone could sign for it")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(x)
    except (ValueError, UnsupportedAlgorithm):
        raise _bad("x is no Ed25519 key") from None
    return {"crv": "Ed25519", "kty": "OKP", "x": to_base64url(x)}, ("EdDSA",), key


def _read_rsa(value: dict[str, Any]) -> Parts:
    """RFC 7518 6.3.1: n and e have no leading zero octets. OpenSSL takes no e over 64 bits with a large n."""
    n, e = _unsigned(value, "n", 512), _unsigned(value, "e", 8)
    try:
        key = rsa.RSAPublicNumbers(int.from_bytes(e), int.from_bytes(n)).public_key()
    except ValueError:
        raise _bad("n and e are no RSA key") from None
    return {"e": to_base64url(e), "kty": "RSA", "n": to_base64url(n)}, ("RS256", "RS384", "RS512"), key


CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, int, str]]] = MappingProxyType(
    {
        "P-256": (ec.SECP256R1(), 32, "ES256"),
        "P-384": (ec.SECP384R1(), 48, "ES384"),
        "P-521": (ec.SECP521R1(), 66, "ES512"),
    }
)
"""RFC 7518 6.2.1.1: the curve, the octets of a coordinate, and the one `alg` that fits (3.4)."""

READERS: Final[Mapping[str, Callable[[dict[str, Any]], Parts]]] = MappingProxyType(
    {"EC": _read_ec, "OKP": _read_okp, "RSA": _read_rsa}
)


def _string(value: dict[str, Any], member: str) -> str:
    text = value.get(member)
    if not isinstance(text, str):
        raise AcmeProblem("malformed", f"jwk: the member {member} is missing or no string")
    return text


def _coordinate(value: dict[str, Any], member: str, octets: int) -> bytes:
    raw = from_base64url(_string(value, member), f"jwk.{member}")
    if len(raw) != octets:
        raise _bad(f"{member} has {len(raw)} octets; it must have exactly {octets}, leading zeros included")
    return raw


def _unsigned(value: dict[str, Any], member: str, maximum: int) -> bytes:
    raw = from_base64url(_string(value, member), f"jwk.{member}")
    if not raw or raw[0] == 0:
        raise _bad(f"{member} is empty or begins with a zero octet (RFC 7518 6.3.1)")
    if len(raw) > maximum:
        raise _bad(f"{member} has {len(raw)} octets; at most {maximum} are allowed")
    return raw


def _bad(reason: str) -> AcmeProblem:
    return AcmeProblem("badPublicKey", f"jwk: {reason}")
