"""Good inputs to begin with: requests signed by every kind of key, and certificate requests of every kind.

Made by the tests' own signer and request builder, which share no code with what is fed. For the fuzz program only.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from cryptography import x509

from tests.unit.acme.signing import KID, b64, flattened, header, jwk, key, with_jwk
from tests.unit.ca.making import extension_request, make_csr, raw_csr, rsa_spki, san_extension, spki_csr, tlv
from tests.unit.ca.making import key as ca_key

MAC_KEY: Final = bytes(range(32))
NAMES: Final = ("a.example",)
KINDS: Final = (
    ("P-256", "ES256"),
    ("P-384", "ES384"),
    ("P-521", "ES512"),
    ("Ed25519", "EdDSA"),
    ("RSA-2048", "RS256"),
    ("RSA-2048", "RS512"),
)


class Draft(msgspec.Struct, frozen=True):
    """A request before it is signed: its protected header, its payload, and the private key."""

    header: dict[str, Any]
    payload: bytes
    signer: Any


def drafts() -> list[Draft]:
    """Every kind of payload, under every kind of key, by `jwk` and by `kid`; the plainest key is there most often."""
    made = []
    for kind, alg in (*KINDS, *[("P-256", "ES256")] * 4):
        for payload in payloads():
            signer = key(kind)
            made.append(Draft(header(alg=alg), payload, signer))
            made.append(Draft(with_jwk(signer, alg), payload, signer))
    return made


def payloads() -> list[bytes]:
    """What clients send to each resource (RFC 8555 7)."""
    url = header()["url"]
    binding = flattened({"alg": "HS256", "kid": "partner-1", "url": url}, jwk(key()), MAC_KEY)
    new_key = key("P-384")
    change = {"account": KID, "oldKey": jwk(key())}
    objects: list[object] = [
        {},
        {"termsOfServiceAgreed": True, "contact": ["mailto:a@a.example"], "externalAccountBinding": binding},
        {"identifiers": [{"type": "dns", "value": name} for name in ("a.example", "*.b.example")], "profile": "x"},
        {"identifiers": [{"type": "ip", "value": "2001:db8::1"}], "replaces": "AAAA.AAAA"},
        {"csr": b64(make_csr())},
        {"certificate": b64(make_csr()), "reason": 4},
        {"status": "deactivated", "resource": "reg"},
        flattened(with_jwk(new_key, "ES384", nonce=None), change, new_key),
    ]
    return [b"", *(json.dumps(one).encode() for one in objects)]


def requests() -> list[bytes]:
    """DER of certificate requests: each key type, many names, extensions, attributes, and some put together by hand."""
    many = tuple(f"h{index}.a.example" for index in range(60))
    dns = tlv(0x82, b"a.example")
    return [
        *[make_csr()] * 6,
        *(make_csr(signer=ca_key(kind)) for kind in ("p384", "ed25519", "rsa2048", "rsa4096")),
        make_csr(signer=key("P-521")),
        make_csr(("a.example", "*.b.example", "10.0.0.1", "2001:db8::1")),
        make_csr(many),
        make_csr(common_names=["a.example"]),
        make_csr(extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])]),
        make_csr(extensions=[x509.BasicConstraints(ca=True, path_length=0)]),
        make_csr(attributes=[("1.2.840.113549.1.9.7", b"password")]),
        raw_csr(),
        raw_csr(extension_request(san_extension(dns, dns))),
        raw_csr(extension_request(san_extension(dns), san_extension(dns))),
        raw_csr(extension_request(san_extension(tlv(0x81, b"a@a.example"), tlv(0x86, b"https://a.example")))),
        spki_csr(rsa_spki((1 << 2047) + 1)),
    ]
