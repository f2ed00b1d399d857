"""Account keys as JSON Web Keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from supervisor.acme.jose.jwk import ED25519_PRIME, ED25519_SMALL_ORDER, jwk_from_text, parse_jwk
from supervisor.acme.problems import AcmeProblem
from tests.unit.acme.signing import b64, jwk, key, number

KINDS = ("P-256", "P-384", "P-521", "Ed25519", "RSA-2048", "RSA-3072", "RSA-4096")
EC = jwk(key())
OKP = jwk(key("Ed25519"))
RSA = jwk(key("RSA-2048"))
RFC_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_8037 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


@pytest.mark.parametrize(
    ("value", "thumbprint"),
    [
        (RFC_7638, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (RFC_8037, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ],
)
def test_thumbprint_of_rfc_example(value: dict[str, str], thumbprint: str) -> None:
    """The examples of RFC 7638 3.1 and RFC 8037 A.3 come out as printed."""
    assert parse_jwk(value).thumbprint == thumbprint


@pytest.mark.parametrize("kind", KINDS)
def test_parse_jwk_takes_each_kind(kind: str) -> None:
    """Each supported key is read, its canonical text has the needed members alone, in order, and reads back."""
    value = jwk(key(kind))
    found = parse_jwk(value | {"use": "sig", "kid": "x", "alien": [1]})
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert found.canonical == canonical
    assert found.thumbprint == b64(hashlib.sha256(canonical.encode()).digest())
    assert found.members == value
    assert found.spki_der == key(kind).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert jwk_from_text(canonical) == found
    assert jwk_from_text(canonical).key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == found.spki_der


def test_parse_jwk_takes_largest_key() -> None:
    """RSA 4096 is the largest key that passes; 3072 and its like, any multiple of 8 between, pass too."""
    assert parse_jwk(jwk(key("RSA-4096"))).algorithms == ("RS256", "RS384", "RS512")


def without(value: dict[str, str], member: str) -> dict[str, str]:
    return {name: text for name, text in value.items() if name != member}


def flipped(value: dict[str, str], member: str) -> dict[str, str]:
    text = value[member]
    return value | {member: ("B" if text[0] == "A" else "A") + text[1:]}


def rsa_jwk(n: int, e: int = 65537) -> dict[str, str]:
    return {"kty": "RSA", "n": number(n), "e": number(e)}


CLOSE = rsa.RSAPublicNumbers(65537, ((1 << 1024) - 105) * ((1 << 1024) - 1053 + 2)).n


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (None, "malformed", "it must be a JSON object"),
        ("x", "malformed", "it must be a JSON object"),
        ([EC], "malformed", "it must be a JSON object"),
        ({}, "malformed", "the member kty is missing"),
        (EC | {"kty": 1}, "malformed", "the member kty is missing or no string"),
        (EC | {"kty": "ec"}, "badPublicKey", "the key type kty is not supported"),
        ({"kty": "AKP", "pub": "x"}, "badPublicKey", "the key type kty is not supported"),
        ({"kty": "oct", "k": "x"}, "badPublicKey", "members of a private key"),
        (EC | {"d": "x"}, "badPublicKey", "members of a private key"),
        (OKP | {"d": "x"}, "badPublicKey", "members of a private key"),
        (RSA | {"p": "x"}, "badPublicKey", "members of a private key"),
        (EC | {"crv": "P-224"}, "badPublicKey", "the curve crv is not supported"),
        (EC | {"crv": "secp256k1"}, "badPublicKey", "the curve crv is not supported"),
        (EC | {"crv": "Ed25519"}, "badPublicKey", "the curve crv is not supported"),
        (EC | {"crv": "P-384"}, "badPublicKey", "x has 32 octets; it must have exactly 48"),
        (without(EC, "crv"), "malformed", "the member crv is missing"),
        (without(EC, "x"), "malformed", "the member x is missing"),
        (EC | {"y": 5}, "malformed", "the member y is missing or no string"),
        (EC | {"x": EC["x"] + "="}, "malformed", "jwk.x: it is not base64url"),
        (EC | {"x": b64(bytes(31))}, "badPublicKey", "x has 31 octets; it must have exactly 32"),
        (EC | {"x": b64(bytes(1)) + EC["x"]}, "malformed", "jwk.x: it is not base64url"),
        (EC | {"y": b64(bytes(33))}, "badPublicKey", "y has 33 octets; it must have exactly 32"),
        (EC | {"x": b64(bytes(32)), "y": b64(bytes(32))}, "badPublicKey", "no point on the curve"),
        (EC | {"x": b64(b"\xff" * 32)}, "badPublicKey", "no point on the curve"),
        (flipped(EC, "x"), "badPublicKey", "no point on the curve"),
        (EC | {"x": EC["y"], "y": EC["x"]}, "badPublicKey", "no point on the curve"),
        (OKP | {"crv": "Ed448"}, "badPublicKey", "only Ed25519"),
        (OKP | {"crv": "X25519"}, "badPublicKey", "only Ed25519"),
        (without(OKP, "x"), "malformed", "the member x is missing"),
        (OKP | {"x": b64(bytes(31))}, "badPublicKey", "x has 31 octets"),
        (OKP | {"x": b64(bytes(33))}, "badPublicKey", "x has 33 octets"),
        (without(RSA, "n"), "malformed", "the member n is missing"),
        (RSA | {"e": 65537}, "malformed", "the member e is missing or no string"),
        (RSA | {"e": ""}, "badPublicKey", "e is empty"),
        (RSA | {"e": "AAEAAQ"}, "badPublicKey", "e is empty or begins with a zero octet"),
        (RSA | {"e": "Aw"}, "badPublicKey", "the RSA exponent must be odd and between"),
        (RSA | {"e": "AQ"}, "badPublicKey", "n and e are no RSA key"),
        (RSA | {"e": "AQAC"}, "badPublicKey", "n and e are no RSA key"),
        (RSA | {"e": b64(b"\xff" * 9)}, "badPublicKey", "e has 9 octets; at most 8"),
        (RSA | {"n": b64(b"\0" + b"\xff" * 256)}, "badPublicKey", "n is empty or begins with a zero octet"),
        (RSA | {"n": "AQAB"}, "badPublicKey", "RSA key"),
        (RSA | {"n": b64(b"\xff" * 513)}, "badPublicKey", "n has 513 octets; at most 512"),
        (RSA | {"n": b64(b"\xff" * 50000)}, "badPublicKey", "n has 50000 octets; at most 512"),
        (rsa_jwk((1 << 1024) - 105), "badPublicKey", "has 1024 bits; 2048 to 4096"),
        (rsa_jwk((1 << 2047) - 1), "badPublicKey", "has 2047 bits; 2048 to 4096"),
        (rsa_jwk((1 << 2050) + 1), "badPublicKey", "has 2051 bits; 2048 to 4096, a multiple of 8"),
        (rsa_jwk((1 << 2048) - 2), "badPublicKey", ""),
        (rsa_jwk((1 << 2048) - 3), "badPublicKey", "the RSA key is weak"),
        (rsa_jwk(CLOSE), "badPublicKey", "the RSA key is weak"),
    ],
)
def test_parse_jwk_refuses(value: object, kind: str, words: str) -> None:
    """What is no JWK is malformed; a key that is unsupported, invalid or weak is badPublicKey."""
    with pytest.raises(AcmeProblem) as caught:
        parse_jwk(value)
    assert (caught.value.kind, caught.value.status) == (kind, 400)
    assert words in caught.value.detail


def test_small_order_points_are_all() -> None:
    """The listed y are those of the 8 points whose order divides 8, and their spellings that are not reduced."""
    p, d = ED25519_PRIME, -121665 * pow(121666, -1, ED25519_PRIME) % ED25519_PRIME
    # Order 1 and 2: y is 1 or -1. Order 4: y is 0. Order 8: twice the point has y = 0.
    eighth = {y for y in ED25519_SMALL_ORDER if (d * y**4 + 2 * y**2 - 1) % p == 0}
    assert len(eighth) == 2
    assert ED25519_SMALL_ORDER - eighth == {0, 1, p - 1, p, p + 1}


@pytest.mark.parametrize("y", sorted(ED25519_SMALL_ORDER))
@pytest.mark.parametrize("sign", [0, 1])
def test_parse_jwk_refuses_small_order(y: int, sign: int) -> None:
    """A point of small order stands for nobody, with either sign."""
    value: dict[str, Any] = OKP | {"x": b64((y | sign << 255).to_bytes(32, "little"))}
    with pytest.raises(AcmeProblem, match="badPublicKey: jwk: x is a point of small order"):
        parse_jwk(value)


@pytest.mark.parametrize("text", ["", "{}", "x", '{"kty":"EC","kty":"EC"}'])
def test_jwk_from_text_refuses_garbled_record(text: str) -> None:
    """A record that is no key is refused as a client's is."""
    with pytest.raises(AcmeProblem):
        jwk_from_text(text)
