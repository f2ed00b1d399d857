"""Signed requests: reading a JWS, and checking its signature.

A row of small checks that raise, in the order of RFC 8555 6: shape, protected header, `crit`, `alg`, `jwk` or
`kid`, `nonce`, `url`, payload, signature. The door goes on with `check_url`, `require_kid` or `require_jwk`, finds
the key and calls `verify`. Flattened JSON alone (RFC 8555 6.2, RFC 7515 7.2.2). Used by all of `supervisor.acme`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from supervisor.acme.jose.algorithms import BINDINGS, CHECKS, MACS, SIGNATURE_BYTES, SIGNATURES, mac_is_right
from supervisor.acme.jose.algorithms import signature_bytes as expected_bytes
from supervisor.acme.jose.encoding import from_base64url, json_object
from supervisor.acme.jose.jwk import Jwk, parse_jwk
from supervisor.acme.problems import AcmeProblem

INVALID_NONCE: Final = "JWS has an invalid anti-replay nonce"
"""Clients look for these words, not for the type badNonce: acme.sh does."""


class Jws(msgspec.Struct, frozen=True, kw_only=True):
    """A JWS that is whole; its signature has not been looked at before `verify`.

    Attributes:
        alg: one that signs requests, or a MAC for a binding.
        kid: the account's URL, or the name of an external key; None where there is a `jwk`.
        jwk: the key that the request carries; None where there is a `kid`.
        nonce: as sent, known to be base64url; None in an inner JWS.
        url: as sent.
        payload: the signed bytes; b"" is POST-as-GET (RFC 8555 6.3).
        signed: what the signature is over (RFC 7515 5.2 step 8).
        signature: of the length that `alg` has.
    """

    alg: str
    kid: str | None
    jwk: Jwk | None
    nonce: str | None
    url: str
    payload: bytes
    signed: bytes
    signature: bytes


def parse(body: bytes) -> Jws:
    """Read the JWS of a request (RFC 8555 6.2); raises AcmeProblem with a 4xx for anything that is none."""
    header, parts = _open(json_object(body, "request body"))
    alg = _check_alg(header, SIGNATURES)
    kid, jwk = _check_key_form(header)
    nonce = _check_nonce_form(header)
    return _close(header, parts, alg, kid, jwk, nonce)


def parse_key_change(payload: bytes) -> Jws:
    """Read the inner JWS of a key change (RFC 8555 7.3.5), the payload of the outer: signed by its own `jwk`.

    Its `url` is still to be compared with the outer one, by `check_url`.
    """
    header, parts = _open(json_object(payload, "payload"))
    alg = _check_alg(header, SIGNATURES)
    kid, jwk = _check_key_form(header)
    if jwk is None:
        raise AcmeProblem("malformed", "inner JWS: it must carry the new key as jwk (RFC 8555 7.3.5)")
    _check_no_nonce(header)
    return _close(header, parts, alg, kid, jwk, None)


def parse_binding(value: object) -> Jws:
    """Read an `externalAccountBinding` (RFC 8555 7.3.4): signed with a MAC, its `kid` names the external key.

    Its `url` is still to be compared with the outer one, by `check_url`, and its MAC by `verify_mac`.
    """
    header, parts = _open(value)
    alg = _check_alg(header, BINDINGS)
    kid, jwk = _check_key_form(header)
    if kid is None:
        raise AcmeProblem("malformed", "externalAccountBinding: it must name the external key as kid (RFC 8555 7.3.4)")
    _check_no_nonce(header)
    return _close(header, parts, alg, kid, jwk, None)


def check_url(jws: Jws, url: str) -> None:
    """RFC 8555 6.4: the signed `url` is the very URL of the request, or the outer JWS's; else unauthorized."""
    if jws.url != url:
        raise AcmeProblem("unauthorized", "url: the signed URL is not the one this request was sent to (RFC 8555 6.4)")


def require_jwk(jws: Jws) -> Jwk:
    """The request's own key, where an account is none yet (RFC 8555 6.2); malformed for a `kid`."""
    if jws.jwk is None:
        raise AcmeProblem("malformed", "kid: this request must carry its key as jwk, not as kid (RFC 8555 6.2)")
    return jws.jwk


def require_kid(jws: Jws) -> str:
    """The URL of the request's account (RFC 8555 6.2); malformed for a `jwk`."""
    if jws.kid is None:
        raise AcmeProblem("malformed", "jwk: this request must name its account as kid, not as jwk (RFC 8555 6.2)")
    return jws.kid


def verify(jws: Jws, key: Jwk) -> None:
    """Check the signature; raises AcmeProblem where `alg` does not fit the key, or the key has not signed this."""
    if jws.alg not in key.algorithms:
        raise _bad_algorithm(f"alg: it does not fit the key; use {' or '.join(key.algorithms)}", key.algorithms)
    _check_signature_bytes(jws, expected_bytes(jws.alg, key.key))
    if not CHECKS[jws.alg](key.key, jws.signature, jws.signed):
        raise AcmeProblem("malformed", "signature: it is not this key's signature of this request")


def verify_mac(jws: Jws, key: bytes) -> None:
    """Check the MAC of a binding in constant time; raises AcmeProblem("unauthorized") for another key's."""
    if jws.alg not in MACS:
        raise _bad_algorithm("alg: an external account binding is signed with a MAC", BINDINGS)
    if not mac_is_right(jws.alg, key, jws.signature, jws.signed):
        raise AcmeProblem("unauthorized", "externalAccountBinding: its signature is not by the key that kid names")


