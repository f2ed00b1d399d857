"""Signed requests: what passes, and each check of RFC 8555 6 with what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from supervisor.acme.jose.jwk import parse_jwk
from supervisor.acme.jose.jws import check_url, parse, payload_object, require_jwk, require_kid, verify
from supervisor.acme.problems import AcmeProblem
from tests.unit.acme.signing import KID, NONCE, URL, b64, body, flattened, header, jwk, key, signature, with_jwk

P256 = "P-256"
GOOD = header()
RSA = key("RSA-2048")
SUPPORTED = ["ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512"]


def raw_header(text: str) -> bytes:
    return body(text.encode())


def without(member: str) -> bytes:
    return body(GOOD, **{member: None})


def signature_of(size: int) -> bytes:
    return body(GOOD, signature=b64(b"\x01" * size))


@pytest.mark.parametrize(
    ("kind", "alg"),
    [
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("Ed25519", "EdDSA"),
        ("RSA-2048", "RS256"),
        ("RSA-2048", "RS384"),
        ("RSA-2048", "RS512"),
        ("RSA-3072", "RS256"),
        ("RSA-4096", "RS256"),
    ],
)
def test_verify_each_algorithm(kind: str, alg: str) -> None:
    """A request signed by each kind of key passes, by jwk and by kid alike; its parts come out."""
    signer = key(kind)
    jws = parse(body(with_jwk(signer, alg), {"a": 1}, signer))
    own = require_jwk(jws)
    verify(jws, own)
    assert (jws.alg, jws.kid, jws.nonce, jws.url, jws.payload) == (alg, None, NONCE, URL, b'{"a": 1}')
    jws = parse(body(header(alg=alg), {"a": 1}, signer))
    verify(jws, own)
    assert (require_kid(jws), jws.jwk, payload_object(jws)) == (KID, None, {"a": 1})


@pytest.mark.parametrize(
    "sent",
    [
        body(GOOD, alien="x"),
        body(GOOD | {"typ": "JOSE", "cty": "x", "alien": {"a": [1, None]}}),
        b" \n" + body(GOOD) + b"\t ",
        body(json.dumps(GOOD | {"alien": 'a "quoted" \\ word'}).encode()),
        body(json.dumps(GOOD, indent=2).encode()),
        body(GOOD | {"alien": "ü"}),
    ],
)
def test_parse_ignores_what_it_does_not_know(sent: bytes) -> None:
    """Other members and white space are no error (RFC 7515 4 and 7.2.1)."""
    jws = parse(sent)
    verify(jws, parse_jwk(jwk(key())))
    assert jws.kid == KID


@pytest.mark.parametrize(
    ("payload", "found"),
    [(b"", None), (b"{}", {}), ({"resource": "new-order", "a": ["b"]}, {"resource": "new-order", "a": ["b"]})],
)
def test_payload_object(payload: object, found: Any) -> None:
    """An empty payload is POST-as-GET, an empty object is not (RFC 8555 6.3)."""
    assert payload_object(parse(body(GOOD, payload))) == found


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"null",
        b'"x"',
        b"1",
        b" ",
        b"{",
        b"{}{}",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{"a":"\\u0061","a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b'{"a":' * 5000,
        b'{"a":' + b"[" * 60000,
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_payload_object_refuses(payload: bytes) -> None:
    """A payload that is no JSON object, or whose meaning readers would dispute, is malformed."""
    with pytest.raises(AcmeProblem) as caught:
        payload_object(parse(body(GOOD, payload)))
    assert (caught.value.kind, caught.value.status) == ("malformed", 400)


SHAPES: list[tuple[str, bytes, str, str]] = [
    ("empty body", b"", "malformed", "request body: it is not JSON in UTF-8"),
    ("no JSON", b"nonsense", "malformed", "request body: it is not JSON in UTF-8"),
    ("not UTF-8", b'{"protected":"\xff"}', "malformed", "request body: it is not JSON in UTF-8"),
    ("byte order mark", b"\xef\xbb\xbf" + body(GOOD), "malformed", "request body: it is not JSON in UTF-8"),
    ("UTF-16", body(GOOD).decode().encode("utf-16"), "malformed", "request body: it is not JSON in UTF-8"),
    ("cut", body(GOOD)[:-1], "malformed", "request body: it is not JSON in UTF-8"),
    ("two objects", body(GOOD) * 2, "malformed", "request body: it is not JSON in UTF-8"),
    ("NaN", body(GOOD)[:-1] + b',"a":NaN}', "malformed", "request body: it is not JSON in UTF-8"),
    ("control character", b'{"protected":"\x01"}', "malformed", "request body: it is not JSON in UTF-8"),
    ("lone surrogate", body(GOOD)[:-1] + b',"a":"\\udc00"}', "malformed", "request body: it is not JSON in UTF-8"),
    ("array", b"[" + body(GOOD) + b"]", "malformed", "request body: it must be a JSON object"),
    ("string", b'"eyJ.e30.x"', "malformed", "request body: it must be a JSON object"),
    ("compact", b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "malformed", "request body: it is not JSON in UTF-8"),
    ("too deep", b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "malformed", "request body: the JSON has more than 16"),
    ("far too deep", b"[" * 60000, "malformed", "request body: the JSON has more than 16"),
    ("payload twice", body(GOOD)[:-1] + b',"payload":""}', "malformed", "request body: a member is there twice"),
    ("escaped twice", body(GOOD)[:-1] + b',"p\\u0061yload":""}', "malformed", "request body: a member is there twice"),
    ("alien twice", body(GOOD)[:-1] + b',"a":{"b":1,"b":1}}', "malformed", "request body: a member is there twice"),
    ("general serialization", b'{"payload":"","signatures":[]}', "malformed", "signatures: one signature"),
    ("signatures beside signature", body(GOOD, signatures=[]), "malformed", "signatures: one signature"),
    ("unprotected header", body(GOOD, header={"kid": "x"}), "malformed", "header: an unprotected header"),
    ("empty unprotected header", body(GOOD, header={}), "malformed", "header: an unprotected header"),
    ("no protected", without("protected"), "malformed", "protected: it is missing"),
    ("detached payload", without("payload"), "malformed", "payload: it is missing"),
    ("no signature", without("signature"), "malformed", "signature: it is missing"),
    ("payload null", body(GOOD)[:-1].replace(b'"e30"', b"null") + b"}", "malformed", "payload: it is missing"),
    ("payload an object", body(GOOD, payload={}), "malformed", "payload: it is missing or no string"),
    ("protected an object", body(GOOD, protected=GOOD), "malformed", "protected: it is missing or no string"),
    ("signature a list", body(GOOD, signature=["x"]), "malformed", "signature: it is missing or no string"),
]
BASE64: list[tuple[str, bytes, str, str]] = [
    ("protected padded", body(GOOD, protected="e30="), "malformed", "protected: it is not base64url"),
    ("payload padded", body(GOOD, payload="e30="), "malformed", "payload: it is not base64url"),
    ("signature padded", body(GOOD, signature=b64(b"1" * 64) + "=="), "malformed", "signature: it is not base64url"),
    ("payload standard base64", body(GOOD, payload="+/+/"), "malformed", "payload: it is not base64url"),
    ("payload with space", body(GOOD, payload="e3 0"), "malformed", "payload: it is not base64url"),
    ("payload with newline", body(GOOD, payload="e30\n"), "malformed", "payload: it is not base64url"),
    ("payload of impossible length", body(GOOD, payload="e30AA"), "malformed", "payload: it is not base64url"),
    ("payload with stray bits", body(GOOD, payload="e31"), "malformed", "payload: it is not base64url"),
    ("payload not ASCII", body(GOOD, payload="é"), "malformed", "payload: it is not base64url"),
    ("signature with stray bits", body(GOOD, signature="A" * 85 + "B"), "malformed", "signature: it is not base64url"),
    ("dots", body(GOOD, payload="e30.e30"), "malformed", "payload: it is not base64url"),
]
HEADERS: list[tuple[str, bytes, str, str]] = [
    ("protected empty", body(GOOD, protected=""), "malformed", "protected: it is not JSON"),
    ("protected no JSON", raw_header("x"), "malformed", "protected: it is not JSON"),
    ("protected an array", raw_header("[]"), "malformed", "protected: it must be a JSON object"),
    ("alg twice", raw_header('{"alg":"ES256","alg":"none"}'), "malformed", "protected: a member is there twice"),
    ("jwk member twice", raw_header('{"alg":"ES256","jwk":{"x":"","x":""}}'), "malformed", "protected: a member is"),
    ("crit", body(GOOD | {"crit": ["b64"]}), "malformed", "crit: no critical extension"),
    ("crit empty", body(GOOD | {"crit": []}), "malformed", "crit: no critical extension"),
    ("b64 false", body(GOOD | {"b64": False}), "malformed", "b64: the payload must be base64url"),
    ("b64 true", body(GOOD | {"b64": True}), "malformed", "b64: the payload must be base64url"),
    ("no alg", raw_header(json.dumps(header(alg=None))), "malformed", "alg: it is missing"),
    ("alg a list", raw_header(json.dumps(header(alg=["ES256"]))), "malformed", "alg: it is missing or no string"),
    *(
        (f"alg {alg!r}", body(raw_alg.encode()), "badSignatureAlgorithm", "alg: it is not supported here")
        for alg, raw_alg in (
            (alg, json.dumps(header(alg=alg)))
            for alg in ("none", "None", "HS256", "HS384", "HS512", "PS256", "ES256K", "es256", "Ed25519", "", "\u0000x")
        )
    ),
    ("jwk and kid", body(header(jwk=jwk(key()))), "malformed", "jwk and kid: only one"),
    ("jwk and kid null", raw_header(json.dumps(with_jwk(key()) | {"kid": None})), "malformed", "jwk and kid: only one"),
    ("neither jwk nor kid", body(header(kid=None)), "malformed", "jwk and kid: one of them"),
    ("kid a number", body(header(kid=1)), "malformed", "jwk and kid: one of them must be there, kid as a string"),
    ("jwk a string", body(header(kid=None, jwk="x")), "malformed", "jwk: it must be a JSON object"),
    ("jwk null", raw_header(json.dumps(header(kid=None) | {"jwk": None})), "malformed", "jwk: it must be a JSON"),
    ("no nonce", body(header(nonce=None)), "badNonce", "JWS has an invalid anti-replay nonce: there is none"),
    ("nonce null", raw_header(json.dumps(GOOD | {"nonce": None})), "malformed", "nonce: it must be a string"),
    ("nonce empty", body(header(nonce="")), "malformed", "nonce: it is empty"),
    ("nonce a number", body(header(nonce=7)), "malformed", "nonce: it must be a string"),
    ("nonce padded", body(header(nonce=NONCE + "==")), "malformed", "nonce: it is not base64url"),
    ("nonce no base64url", body(header(nonce="a!b")), "malformed", "nonce: it is not base64url"),
    ("nonce standard base64", body(header(nonce="ab+/")), "malformed", "nonce: it is not base64url"),
    ("no url", body(header(url=None)), "malformed", "url: it is missing"),
    ("url a list", body(header(url=[URL])), "malformed", "url: it is missing or no string"),
]
SIGNATURES: list[tuple[str, bytes, str, str]] = [
    ("empty", body(GOOD, signature=""), "malformed", "signature: it has 0 octets; ES256 with this key makes 64"),
    ("63 octets", signature_of(63), "malformed", "signature: it has 63 octets; ES256 with this key makes 64"),
    ("65 octets", signature_of(65), "malformed", "signature: it has 65 octets; ES256 with this key makes 64"),
    ("all zero", body(GOOD, signature=b64(bytes(64))), "malformed", "signature: it is not this key's signature"),
    ("all ones", body(GOOD, signature=b64(b"\xff" * 64)), "malformed", "signature: it is not this key's signature"),
    ("other payload", body(GOOD, payload="e30", protected=b64(b"{}")), "malformed", "alg: it is missing"),
    ("payload changed", body(GOOD, payload=b64(b'{"a":1}')), "malformed", "signature: it is not this key's signature"),
    ("payload emptied", body(GOOD, payload=""), "malformed", "signature: it is not this key's signature"),
    ("other signer", body(GOOD, b"{}", key(P256, 2)), "malformed", "signature: it is not this key's signature"),
    (
        "header changed",
        body(GOOD, protected=b64(json.dumps(header(url=URL + "/")).encode())),
        "malformed",
        "signature: it is not this key's signature",
    ),
    (
        "DER signature",
        body(GOOD, signature=b64(b"\x30\x44" + bytes(68))),
        "malformed",
        "signature: it has 70 octets; ES256 with this key makes 64",
    ),
]


@pytest.mark.parametrize(
    ("sent", "kind", "detail"),
    [pytest.param(*row[1:], id=row[0]) for row in SHAPES + BASE64 + HEADERS + SIGNATURES],
)
def test_request_is_refused(sent: bytes, kind: str, detail: str) -> None:
    """Each broken request is refused with the type that RFC 8555 has for it, and a reason that names the part."""
    with pytest.raises(AcmeProblem) as caught:
        verify(parse(sent), parse_jwk(jwk(key())))
    assert (caught.value.kind, caught.value.status) == (kind, 400)
    assert caught.value.detail.startswith(detail)


@pytest.mark.parametrize("alg", ["none", "HS256", "HS384", "HS512", "PS256", "RS1"])
def test_parse_lists_algorithms(alg: str) -> None:
    """RFC 8555 6.2: a refused algorithm is answered with those that are supported."""
    with pytest.raises(AcmeProblem) as caught:
        parse(body(json.dumps(header(alg=alg)).encode()))
    assert caught.value.members == {"algorithms": SUPPORTED}


@pytest.mark.parametrize(
    ("kind", "alg", "fitting"),
    [
        ("P-256", "ES384", ["ES256"]),
        ("P-384", "ES256", ["ES384"]),
        ("P-521", "ES384", ["ES512"]),
        ("P-256", "EdDSA", ["ES256"]),
        ("P-256", "RS256", ["ES256"]),
        ("Ed25519", "ES256", ["EdDSA"]),
        ("RSA-2048", "ES256", ["RS256", "RS384", "RS512"]),
    ],
)
def test_verify_refuses_algorithm_of_other_key(kind: str, alg: str, fitting: list[str]) -> None:
    """An algorithm that does not fit the key or its curve is refused, and those that fit are listed."""
    sizes = {"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64, "RS256": 256}
    sent = body(json.dumps(header(alg=alg)).encode(), signature=b64(bytes(sizes[alg])))
    with pytest.raises(AcmeProblem) as caught:
        verify(parse(sent), parse_jwk(jwk(key(kind))))
    assert (caught.value.kind, caught.value.members) == ("badSignatureAlgorithm", {"algorithms": fitting})


@pytest.mark.parametrize("size", [0, 1, 64, 255, 257, 512])
def test_verify_refuses_rsa_signature_of_other_length(size: int) -> None:
    """An RSA signature is exactly as long as its modulus (RFC 8017 8.2.2)."""
    sent = body(json.dumps(header(alg="RS256")).encode(), signature=b64(b"\x01" * size))
    with pytest.raises(AcmeProblem) as caught:
        verify(parse(sent), parse_jwk(jwk(RSA)))
    assert (caught.value.kind, caught.value.detail) == (
        "malformed",
        f"signature: it has {size} octets; RS256 with this key makes 256",
    )


@pytest.mark.parametrize("kind", ["P-384", "P-521", "Ed25519", "RSA-2048"])
def test_verify_refuses_wrong_signature(kind: str) -> None:
    """A signature with one bit changed is nobody's."""
    alg = {"P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}.get(kind, "RS256")
    parts = flattened(header(alg=alg), b"{}", key(kind))
    good = bytearray(signature(key(kind), alg, f"{parts['protected']}.{parts['payload']}".encode()))
    good[len(good) // 2] ^= 1
    with pytest.raises(AcmeProblem, match="it is not this key's signature"):
        verify(parse(json.dumps(parts | {"signature": b64(bytes(good))}).encode()), parse_jwk(jwk(key(kind))))


def test_verify_takes_high_s() -> None:
    """ECDSA by RFC 7518 has no rule of low s: both signatures of a pair pass; the nonce stops the second."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    parts = flattened(GOOD)
    own = signature(key(), "ES256", f"{parts['protected']}.{parts['payload']}".encode())
    other = own[:32] + (order - int.from_bytes(own[32:])).to_bytes(32)
    for made in (own, other):
        verify(parse(json.dumps(parts | {"signature": b64(made)}).encode()), parse_jwk(jwk(key())))


@pytest.mark.parametrize(
    "url",
    [
        "https://ca.example/acme/new-order/",
        "https://ca.example/acme/new-order?x=1",
        "http://ca.example/acme/new-order",
        "https://ca.example:443/acme/new-order",
        "https://CA.example/acme/new-order",
        "https://other.example/acme/new-order",
        "/acme/new-order",
        "https://ca.example/acme/new%2Dorder",
        "",
    ],
)
def test_check_url_refuses_every_other_spelling(url: str) -> None:
    """A signed URL that differs in scheme, host, port, path, query or slash is unauthorized (RFC 8555 6.4)."""
    check_url(parse(body(GOOD)), URL)
    with pytest.raises(AcmeProblem) as caught:
        check_url(parse(body(header(url=url))), URL)
    assert (caught.value.kind, caught.value.status) == ("unauthorized", 403)


@pytest.mark.parametrize(
    ("required", "protected"), [(require_kid, with_jwk(key())), (require_jwk, header())], ids=["kid", "jwk"]
)
def test_require_refuses_the_other_form(required: Callable[[Any], object], protected: dict[str, Any]) -> None:
    """A kid for newAccount, or a jwk where a kid is due, is malformed (RFC 8555 6.2)."""
    with pytest.raises(AcmeProblem) as caught:
        required(parse(body(protected)))
    assert caught.value.kind == "malformed"


def test_detail_never_repeats_what_was_sent() -> None:
    """A problem's words are this program's own: no bytes of the client come back."""
    marked = "<script>MARK"
    for sent in (
        body(json.dumps(header(alg=marked)).encode()),
        body(header(nonce=marked)),
        body(GOOD, payload=marked),
        body(with_jwk(key()) | {"jwk": {"kty": marked}}),
        body(with_jwk(key()) | {"jwk": jwk(key()) | {"crv": marked}}),
    ):
        with pytest.raises(AcmeProblem) as caught:
            parse(sent)
        assert "MARK" not in caught.value.detail
