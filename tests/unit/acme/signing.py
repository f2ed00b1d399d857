"""A signer of its own for the tests: keys, JWKs and JWS made with `cryptography` and the standard library alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

URL = "https://ca.example/acme/new-order"
KID = "https://ca.example/acme/account/AAAAAAAAAAAAAAAAAAAAAA"
NONCE = "AAECAwQFBgcICQoLDA0ODw"
CURVES: dict[str, tuple[ec.EllipticCurve, int, str, hashes.HashAlgorithm]] = {
    "secp256r1": (ec.SECP256R1(), 32, "P-256", hashes.SHA256()),
    "secp384r1": (ec.SECP384R1(), 48, "P-384", hashes.SHA384()),
    "secp521r1": (ec.SECP521R1(), 66, "P-521", hashes.SHA512()),
}
HASHES: dict[str, Any] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@cache
def key(kind: str = "P-256", number: int = 1) -> Any:
    """One private key of each kind and number for the whole run; the kinds are P-256 to P-521, Ed25519, RSA-<bits>."""
    assert number
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({name: curve for curve, _, name, _ in CURVES.values()}[kind])


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, octets: int = 0) -> str:
    return b64(value.to_bytes(octets or (value.bit_length() + 7) // 8))


def jwk(private: Any) -> dict[str, Any]:
    """The JWK of a private key's public half."""
    public = private.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    numbers = public.public_numbers()
    if isinstance(public, rsa.RSAPublicKey):
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    _, octets, name, _ = CURVES[public.curve.name]
    return {"kty": "EC", "crv": name, "x": number(numbers.x, octets), "y": number(numbers.y, octets)}


def signature(signer: Any, alg: str, signed: bytes) -> bytes:
    """What `alg` makes of these bytes; a signer that is bytes is the key of a MAC."""
    if isinstance(signer, bytes):
        return hmac.new(signer, signed, getattr(hashlib, f"sha{alg[2:]}")).digest()
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return signer.sign(signed)
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(signed, padding.PKCS1v15(), HASHES.get(alg[2:], hashes.SHA256()))
    _, octets, _, digest = CURVES[signer.curve.name]
    r, s = decode_dss_signature(signer.sign(signed, ec.ECDSA(digest)))
    return r.to_bytes(octets) + s.to_bytes(octets)


def header(**changes: Any) -> dict[str, Any]:
    """A good protected header with a kid; a change to None takes a member out."""
    members: dict[str, Any] = {"alg": "ES256", "kid": KID, "nonce": NONCE, "url": URL} | changes
    return {name: value for name, value in members.items() if value is not None}


def with_jwk(private: Any, alg: str = "ES256", **changes: Any) -> dict[str, Any]:
    return header(alg=alg, kid=None, jwk=jwk(private), **changes)


def flattened(protected: dict[str, Any] | bytes, payload: object = b"{}", signer: Any = None) -> dict[str, Any]:
    """A JWS as a Python object; a payload that is not bytes becomes JSON, a header that is bytes is taken as it is."""
    text = protected if isinstance(protected, bytes) else json.dumps(protected).encode()
    alg = protected["alg"] if isinstance(protected, dict) else "ES256"
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = f"{b64(text)}.{b64(raw)}"
    made = signature(key() if signer is None else signer, str(alg), signed.encode())
    return {"protected": b64(text), "payload": b64(raw), "signature": b64(made)}


def body(head: dict[str, Any] | bytes, data: object = b"{}", signer: Any = None, /, **changes: Any) -> bytes:
    """The body of a request, as `flattened` makes it, with members changed; a change to None takes one out."""
    members = flattened(head, data, signer) | changes
    return json.dumps({name: value for name, value in members.items() if value is not None}).encode()
