"""Whatever a client sends, the answer is a problem with a 4xx, and never another exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from supervisor.acme.jose.encoding import from_base64url, json_object, to_base64url
from supervisor.acme.jose.jwk import jwk_from_text, parse_jwk
from supervisor.acme.jose.jws import Jws, parse, parse_binding, parse_key_change, payload_object, verify, verify_mac
from supervisor.acme.problems import AcmeProblem, problem_response
from tests.unit.acme.signing import b64, flattened, header, jwk, key, with_jwk

KEYS = [parse_jwk(jwk(key(kind))) for kind in ("P-256", "P-384", "P-521", "Ed25519", "RSA-2048")]
NAMES = st.sampled_from(
    ["protected", "payload", "signature", "alg", "jwk", "kid", "nonce", "url", "kty", "crv", "x", "y", "n", "e", "b64"]
)
WORDS = st.sampled_from(["ES256", "EdDSA", "RS256", "HS256", "none", "EC", "OKP", "RSA", "P-256", "Ed25519", "AQAB"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES | st.text(), inner, max_size=6)),
    max_leaves=12,
)
BASE64 = st.binary(max_size=600).map(b64)


def answer(act: Callable[[], object]) -> bool:
    """Whether it passed; a problem must be one that a client may be told."""
    try:
        act()
    except AcmeProblem as raised:
        problem = raised
    else:
        return True
    assert 400 <= problem.status < 500
    assert problem.detail.isprintable()
    assert json.loads(problem_response(problem).body)["status"] == problem.status
    return False


def handle(body: bytes) -> None:
    """All that happens to a body, whatever its key."""
    jws = parse(body)
    for own in KEYS if jws.jwk is None else [jws.jwk]:
        answer(lambda own=own: verify(jws, own))  # type: ignore[misc]  # the loop's own value
    answer(lambda: payload_object(jws))
    answer(lambda: parse_key_change(jws.payload))


@given(st.binary(max_size=2000))
def test_parse_answers_any_bytes(body: bytes) -> None:
    """Random bytes are malformed, one way or the other."""
    assert not answer(lambda: handle(body))


@given(VALUES)
def test_parse_answers_any_json(value: object) -> None:
    """So is random JSON, and random members in the place of a binding or a key."""
    answer(lambda: handle(json.dumps(value).encode()))
    answer(lambda: parse_binding(value))
    answer(lambda: parse_jwk(value))
    answer(lambda: jwk_from_text(json.dumps(value)))


@given(
    st.dictionaries(NAMES, VALUES | BASE64, max_size=4),
    st.sampled_from([header(), with_jwk(key()), with_jwk(key("RSA-2048"), "RS256"), {}]),
    VALUES | BASE64,
    VALUES | BASE64,
)
def test_parse_answers_changed_members(
    changes: dict[str, Any], good: dict[str, Any], payload: object, signature: object
) -> None:
    """So are requests that are almost whole: any member of the header, the payload or the signature is another."""
    protected = b64(json.dumps(good | changes).encode())
    answer(lambda: handle(json.dumps({"protected": protected, "payload": payload, "signature": signature}).encode()))


@given(st.dictionaries(NAMES, VALUES | BASE64, min_size=1, max_size=4), st.sampled_from(KEYS))
def test_parse_jwk_answers_changed_members(changes: dict[str, Any], good: Any) -> None:
    """A key with any other members is the same key, another good key, or a problem."""
    answer(lambda: parse_jwk(good.members | changes))


@given(st.binary(max_size=600), st.binary(max_size=80))
def test_verify_answers_any_signature(payload: bytes, signature: bytes) -> None:
    """No signature but the key's own passes, whatever its bytes, and none does harm."""
    for own in KEYS:
        for alg in own.algorithms:
            jws = Jws(
                alg=alg, kid="x", jwk=None, nonce=None, url="", payload=payload, signed=payload, signature=signature
            )
            assert not answer(lambda jws=jws, own=own: verify(jws, own))  # type: ignore[misc]  # the loop's own values


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_verify_mac_passes_its_own_key_alone(right: bytes, other: bytes) -> None:
    """A MAC passes with the key that made it alone; zeros at its end are no part of it (RFC 2104 2)."""
    jws = parse_binding(flattened({"alg": "HS256", "kid": "x", "url": "y"}, b"{}", right))
    verify_mac(jws, right)
    if right.rstrip(b"\0") != other.rstrip(b"\0"):
        assert not answer(lambda: verify_mac(jws, other))


@given(st.binary(max_size=300))
def test_base64url_goes_both_ways(raw: bytes) -> None:
    """Every text of bytes reads back as those bytes, and is what the standard library writes."""
    assert (from_base64url(to_base64url(raw), "x"), to_base64url(raw)) == (raw, b64(raw))


@given(st.text("ABab01-_+/= \n", max_size=12) | st.text(max_size=6))
def test_base64url_has_one_spelling(text: str) -> None:
    """A text that is read is the one that would be written; every other is refused."""
    assert not answer(lambda: from_base64url(text, "x")) or to_base64url(from_base64url(text, "x")) == text


PIECES = st.sampled_from(
    ['{"a":1}', '{"a":"b"}', '{"a":1,"a":1}', '{"a":"\\""}', '{"\\u0061":1,"a":2}', '{"a":{},"b":[]}', "[]", '"\\\\"']
)


@given(st.lists(st.tuples(st.sampled_from(["k", "l", "\\u006b", "m\\n", '\\"']), PIECES), max_size=5))
@example([("k", '"\\""'), ("k", '"x"')])
def test_json_object_refuses_each_duplicate(pairs: list[tuple[str, str]]) -> None:
    """A member that is there twice at any level, however it is spelled, is found by a decoder that sees all pairs."""
    text = "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
    twice = False

    def hook(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = twice or len(dict(members)) != len(members)
        return dict(members)

    expected = json.loads(text, object_pairs_hook=hook)
    if twice:
        with pytest.raises(AcmeProblem, match="a member is there twice"):
            json_object(text.encode(), "x")
    else:
        assert json_object(text.encode(), "x") == expected
