"""Every way that a request can be bad, and its one clear error."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, mldsa, rsa, x25519
from gmpy2 import next_prime  # type: ignore[import-untyped]  # it has no types

from stages.ca.csr import check_csr
from stages.ca.key_policy import KeyPolicy
from stages.errors import Refused
from tests.unit.ca.making import (
    SPKI,
    extension_request,
    integer,
    make_csr,
    oid,
    raw_csr,
    rsa_spki,
    san_extension,
    sequence,
    spki_csr,
    tlv,
    to_pem,
)

GOOD_SAN = san_extension(tlv(0x82, b"a.example"))
BASIC_CA = sequence(oid("2.5.29.19"), tlv(0x04, sequence(tlv(0x01, b"\xff"))))


def prime(bits: int, seed: int) -> int:
    """A prime with the two top bits set, so that a product of two has twice the bits."""
    return int(next_prime((3 << (bits - 2)) + seed * (1 << (bits // 2)) + seed))


@cache
def rsa_key(bits: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)


@cache
def good_modulus(bits: int = 2048) -> int:
    return rsa_key(bits).public_key().public_numbers().n


def roca_modulus() -> int:
    """A 2048 bit number that is a power of 65537 modulo the first primes, as ROCA's primes and moduli are."""
    product = 1
    candidate = 2
    while candidate <= 167:
        product *= candidate
        candidate = int(next_prime(candidate))
    residue = pow(65537, 12345, product)
    number = (good_modulus() // product) * product + residue
    while any(number % small == 0 for small in range(3, 65537, 2)):
        number += product
    return number


def corrupted() -> bytes:
    der = bytearray(make_csr())
    der[-5] ^= 1
    return bytes(der)


def sha1() -> bytes:
    """A request whose signature algorithm says ecdsa-with-SHA1 instead of ecdsa-with-SHA256."""
    return raw_csr(extension_request(GOOD_SAN), algorithm="1.2.840.10045.4.1")


def foreign_key() -> bytes:
    """Somebody else's key in the request, signed by one's own."""
    spki = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*SPKI)
    return spki_csr(spki)


def off_curve() -> bytes:
    algorithm = sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7"))
    return spki_csr(sequence(algorithm, tlv(0x03, b"\x00\x04", b"\x01" * 64)))


def hand_spki(algorithm: bytes, key_bytes: bytes) -> bytes:
    return spki_csr(sequence(algorithm, tlv(0x03, b"\x00", key_bytes)))


def with_san(*general_names: bytes) -> bytes:
    return raw_csr(extension_request(san_extension(*general_names)))