def payload_object(jws: Jws) -> dict[str, Any] | None:
    """The payload as a JSON object, None for POST-as-GET; raises AcmeProblem("malformed") for anything else."""
    return json_object(jws.payload, "payload") if jws.payload else None


def _open(value: object) -> tuple[dict[str, Any], tuple[str, str, str]]:
    """The protected header, and the three parts as sent."""
    parts = _check_shape(value)
    header = json_object(from_base64url(parts[0], "protected"), "protected")
    _check_no_extensions(header)
    return header, parts


def _check_shape(value: object) -> tuple[str, str, str]:
    """RFC 8555 6.2: flattened, one signature, no unprotected header, nothing detached; other members: RFC 7515 7.2."""
    if not isinstance(value, dict):
        raise AcmeProblem("malformed", "JWS: it must be a JSON object in the flattened serialization")
    if "signatures" in value:
        raise AcmeProblem("malformed", "signatures: one signature, in the flattened serialization (RFC 8555 6.2)")
    if "header" in value:
        raise AcmeProblem("malformed", "header: an unprotected header is not allowed (RFC 8555 6.2)")
    for name in ("protected", "payload", "signature"):
        if not isinstance(value.get(name), str):
            raise AcmeProblem("malformed", f"{name}: it is missing or no string (RFC 7515 7.2.2)")
    return value["protected"], value["payload"], value["signature"]


def _check_no_extensions(header: dict[str, Any]) -> None:
    """RFC 7515 4.1.11: no extension is understood here, RFC 7797's `b64` least of all (RFC 8555 6.1)."""
    if "crit" in header:
        raise AcmeProblem("malformed", "crit: no critical extension is supported (RFC 7515 4.1.11)")
    if "b64" in header:
        raise AcmeProblem("malformed", "b64: the payload must be base64url (RFC 8555 6.1)")


def _check_alg(header: dict[str, Any], supported: Sequence[str]) -> str:
    """RFC 8555 6.2: neither "none" nor a MAC; the answer lists what can be used."""
    alg = header.get("alg")
    if not isinstance(alg, str):
        raise AcmeProblem("malformed", "alg: it is missing or no string (RFC 7515 4.1.1)")
    if alg not in supported:
        raise _bad_algorithm(f"alg: it is not supported here; use one of {', '.join(supported)}", supported)
    return alg


def _check_key_form(header: dict[str, Any]) -> tuple[str | None, Jwk | None]:
    """RFC 8555 6.2: `jwk` and `kid` exclude each other, and one of them is there."""
    if "jwk" in header and "kid" in header:
        raise AcmeProblem("malformed", "jwk and kid: only one of them may be there (RFC 8555 6.2)")
    if "jwk" in header:
        return None, parse_jwk(header["jwk"])
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise AcmeProblem("malformed", "jwk and kid: one of them must be there, kid as a string (RFC 8555 6.2)")
    return kid, None


def _check_nonce_form(header: dict[str, Any]) -> str:
    """RFC 8555 6.5.2: without a nonce badNonce, with one that is not base64url malformed."""
    if "nonce" not in header:
        raise AcmeProblem("badNonce", f"{INVALID_NONCE}: there is none")
    nonce = header["nonce"]
    if not from_base64url(nonce, "nonce"):
        raise AcmeProblem("malformed", "nonce: it is empty (RFC 8555 6.5.2)")
    return str(nonce)


def _check_no_nonce(header: dict[str, Any]) -> None:
    """RFC 8555 7.3.4 and 7.3.5: the outer nonce is enough."""
    if "nonce" in header:
        raise AcmeProblem("malformed", "nonce: an inner JWS must have none (RFC 8555 7.3.4, 7.3.5)")


def _check_url_form(header: dict[str, Any]) -> str:
    """RFC 8555 6.4.1: a string."""
    url = header.get("url")
    if not isinstance(url, str):
        raise AcmeProblem("malformed", "url: it is missing or no string (RFC 8555 6.4.1)")
    return url


def _close(
    header: dict[str, Any], parts: tuple[str, str, str], alg: str, kid: str | None, jwk: Jwk | None, nonce: str | None
) -> Jws:
    """The checks that every JWS ends with."""
    protected, payload, signature = parts
    jws = Jws(
        alg=alg,
        kid=kid,
        jwk=jwk,
        nonce=nonce,
        url=_check_url_form(header),
        payload=from_base64url(payload, "payload"),
        signed=f"{protected}.{payload}".encode("ascii"),
        signature=from_base64url(signature, "signature"),
    )
    if alg in SIGNATURE_BYTES:
        _check_signature_bytes(jws, SIGNATURE_BYTES[alg])
    return jws


def _check_signature_bytes(jws: Jws, expected: int) -> None:
    """RFC 7518 3.2 to 3.4, RFC 8032 5.1.6. Short ECDSA signatures (a dropped zero) are not repaired."""
    if len(jws.signature) != expected:
        raise AcmeProblem(
            "malformed", f"signature: it has {len(jws.signature)} octets; {jws.alg} with this key makes {expected}"
        )


def _bad_algorithm(detail: str, supported: Sequence[str]) -> AcmeProblem:
    return AcmeProblem("badSignatureAlgorithm", detail, members={"algorithms": list(supported)})
