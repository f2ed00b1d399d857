"""Bad finalize requests for the names a.example and b.example: by hand, and by spoiling a good request.

What is wrong inside a request is in tests/unit/ca/test_bad_csrs.py, whose table is used too; here is what a client can
do wrong around it, what a subject can hold, and what signatures can be.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.fuzzing.mutation import encoded, parsed, spoil_der
from stages.ca.csr import check_csr
from stages.ca.key_policy import KeyPolicy
from stages.errors import Refused
from tests.unit.acme.signing import b64
from tests.unit.ca import making
from tests.unit.ca.making import extension_request, make_csr, oid, raw_csr, san_extension, sequence, tlv
from tests.unit.ca.test_bad_csrs import BAD

NAMES: Final = ("a.example", "b.example")
SAN: Final = san_extension(*(tlv(0x82, name.encode()) for name in NAMES))
UTF8, PRINTABLE, T61, BMP, UNIVERSAL = 0x0C, 0x13, 0x14, 0x1E, 0x1C

Payload = Callable[[], object]
"""What is sent to finalize: an object, or the bytes of the payload."""


def good() -> bytes:
    """The DER of a good request."""
    return make_csr(NAMES)


def key() -> ec.EllipticCurvePrivateKey:
    """The key of `good`."""
    own = making.key()
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    return own


def text(value: object) -> Payload:
    return lambda: {"csr": value}


def csr(make: Callable[[], bytes]) -> Payload:
    return lambda: {"csr": b64(make())}


def named(*parts: bytes) -> Payload:
    """A request whose subject is these RDNs."""
    return csr(lambda: raw_csr(extension_request(SAN), subject=sequence(*parts)))


def common_name(value: bytes, tag: int = UTF8) -> bytes:
    return tlv(0x31, sequence(oid("2.5.4.3"), tlv(tag, value)))


def asked(*extensions: bytes) -> Payload:
    """A request that asks for these extensions."""
    return csr(lambda: raw_csr(extension_request(*extensions)))


def of_version(number: int) -> Payload:
    return csr(lambda: raw_csr(extension_request(SAN), version=number))


def altered(change: Callable[[str], str]) -> Payload:
    """A good request whose base64url is changed."""
    return lambda: {"csr": change(b64(good()))}


def signed_as(algorithm: bytes, signature: bytes) -> Payload:
    """A good request under another signature."""

    def make() -> bytes:
        tree = parsed(good())
        assert tree is not None
        return sequence(encoded(tree[1][0]), algorithm, tlv(0x03, b"\x00", signature))

    return csr(make)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    made = x509.load_der_x509_csr(good())
    now = making.root().not_valid_before_utc
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(made.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now)
    return builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.DER)


def twice() -> bytes:
    member = f'"csr": "{b64(good())}"'
    return f"{{{member}, {member}}}".encode()


def pkcs8() -> bytes:
    return key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki() -> bytes:
    return key().public_key().public_bytes(*making.SPKI)


def pem() -> str:
    return making.to_pem(good())


def rsa_sha1() -> bytes:
    own = making.key("rsa2048")
    assert isinstance(own, rsa.RSAPrivateKey)
    tree = parsed(make_csr(NAMES, signer=own))
    assert tree is not None
    info = encoded(tree[1][0])
    signature = own.sign(info, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  bad on purpose
    return sequence(info, sequence(oid("1.2.840.113549.1.1.5"), b"\x05\x00"), tlv(0x03, b"\x00", signature))


def indefinite() -> bytes:
    """The same in BER, with indefinite lengths outside (X.690 8.1.3.6)."""
    tree = parsed(good())
    assert tree is not None
    return b"\x30\x80" + b"".join(encoded(child) for child in tree[1]) + b"\x00\x00"


def long_length() -> bytes:
    """The same with a length of more octets than it needs, as DER forbids (X.690 10.1)."""
    raw = good()
    return raw[:1] + b"\x83\x00" + raw[2:4] + raw[4:] if raw[1] == 0x82 else raw[:1] + b"\x82\x00" + raw[2:]


def ed25519_cut() -> bytes:
    own = ed25519.Ed25519PrivateKey.generate()
    tree = parsed(make_csr(NAMES, signer=own))
    assert tree is not None
    tree[1][2][1] = tree[1][2][1][:-1]
    return encoded(tree)


ECDSA_SHA256: Final = sequence(oid("1.2.840.10045.4.3.2"))

BY_HAND: Final[list[tuple[str, Payload, str]]] = [
    # what is bad, how it is made, the type of the problem
    ("no payload", lambda: b"", "malformed"),
    ("no csr", dict, "malformed"),
    ("csr of another name", lambda: {"CSR": b64(good())}, "malformed"),
    ("payload is a list", lambda: [b64(good())], "malformed"),
    ("payload is text", lambda: b64(good()), "malformed"),
    ("payload is null", lambda: b"null", "malformed"),
    ("payload is no json", lambda: b'{"csr": ', "malformed"),
    ("payload is the csr", good, "malformed"),
    ("csr twice", twice, "malformed"),
    ("csr is null", text(None), "malformed"),
    ("csr is true", text(value=True), "malformed"),
    ("csr is a number", text(12), "malformed"),
    ("csr is a list", lambda: {"csr": [b64(good())]}, "malformed"),
    ("csr is an object", text({}), "malformed"),
    ("csr is empty", text(""), "malformed"),
    ("one letter", text("M"), "malformed"),
    ("padded", lambda: {"csr": base64.urlsafe_b64encode(good() + b"\x30").decode() + "="}, "malformed"),
    ("padding alone", text("===="), "malformed"),
    ("base64 with + and /", lambda: {"csr": base64.b64encode(b"\x30\xfb\xff\xfe").decode()}, "malformed"),
    ("line break inside", altered(lambda made: made[:64] + "\n" + made[64:]), "malformed"),
    ("line break behind", altered(lambda made: made + "\n"), "malformed"),
    ("space before", altered(lambda made: " " + made), "malformed"),
    ("nul inside", altered(lambda made: made[:64] + "\0" + made[64:]), "malformed"),
    ("umlaut", altered(lambda made: made[:64] + "\u00e4" + made[64:]), "malformed"),
    ("full-width letter", altered(lambda made: "\uff2d" + made[1:]), "malformed"),
    ("surrogate", lambda: b'{"csr": "\\ud800"}', "malformed"),
    ("stray bits", text("MB"), "malformed"),
    ("pem as it is", lambda: {"csr": pem()}, "malformed"),
    ("pem without its lines", lambda: {"csr": "".join(pem().split("\n")[1:-2])[:-4] + "AAA="}, "malformed"),
    ("pem in base64url", csr(lambda: pem().encode()), "badCSR"),
    ("base64 twice", csr(lambda: b64(good()).encode()), "badCSR"),
    ("hex", lambda: {"csr": good()[:96].hex()}, "badCSR"),
    ("as long as a body may be", csr(lambda: b"\x30" * 35_000), "badCSR"),
    ("longer than a body may be", csr(lambda: b"\x30" * 60_000), "malformed"),
    ("nothing but zeros", csr(lambda: bytes(300)), "badCSR"),
    ("der in der", csr(lambda: sequence(good())), "badCSR"),
    ("der as octets", csr(lambda: tlv(0x04, good())), "badCSR"),
    ("certificate", csr(certificate), "badCSR"),
    ("private key", csr(pkcs8), "badCSR"),
    ("public key", csr(spki), "badCSR"),
    ("two requests", csr(lambda: good() + good()), "badCSR"),
    ("first half", csr(lambda: good()[: len(good()) // 2]), "badCSR"),
    ("second half", csr(lambda: good()[len(good()) // 2 :]), "badCSR"),
    ("indefinite length", csr(indefinite), "badCSR"),
    ("long length", csr(long_length), "badCSR"),
    ("deep", csr(lambda: b"\x30\x80" * 10_000), "badCSR"),
    ("length of 4 gb", csr(lambda: b"\x30\x84\xff\xff\xff\xff" + good()), "badCSR"),
    ("tag of many octets", csr(lambda: b"\x3f\xff\xff\xff\x7f\x01\x00"), "badCSR"),
    *[(f"version {n}", of_version(n), "badCSR") for n in (2, 3, 2**70)],
    ("nul in common name", named(common_name(b"a.example\0.evil.example")), "badCSR"),
    ("line break in common name", named(common_name(b"a.example\n")), "badCSR"),
    ("space in common name", named(common_name(b"a.example ")), "badCSR"),
    ("dot behind common name", named(common_name(b"a.example.")), "badCSR"),
    ("empty common name", named(common_name(b"")), "badCSR"),
    ("wildcard as common name", named(common_name(b"*.example")), "badCSR"),
    ("address as common name", named(common_name(b"127.0.0.1")), "badCSR"),
    ("url as common name", named(common_name(b"https://a.example/")), "badCSR"),
    ("two names in a common name", named(common_name(b"a.example,b.example")), "badCSR"),
    ("markup as common name", named(common_name(b"<script>alert(1)</script>")), "badCSR"),
    ("cyrillic a in common name", named(common_name("\u0430.example".encode())), "badCSR"),
    ("kelvin sign in common name", named(common_name("a.e\u212aample".encode())), "badCSR"),
    ("no utf-8 in common name", named(common_name(b"\xff\xfe")), "badCSR"),
    ("bmp common name of odd length", named(common_name(b"\x00a\x00", BMP)), "badCSR"),
    ("bmp common name of another", named(common_name("c.example".encode("utf-16-be"), BMP)), "badCSR"),
    ("universal common name", named(common_name(b"\x00\x11\x00\x00", UNIVERSAL)), "badCSR"),
    ("t61 common name", named(common_name(b"\xc8a.example", T61)), "badCSR"),
    ("printable common name of others", named(common_name(b"@*&", PRINTABLE)), "badCSR"),
    ("common name of 10,000 bytes", named(common_name(b"a" * 10_000)), "badCSR"),
    (
        "second common name in the same rdn",
        named(tlv(0x31, *(sequence(oid("2.5.4.3"), tlv(UTF8, name)) for name in (b"a.example", b"x.example")))),
        "badCSR",
    ),
    ("a hundred common names", named(*(common_name(b"h%d.example" % n) for n in range(100))), "badCSR"),
    ("empty rdn", named(tlv(0x31)), "badCSR"),
    ("subject is a set", csr(lambda: raw_csr(extension_request(SAN), subject=tlv(0x31))), "badCSR"),
    ("no attributes", csr(raw_csr), "badCSR"),
    ("names in an attribute", csr(lambda: raw_csr(sequence(oid("2.5.29.17"), tlv(0x31, sequence())))), "badCSR"),
    ("no extension asked for", asked(), "badCSR"),
    ("extension without value", asked(sequence(oid("2.5.29.17"))), "badCSR"),
    ("names as text", asked(sequence(oid("2.5.29.17"), tlv(0x04, tlv(UTF8, b"DNS:a.example")))), "badCSR"),
    ("a name of a type that is none", asked(san_extension(tlv(0x8F, b"a.example"))), "badCSR"),
    ("names of the issuer", asked(sequence(oid("2.5.29.18"), tlv(0x04, sequence()))), "badCSR"),
    ("uppercase of another", asked(san_extension(tlv(0x82, b"A.EXAMPLE"), tlv(0x82, b"C.EXAMPLE"))), "badCSR"),
    ("name of 64 letters", asked(san_extension(tlv(0x82, b"a" * 64 + b".example"))), "badCSR"),
    ("name of 300 letters", asked(san_extension(tlv(0x82, b"a." * 150 + b"example"))), "badCSR"),
    ("dots alone", asked(san_extension(tlv(0x82, b"..."))), "badCSR"),
    ("one star", asked(san_extension(tlv(0x82, b"*"))), "badCSR"),
    ("unicode as a-label", asked(san_extension(tlv(0x82, b"xn--a.example"))), "badCSR"),
    ("address of no bytes", asked(san_extension(tlv(0x87, b""))), "badCSR"),
    ("network", asked(san_extension(tlv(0x87, b"\x7f\x00\x00\x00\xff\x00\x00\x00"))), "badCSR"),
    ("a thousand names", asked(san_extension(*(tlv(0x82, b"h%d.example" % n) for n in range(1000)))), "badCSR"),
    ("key usage that cannot be read", asked(SAN, sequence(oid("2.5.29.15"), tlv(0x04, b"\x05\x00"))), "badCSR"),
    (
        "ca of a path",
        asked(SAN, sequence(oid("2.5.29.19"), tlv(0x04, sequence(tlv(1, b"\xff"), tlv(2, b"\x00"))))),
        "badCSR",
    ),
    ("no signature", signed_as(ECDSA_SHA256, b""), "badCSR"),
    ("signature of zeros", signed_as(ECDSA_SHA256, bytes(70)), "badCSR"),
    ("signature (0, 0)", signed_as(ECDSA_SHA256, sequence(making.integer(0), making.integer(0))), "badCSR"),
    ("signature (1, 1)", signed_as(ECDSA_SHA256, sequence(making.integer(1), making.integer(1))), "badCSR"),
    ("signature of bare numbers", signed_as(ECDSA_SHA256, b"\x01" * 64), "badCSR"),
    ("signature by no algorithm", signed_as(sequence(), b"\x01"), "badCSR"),
    ("signature by an unknown algorithm", signed_as(sequence(oid("1.2.3.4")), b"\x01"), "badCSR"),
    ("signature by md5", signed_as(sequence(oid("1.2.840.113549.1.1.4"), b"\x05\x00"), b"\x01" * 256), "badCSR"),
    ("signature by hmac", signed_as(sequence(oid("1.2.840.113549.2.9")), b"\x01" * 32), "badCSR"),
    ("signature by a hash", signed_as(sequence(oid("2.16.840.1.101.3.4.2.1")), b"\x01" * 32), "badCSR"),
    ("signature by rsa-pss without parameters", signed_as(sequence(oid("1.2.840.113549.1.1.10")), b"\x01"), "badCSR"),
    ("signature by ed25519, key p-256", signed_as(sequence(oid("1.3.101.112")), b"\x01" * 64), "badCSR"),
    ("rsa with sha-1", csr(rsa_sha1), "badCSR"),
    ("ed25519 cut short", csr(ed25519_cut), "badCSR"),
]


def _sent(make: Callable[[], bytes | str]) -> Payload:
    def payload() -> dict[str, Any]:
        made = make()
        return {"csr": b64(made if isinstance(made, bytes) else made.encode())}

    return payload


_AS_TEXT: Final = frozenset({"empty", "empty text", "huge", "huge pem"})
"""Those of the unit test that are refused before they are read as a request: empty text, and a body over the cap."""
FROM_UNIT_TEST: Final = [
    (f"table: {what}", _sent(make), "malformed" if what in _AS_TEXT else "badCSR") for what, make, _, _ in BAD
]


def spoiled(number: int) -> bytes:
    """A good request with its structure changed somewhere; every other one is signed again, so that it is read whole.

    What `check_csr` would take all the same is changed once more.
    """
    chance, made = random.Random(number), good()
    while _is_good(made):
        tree = parsed(made)
        assert tree is not None
        spoil_der(tree[1][0] if number % 2 else tree, chance)
        made = encoded(tree)
        if number % 2:
            info = encoded(tree[1][0])
            signature = key().sign(info, ec.ECDSA(hashes.SHA256()))
            made = sequence(info, encoded(tree[1][1]), tlv(0x03, b"\x00", signature))
    return made[:30_000]


def _is_good(der: bytes) -> bool:
    try:
        check_csr(der, NAMES, KeyPolicy())
    except Refused:
        return False
    return True
