"""The JWS inside a JWS: external account bindings (RFC 8555 7.3.4) and key changes (7.3.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supervisor.acme.jose.jws import check_url, parse_binding, parse_key_change, require_jwk, verify, verify_mac
from supervisor.acme.problems import AcmeProblem
from tests.unit.acme.signing import b64, body, flattened, header, jwk, key, with_jwk

MAC_KEY = bytes(range(32))
URL = "https://ca.example/acme/new-account"
BINDING: dict[str, Any] = {"alg": "HS256", "kid": "partner-1", "url": URL}


def bound(head: dict[str, Any] | bytes = b"", signer: bytes = MAC_KEY) -> dict[str, Any]:
    return flattened(head or BINDING, jwk(key()), signer)


def rotation(**changes: Any) -> dict[str, Any]:
    return with_jwk(key("P-384"), "ES384", nonce=None, url=URL) | changes


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_binding_is_verified(alg: str) -> None:
    """A binding by each MAC passes with its key; kid, url and the account's key come out."""
    jws = parse_binding(bound(BINDING | {"alg": alg}))
    verify_mac(jws, MAC_KEY)
    check_url(jws, URL)
    assert (jws.kid, jws.nonce, jws.jwk, json.loads(jws.payload)) == ("partner-1", None, None, jwk(key()))


def test_binding_of_other_key_is_unauthorized() -> None:
    """A MAC by another key, or of something else, is unauthorized."""
    changed = bound() | {"payload": b64(json.dumps(jwk(key("P-256", 2))).encode())}
    for value in (bound(signer=b"another"), changed):
        with pytest.raises(AcmeProblem) as caught:
            verify_mac(parse_binding(value), MAC_KEY)
        assert (caught.value.kind, caught.value.status) == ("unauthorized", 403)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (None, "malformed", "JWS: it must be a JSON object"),
        ("x", "malformed", "JWS: it must be a JSON object"),
        ([], "malformed", "JWS: it must be a JSON object"),
        ({}, "malformed", "protected: it is missing"),
        (bound() | {"header": {}}, "malformed", "header: an unprotected header"),
        (bound() | {"signatures": []}, "malformed", "signatures: one signature"),
        (bound() | {"payload": None}, "malformed", "payload: it is missing"),
        (bound(BINDING | {"nonce": "AAAA"}), "malformed", "nonce: an inner JWS must have none"),
        (flattened(header(), b"{}", key()), "badSignatureAlgorithm", "alg: it is not supported here; use one of HS256"),
        (bound(json.dumps(BINDING | {"alg": "none"}).encode()), "badSignatureAlgorithm", "alg: it is not supported"),
        (bound(json.dumps(BINDING | {"kid": None}).encode()), "malformed", "jwk and kid: one of them"),
        (bound(json.dumps(BINDING | {"kid": 7}).encode()), "malformed", "jwk and kid: one of them"),
        (bound(BINDING | {"jwk": jwk(key())}), "malformed", "jwk and kid: only one"),
        (
            bound({"alg": "HS256", "jwk": jwk(key()), "url": URL}),
            "malformed",
            "externalAccountBinding: it must name the external key as kid",
        ),
        (bound({"alg": "HS256", "kid": "x"}), "malformed", "url: it is missing"),
        (bound(BINDING | {"crit": []}), "malformed", "crit: no critical extension"),
        (bound() | {"signature": b64(bytes(31))}, "malformed", "signature: it has 31 octets; HS256"),
        (bound() | {"signature": b64(bytes(16))}, "malformed", "signature: it has 16 octets; HS256"),
    ],
)
def test_parse_binding_refuses(value: object, kind: str, words: str) -> None:
    """Each demand of RFC 8555 7.3.4 on the binding's form has its refusal."""
    with pytest.raises(AcmeProblem) as caught:
        parse_binding(value)
    assert caught.value.kind == kind
    assert caught.value.detail.startswith(words)


def test_binding_algorithms_are_listed() -> None:
    """A binding signed with a public key is told which algorithms bind."""
    with pytest.raises(AcmeProblem) as caught:
        parse_binding(flattened(header(nonce=None), b"{}", key()))
    assert caught.value.members == {"algorithms": ["HS256", "HS384", "HS512"]}


def test_verify_mac_refuses_signed_request() -> None:
    """A key change is no binding, whatever the key."""
    jws = parse_key_change(body(rotation(), b"{}", key("P-384")))
    with pytest.raises(AcmeProblem, match="badSignatureAlgorithm"):
        verify_mac(jws, MAC_KEY)


def test_verify_refuses_binding() -> None:
    """A MAC is never taken for a signature by a public key."""
    with pytest.raises(AcmeProblem, match="badSignatureAlgorithm"):
        verify(parse_binding(bound()), require_jwk(parse_key_change(body(rotation(), b"{}", key("P-384")))))


def test_key_change_is_verified_by_its_own_key() -> None:
    """The inner JWS of a key change carries the new key and is signed by it."""
    payload = {"account": "https://ca.example/acme/account/1", "oldKey": jwk(key())}
    jws = parse_key_change(body(rotation(), payload, key("P-384")))
    verify(jws, require_jwk(jws))
    check_url(jws, URL)
    assert (jws.kid, jws.nonce, json.loads(jws.payload)) == (None, None, payload)


@pytest.mark.parametrize(
    ("payload", "kind", "words"),
    [
        (b"", "malformed", "payload: it is not JSON"),
        (b"[]", "malformed", "payload: it must be a JSON object"),
        (b"{}", "malformed", "protected: it is missing"),
        (body(rotation(nonce="AAAA"), b"{}", key("P-384")), "malformed", "nonce: an inner JWS must have none"),
        (body(header(nonce=None), b"{}", key()), "malformed", "inner JWS: it must carry the new key as jwk"),
        (body(BINDING, b"{}", MAC_KEY), "badSignatureAlgorithm", "alg: it is not supported here"),
        (body(rotation(kid="x"), b"{}", key("P-384")), "malformed", "jwk and kid: only one"),
        (
            body(json.dumps(rotation(jwk={"kty": "EC"})).encode(), b"{}", key()),
            "malformed",
            "jwk: the member crv is missing",
        ),
    ],
)
def test_parse_key_change_refuses(payload: bytes, kind: str, words: str) -> None:
    """Each demand of RFC 8555 7.3.5 on the inner JWS's form has its refusal."""
    with pytest.raises(AcmeProblem) as caught:
        parse_key_change(payload)
    assert caught.value.kind == kind
    assert caught.value.detail.startswith(words)