def usage(*, cert_sign: bool, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def in_san(*entries: x509.GeneralName) -> bytes:
    return make_csr((), extensions=[x509.SubjectAlternativeName([x509.DNSName("a.example"), *entries])])


DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")]))
OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

BAD: list[tuple[str, Callable[[], bytes | str], str, str]] = [
    # what is bad, how it is made, the field and a part of the reason
    ("empty", lambda: b"", "csr", "empty"),
    ("empty text", lambda: "", "csr", "empty"),
    ("huge", lambda: b"\x30" * 70_000, "csr", "larger than"),
    ("huge pem", lambda: "-----BEGIN CERTIFICATE REQUEST-----\n" + "A" * 70_000, "csr", "larger than"),
    ("garbage bytes", lambda: b"\x00\x01\x02", "csr", "neither DER nor"),
    ("garbage text", lambda: "hello", "csr", "neither DER nor"),
    ("not ascii", lambda: "hell\u00f6", "csr", "not ASCII"),
    ("truncated der", lambda: make_csr()[:-10], "csr", "not the DER"),
    ("trailing bytes", lambda: make_csr() + b"\x00", "csr", "not the DER"),
    ("empty sequence", lambda: b"\x30\x00", "csr", "not the DER"),
    ("indefinite length", lambda: b"\x30\x80\x00\x00", "csr", "not the DER"),
    ("certificate", lambda: to_pem(make_csr(), "CERTIFICATE"), "csr", "neither DER nor"),
    ("private key", lambda: to_pem(b"\x00" * 32, "PRIVATE KEY"), "csr", "neither DER nor"),
    ("two blocks", lambda: to_pem(make_csr()) * 2, "csr", "more than one PEM block"),
    ("text before", lambda: "hello\n" + to_pem(make_csr()), "csr", "neither DER nor"),
    ("text behind", lambda: to_pem(make_csr()) + "hello", "csr", "neither DER nor"),
    ("no end line", lambda: to_pem(make_csr()).replace("END", "FIN"), "csr", "neither DER nor"),
    ("labels differ", lambda: to_pem(make_csr()).replace("BEGIN", "BEGIN NEW"), "csr", "neither DER nor"),
    ("bad base64", lambda: to_pem(make_csr()).replace("\n", "\n=", 1), "csr", "not base64"),
    ("pem of garbage", lambda: to_pem(b"garbage"), "csr", "not the DER"),
    ("nul in pem", lambda: to_pem(make_csr()).replace("M", "\x00", 1), "csr", "neither DER nor"),
    ("version 1", lambda: raw_csr(extension_request(GOOD_SAN), version=1), "version", "must be 0"),
    ("corrupted signature", corrupted, "signature", "not signed by its own key"),
    ("foreign key", foreign_key, "signature", "not signed by its own key"),
    (
        "rsa key, ecdsa signature",
        lambda: spki_csr(rsa_spki(good_modulus())),
        "signature",
        "not signed by its own key",
    ),
    ("rsa 1024", lambda: make_csr(signer=rsa_key(1024)), "public key", "has 1024 bits"),
    ("rsa 2047", lambda: spki_csr(rsa_spki(good_modulus() >> 1 | 1)), "public key", "has 2047 bits"),
    ("rsa 2052", lambda: spki_csr(rsa_spki(good_modulus() << 4 | 1)), "public key", "has 2052 bits"),
    ("rsa 4104", lambda: spki_csr(rsa_spki(good_modulus() << 2056 | 1)), "public key", "has 4104 bits"),
    ("rsa e=1", lambda: spki_csr(rsa_spki(good_modulus(), 1)), "public key", "not a valid one"),
    ("rsa e=3", lambda: make_csr(signer=rsa_key(2048, 3)), "public key", "exponent must be odd"),
    ("rsa e=17", lambda: spki_csr(rsa_spki(good_modulus(), 17)), "public key", "exponent must be odd"),
    ("rsa even e", lambda: spki_csr(rsa_spki(good_modulus(), 65538)), "public key", "not a valid one"),
    (
        "rsa large e",
        lambda: spki_csr(rsa_spki(good_modulus(), 2**256 + 1)),
        "public key",
        "exponent must be odd",
    ),
    ("rsa n=0", lambda: spki_csr(rsa_spki(0)), "public key", "not a valid one"),
    ("rsa even n", lambda: spki_csr(rsa_spki(good_modulus() - 1)), "public key", "smallfactors"),
    (
        "fermat",
        lambda: spki_csr(rsa_spki(prime(1024, 5) * int(next_prime(prime(1024, 5) + 1000)))),
        "public key",
        "fermat",
    ),
    ("square", lambda: spki_csr(rsa_spki(prime(1024, 9) ** 2)), "public key", "fermat"),
    ("small factor", lambda: spki_csr(rsa_spki(prime(2045, 3) * 7)), "public key", "smallfactors"),
    ("roca", lambda: spki_csr(rsa_spki(roca_modulus())), "public key", "roca"),
    ("pattern", lambda: spki_csr(rsa_spki(pattern_modulus())), "public key", "pattern"),
    (
        "rsa garbage",
        lambda: hand_spki(sequence(oid("1.2.840.113549.1.1.1"), b"\x05\x00"), b"\x00"),
        "public key",
        "not a valid",
    ),
    (
        "secp256k1",
        lambda: make_csr(signer=ec.generate_private_key(ec.SECP256K1())),
        "public key",
        "secp256k1",
    ),
    ("p-224", lambda: make_csr(signer=ec.generate_private_key(ec.SECP224R1())), "public key", "secp224r1"),
    ("p-192", lambda: make_csr(signer=ec.generate_private_key(ec.SECP192R1())), "public key", "secp192r1"),
    (
        "brainpool",
        lambda: make_csr(signer=ec.generate_private_key(ec.BrainpoolP256R1())),
        "public key",
        "brainpool",
    ),
    ("off the curve", off_curve, "public key", "not a valid one"),
    ("dsa", lambda: make_csr(signer=dsa.generate_private_key(2048)), "public key", "type is not supported"),
    (
        "ed448",
        lambda: make_csr(signer=ed448.Ed448PrivateKey.generate()),
        "public key",
        "type is not supported",
    ),
    (
        "ml-dsa",
        lambda: make_csr(signer=mldsa.MLDSA65PrivateKey.generate()),
        "public key",
        "type is not supported",
    ),
    (
        "x25519",
        lambda: spki_csr(x25519.X25519PrivateKey.generate().public_key().public_bytes(*SPKI)),
        "public key",
        "type is not supported",
    ),
    (
        "unknown algorithm",
        lambda: hand_spki(sequence(oid("1.2.3.4")), b"\x00"),
        "public key",
        "not supported",
    ),
    (
        "unknown curve",
        lambda: hand_spki(sequence(oid("1.2.840.10045.2.1"), oid("1.2.3.4")), b"\x04" + b"\x01" * 64),
        "public key",
        "not supported",
    ),
    ("sha-1", sha1, "signature", "SHA-256, SHA-384 or SHA-512"),
    ("no extensions", lambda: make_csr(()), "subjectAltName", "there is none"),
    ("common name only", lambda: make_csr((), common_names=["a.example"]), "subjectAltName", "not enough"),
    ("empty san", with_san, "subjectAltName", "empty"),
    (
        "missing name",
        lambda: make_csr(["a.example"]),
        "subjectAltName",
        "b.example is a name of this order and is missing",
    ),
    (
        "additional name",
        lambda: make_csr(["a.example", "b.example", "c.example"]),
        "subjectAltName",
        "c.example is not one",
    ),
    ("wildcard instead", lambda: make_csr(["*.example"]), "subjectAltName", "*.example is not one"),
    ("wildcard inside", lambda: make_csr(["a.*.example"]), "subjectAltName[0]", "leftmost label"),
    ("partial wildcard", lambda: make_csr(["a*.example"]), "subjectAltName[0]", "leftmost label"),
    (
        "additional address",
        lambda: make_csr(["a.example", "10.0.0.1"]),
        "subjectAltName",
        "10.0.0.1 is not one",
    ),
    (
        "address as dns",
        lambda: in_san(x509.DNSName("10.0.0.1")),
        "subjectAltName[1]",
        "IP address in a dNSName",
    ),
    (
        "address of 5 bytes",
        lambda: with_san(tlv(0x87, b"\x0a\x00\x00\x00\x01")),
        "extensions",
        "cannot be read",
    ),
    (
        "mapped address",
        lambda: in_san(x509.IPAddress(ipaddress.ip_address("::ffff:10.0.0.1"))),
        "subjectAltName[1]",
        "IPv4-mapped",
    ),
    ("e-mail", lambda: in_san(x509.RFC822Name("a@a.example")), "subjectAltName[1]", "RFC822Name"),
    (
        "uri",
        lambda: in_san(x509.UniformResourceIdentifier("http://a.example")),
        "subjectAltName[1]",
        "UniformResourceIdentifier",
    ),
    ("directory name", lambda: in_san(DIRECTORY), "subjectAltName[1]", "DirectoryName"),
    ("other name", lambda: in_san(OTHER_NAME), "subjectAltName[1]", "OtherName"),
    (
        "registered id",
        lambda: in_san(x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))),
        "subjectAltName[1]",
        "RegisteredID",
    ),
    ("x400 address", lambda: with_san(tlv(0xA3, b"\x05\x00")), "extensions", "cannot be read"),
    (
        "nul in name",
        lambda: with_san(tlv(0x82, b"a.example\x00.evil")),
        "subjectAltName[0]",
        "control character",
    ),
    (
        "newline in name",
        lambda: with_san(tlv(0x82, b"a.example\n")),
        "subjectAltName[0]",
        "control character",
    ),
    (
        "utf-8 in name",
        lambda: with_san(tlv(0x82, "b\u00fccher.example".encode())),
        "subjectAltName[0]",
        "not ASCII",
    ),
    ("empty name", lambda: with_san(tlv(0x82, b"")), "subjectAltName[0]", "empty"),
    ("trailing dot", lambda: make_csr(["a.example."]), "subjectAltName[0]", "ends in a dot"),
    ("underscore", lambda: make_csr(["_a.example"]), "subjectAltName[0]", "letters, digits"),
    (
        "san garbage",
        lambda: raw_csr(extension_request(sequence(oid("2.5.29.17"), tlv(0x04, b"\xff")))),
        "extensions",
        "cannot be read",
    ),
    ("san twice", lambda: raw_csr(extension_request(GOOD_SAN, GOOD_SAN)), "extensions", "twice"),
    (
        "request twice",
        lambda: raw_csr(extension_request(GOOD_SAN), extension_request(GOOD_SAN)),
        "attributes",
        "twice",
    ),
    (
        "attribute twice",
        lambda: raw_csr(*[sequence(oid("1.2.3"), tlv(0x31, integer(1)))] * 2),
        "attributes",
        "twice",
    ),
    (
        "two values",
        lambda: raw_csr(sequence(oid("1.2.3"), tlv(0x31, integer(1), integer(2)))),
        "attributes",
        "more than one",
    ),
    ("no value", lambda: raw_csr(sequence(oid("1.2.3"), tlv(0x31))), "attributes", "no value"),
    (
        "ca bit",
        lambda: make_csr(extensions=[x509.BasicConstraints(ca=True, path_length=None)]),
        "basicConstraints",
        "leaves only",
    ),
    (
        "ca bit first",
        lambda: raw_csr(extension_request(BASIC_CA, GOOD_SAN)),
        "basicConstraints",
        "leaves only",
    ),
    (
        "cert sign",
        lambda: make_csr(extensions=[usage(cert_sign=True, crl_sign=False)]),
        "keyUsage",
        "leaves only",
    ),
    (
        "crl sign",
        lambda: make_csr(extensions=[usage(cert_sign=False, crl_sign=True)]),
        "keyUsage",
        "leaves only",
    ),
    (
        "other common name",
        lambda: make_csr(["a.example", "b.example"], common_names=["c.example"]),
        "common name",
        "not one of",
    ),
    (
        "words as common name",
        lambda: make_csr(["a.example", "b.example"], common_names=["My NAS"]),
        "common name",
        "not one of",
    ),
    (
        "second common name",
        lambda: make_csr(["a.example", "b.example"], common_names=["a.example", "evil.example"]),
        "common name",
        "not one of",
    ),
    (
        "common name of bits",
        lambda: raw_csr(
            extension_request(san_extension(tlv(0x82, b"a.example"), tlv(0x82, b"b.example"))),
            subject=sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(0x03, b"\x00\x01")))),
        ),
        "subject",
        "cannot be read",
    ),
]


