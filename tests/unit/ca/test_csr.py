"""Good requests, and keys that are allowed."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.csr import check_csr, csr_names, csr_pem, thumbprint
from stages.ca.key_policy import KeyPolicy
from stages.errors import Refused
from tests.unit.ca.making import SPKI, key, make_csr, to_pem

P521 = ec.generate_private_key(ec.SECP521R1())


@pytest.mark.parametrize(
    ("signer", "key_type"),
    [
        (key(), "p256"),
        (key("p384"), "p384"),
        (P521, "p521"),
        (key("rsa2048"), "rsa"),
        (key("ed25519"), "ed25519"),
    ],
)
def test_check_csr_takes_each_key_type(signer: Any, key_type: str) -> None:
    """Each allowed key type comes through with its SubjectPublicKeyInfo."""
    der = make_csr(signer=signer)
    found = check_csr(der, ("a.example",), KeyPolicy())
    assert (der, signer.public_key().public_bytes(*SPKI), key_type) == (
        found.der,
        found.spki_der,
        found.key_type,
    )
    assert hashlib.sha256(der).hexdigest() == found.sha256


@pytest.mark.parametrize(
    "csr",
    [
        to_pem(make_csr()),
        to_pem(make_csr(), "NEW CERTIFICATE REQUEST"),
        to_pem(make_csr()).replace("\n", "\r\n"),
        "\n" + to_pem(make_csr()) + "\n\n",
        to_pem(make_csr()).encode(),
        make_csr(["A.EXAMPLE"]),
        make_csr(["a.example", "A.example"]),
        make_csr(common_names=["A.example"]),
        make_csr(extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])]),
        make_csr(extensions=[x509.BasicConstraints(ca=False, path_length=None)]),
        make_csr(extensions=[x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")]),
        make_csr(attributes=[("1.2.840.113549.1.9.7", b"password")]),
    ],
)
def test_check_csr_accepts(csr: bytes | str) -> None:
    """What clients send in good faith passes: PEM or DER, any case, extensions that are dropped."""
    assert check_csr(csr, ("a.example",), KeyPolicy()).key_type == "p256"


def test_check_csr_compares_as_sets() -> None:
    """The order of names in a request does not matter; addresses and wildcards are names like others."""
    names = ("b.example", "*.a.example", "10.0.0.1", "2001:db8::1")
    check_csr(make_csr(names[::-1]), names, KeyPolicy())
    assert names[::-1] == csr_names(make_csr(names[::-1]))


@pytest.mark.parametrize("count", range(1, 9))
def test_csr_pem_is_what_others_write(count: int) -> None:
    """The PEM of a request of any length is the one that `cryptography` writes."""
    der = make_csr([f"{'x' * count}.example"])
    expected = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode()
    assert expected == csr_pem(der)


def test_thumbprint_is_of_the_key() -> None:
    """The thumbprint is the unpadded base64url digest of the SPKI, the same for each request of one key."""
    digest = hashlib.sha256(key().public_key().public_bytes(*SPKI)).digest()
    expected = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert [expected] * 2 == [thumbprint(make_csr()), thumbprint(to_pem(make_csr(["b.example"])))]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"key_types": []}, "keys.allowed"),
        ({"key_types": ["p256", "dsa"]}, "keys.allowed[1]"),
        ({"blocked_spki": ["ab"]}, "keys.blocked_file"),
        ({"blocked_spki": ["a" * 64, "g" * 64]}, "keys.blocked_file"),
    ],
)
def test_key_policy_refuses_settings(settings: dict[str, Any], field: str) -> None:
    """A setting that makes no sense is named."""
    with pytest.raises(Refused) as caught:
        KeyPolicy.from_settings(**settings)
    assert ("config", field) == (caught.value.kind, caught.value.field)


def test_key_policy_allows_rsa_by_its_size() -> None:
    """RSA may be allowed by size; a size that is not named is refused by its name."""
    names, policy = ("a.example",), KeyPolicy.from_settings(key_types=["rsa2048"])
    assert check_csr(make_csr(signer=key("rsa2048")), names, policy).key_type == "rsa"
    with pytest.raises(Refused, match="keys of type rsa2048 are not allowed"):
        check_csr(make_csr(signer=key("rsa2048")), names, KeyPolicy.from_settings(key_types=["rsa3072", "p256"]))


def test_key_policy_names_account_keys_as_such() -> None:
    """An account key that is not allowed is a badPublicKey (RFC 8555 6.7)."""
    with pytest.raises(Refused) as caught:
        KeyPolicy().check(ec.generate_private_key(ec.SECP256K1()).public_key(), b"")
    assert (caught.value.kind, caught.value.field) == ("badPublicKey", "public key")