def pattern_modulus() -> int:
    """A number without small factors, one of whose bytes is there forty times in a row."""
    number = (good_modulus() >> 1000 << 1000) | int.from_bytes(b"\xab" * 40) << 400 | 1
    while any(number % small == 0 for small in range(3, 65537, 2)):
        number += 2
    return number


@pytest.mark.parametrize(("make", "field", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_check_csr_refuses(make: Callable[[], bytes | str], field: str, reason: str) -> None:
    """A bad request gets one error, which names the part and says why, and carries none of its bytes."""
    with pytest.raises(Refused) as caught:
        check_csr(make(), ("a.example", "b.example"), KeyPolicy())
    assert ("badCSR", field) == (caught.value.kind, caught.value.field)
    assert reason in caught.value.reason
    assert caught.value.reason.isascii()
    assert caught.value.reason.isprintable()
    assert caught.value.__cause__ is None


def test_check_csr_refuses_a_blocked_key() -> None:
    """A key on the operator's list is refused by its digest, in whatever case the digest is written."""
    der = make_csr()
    digest = check_csr(der, ("a.example",), KeyPolicy()).spki_sha256
    with pytest.raises(Refused, match="list of blocked keys"):
        check_csr(der, ("a.example",), KeyPolicy.from_settings(blocked_spki=[digest.upper()]))


def test_check_csr_refuses_a_type_that_is_off() -> None:
    """A key type that the operator does not allow is refused by its name."""
    with pytest.raises(Refused, match="keys of type p256 are not allowed"):
        check_csr(make_csr(), ("a.example",), KeyPolicy.from_settings(key_types=["rsa"]))


def test_table_is_large_enough() -> None:
    """The table holds what the project promises: at least sixty bad requests."""
    assert len(BAD) >= 60
