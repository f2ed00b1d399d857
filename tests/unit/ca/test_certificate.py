"""From an intent to a certificate, and the last look at it."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ca.certificate import chain_pem, sign
from stages.ca.intent import Intent, make_intent
from stages.ca.issuer import Issuer
from stages.ca.keys import generate
from stages.ca.lint import LintError, lint
from stages.ca.profiles import Profile
from stages.errors import Refused
from tests.unit.ca.making import (
    DAY,
    FULL_PROFILE,
    NOW,
    PROFILE,
    YEAR,
    checked,
    issuer,
    key,
    random_from,
)

ISSUER_TYPES = ["p256", "p384", "ed25519", "rsa2048"]
LEAF_TYPES = ["p256", "p384", "ed25519", "rsa2048"]
PROFILES = [
    PROFILE,
    FULL_PROFILE,
    Profile(name="client", validity_seconds=DAY, extended_key_usages=("clientAuth",)),
    Profile(name="forever", validity_seconds=100 * YEAR),
]
DNS_NAMES = st.from_regex(r"(\*\.)?([a-z][a-z0-9]{0,8}\.){0,3}[a-z]{1,10}", fullmatch=True)
IP_NAMES = st.sampled_from(["10.0.0.1", "192.0.2.255", "::1", "2001:db8::1"])
NAMES = st.lists(st.one_of(DNS_NAMES, IP_NAMES), min_size=1, max_size=5, unique=True).map(tuple)


def intent_for(
    names: tuple[str, ...] = ("a.example", "10.0.0.1"),
    profile: Profile = FULL_PROFILE,
    issuer_type: str = "p256",
    leaf_type: str = "p256",
    seed: int = 7,
) -> Intent:
    csr = checked(names, key(leaf_type))
    return make_intent(names, csr, profile, issuer(issuer_type), NOW + DAY, random_from(seed))


@settings(max_examples=40, deadline=None)
@given(
    names=NAMES,
    profile=st.sampled_from(PROFILES),
    issuer_type=st.sampled_from(ISSUER_TYPES),
    leaf_type=st.sampled_from(LEAF_TYPES),
    seed=st.integers(0, 10**6),
)
def test_every_certificate_is_the_same_twice_and_passes_lint(
    names: tuple[str, ...], profile: Profile, issuer_type: str, leaf_type: str, seed: int
) -> None:
    """An intent survives JSON, gives the same bytes each time it is signed, and those bytes pass lint."""
    intent = intent_for(names, profile, issuer_type, leaf_type, seed)
    again = Intent.from_json(intent.to_json())
    assert intent == again
    der = sign(intent, issuer(issuer_type))
    assert der == sign(again, issuer(issuer_type))
    lint(der, intent, issuer(issuer_type))


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_lint_refuses_a_mutated_certificate(position: int, bit: int) -> None:
    """No single bit of a certificate can change without lint seeing it."""
    intent = intent_for()
    der = bytearray(sign(intent, issuer()))
    der[position % len(der)] ^= 1 << bit
    with pytest.raises(LintError):
        lint(bytes(der), intent, issuer())


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("serial", "4" * 32, "serial"),
        ("not_before", NOW, "notBefore"),
        ("not_after", NOW + 2 * DAY, "notAfter"),
        ("names", ("10.0.0.1", "a.example"), "subjectAltName"),
        ("names", ("a.example",), "subjectAltName"),
        ("names", ("a.example", "10.0.0.1", "b.example"), "subjectAltName"),
        ("key_usages", ("digitalSignature",), "keyUsage"),
        ("extended_key_usages", ("clientAuth", "serverAuth"), "extendedKeyUsage"),
        ("crl_url", "http://other.example/crl", "crlDistributionPoints"),
        ("crl_url", "", "number of extensions"),
        ("ca_issuers_url", "http://other.example/crt", "authorityInfoAccess"),
        pytest.param("spki", checked(signer=generate("p256")).spki_der, "public key", id="spki"),
    ],
)
def test_lint_names_what_differs(field: str, value: Any, complaint: str) -> None:
    """A correctly signed certificate of another intent is refused, and the part that differs is named."""
    intent = intent_for()
    other = msgspec.structs.replace(intent, **{field: value})
    with pytest.raises(LintError, match=f"^{complaint}"):
        lint(sign(other, issuer()), intent, issuer())


def test_lint_refuses_a_signature_of_another_issuer() -> None:
    """A certificate that another key signed under the issuer's name does not verify."""
    intent = intent_for()
    forger = Issuer("forger", issuer().certificate, (), generate("p256"))
    assert forger.spki_sha256 == intent.issuer_spki_sha256
    with pytest.raises(LintError, match="verification"):
        lint(sign(intent, forger), intent, issuer())


@pytest.mark.parametrize("issuer_type", ISSUER_TYPES)
def test_lint_refuses_garbage(issuer_type: str) -> None:
    """Bytes that are no certificate are refused for every type of issuer."""
    with pytest.raises(LintError, match="cannot be read"):
        lint(b"\x30\x00", intent_for(issuer_type=issuer_type), issuer(issuer_type))


def test_lint_applies_the_root_s_name_constraints() -> None:
    """What only the root forbids is refused too, although the issuer is the anchor."""
    limited = issuer("p384", root_permitted=("home.arpa",), root_type="p384")
    intent = msgspec.structs.replace(
        intent_for(issuer_type="p384"), issuer=limited.id, issuer_spki_sha256=limited.spki_sha256
    )
    with pytest.raises(LintError, match="nameConstraints"):
        lint(sign(intent, limited), intent, limited)


def test_sign_carries_the_extensions() -> None:
    """The subject is empty, the extensions are the profile's, critical where they must be."""
    found = x509.load_der_x509_certificate(sign(intent_for(), issuer()))
    assert x509.Name([]) == found.subject
    assert {extension.oid._name: extension.critical for extension in found.extensions} == {
        "subjectAltName": True,
        "basicConstraints": True,
        "keyUsage": True,
        "extendedKeyUsage": False,
        "subjectKeyIdentifier": False,
        "authorityKeyIdentifier": False,
        "cRLDistributionPoints": False,
        "authorityInfoAccess": False,
    }
    san = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [x509.DNSName("a.example"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))] == list(san)


def test_sign_refuses_another_issuer() -> None:
    """An intent is signed with the key that it names, whatever issuers are called."""
    with pytest.raises(Refused) as caught:
        sign(intent_for(), issuer("p384"))
    assert (caught.value.kind, caught.value.field) == ("serverInternal", "issuer")


def test_chain_pem_is_leaf_first_without_root() -> None:
    """Clients get the certificate and its issuer; the root is theirs already."""
    der = sign(intent_for(), issuer())
    chain = x509.load_pem_x509_certificates(chain_pem(der, issuer()).encode())
    assert [der, issuer().certificate.public_bytes(Encoding.DER)] == [c.public_bytes(Encoding.DER) for c in chain]


def test_make_intent_decides() -> None:
    """Validity counts from now, its last second included, and starts earlier."""
    intent = intent_for(profile=PROFILE)
    now = NOW + DAY
    assert (now - 3600, now + 30 * DAY - 1) == (intent.not_before, intent.not_after)
    assert len(intent.serial) == 32
    assert intent.key_usages == ("digitalSignature",)
    assert issuer().id == intent.issuer


@pytest.mark.parametrize(("byte", "serial"), [(0x00, "40" + "00" * 15), (0xFF, "7f" + "ff" * 15)])
def test_make_intent_serial_is_positive(byte: int, serial: str) -> None:
    """Whatever the random bytes are, the serial is positive and 16 bytes long (RFC 5280 4.1.2.2)."""
    csr = checked()
    intent = make_intent(("a.example",), csr, PROFILE, issuer(), NOW, lambda size: bytes([byte]) * size)
    assert serial == intent.serial


def test_make_intent_stays_inside_the_issuer() -> None:
    """A certificate is cut to its issuer's validity, unless the profile would rather refuse."""
    csr = checked()
    long = Profile(name="long", validity_seconds=20 * YEAR, backdate_seconds=YEAR)
    intent = make_intent(("a.example",), csr, long, issuer(), NOW, random_from(1))
    assert (issuer().not_before, issuer().not_after) == (intent.not_before, intent.not_after)
    strict = msgspec.structs.replace(long, past_issuer="refuse")
    with pytest.raises(Refused, match="would outlive issuer"):
        make_intent(("a.example",), csr, strict, issuer(), NOW, random_from(1))
    with pytest.raises(Refused, match="not valid now"):
        make_intent(("a.example",), csr, long, issuer(), NOW + 6 * YEAR, random_from(1))


def test_make_intent_asks_the_name_constraints() -> None:
    """A name that the issuer may not certify is refused before anything is written."""
    csr = checked(("a.other",))
    with pytest.raises(Refused, match="not under any permitted entry") as caught:
        make_intent(("a.other",), csr, PROFILE, issuer("p256", ("example",)), NOW, random_from(1))
    assert (caught.value.kind, caught.value.field) == ("rejectedIdentifier", "a.other")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "\x00", '{"version":1}', intent_for().to_json().replace('"version":1', '"version":2')],
)
def test_from_json_refuses(text: str) -> None:
    """A garbled intent, or one of a newer program, is refused and not guessed at."""
    with pytest.raises(Refused) as caught:
        Intent.from_json(text)
    assert (caught.value.kind, caught.value.field) == ("serverInternal", "intent")


def test_from_json_refuses_a_bad_serial() -> None:
    """A serial that is no number is found when the intent is read, not when it is signed."""
    garbled = msgspec.structs.replace(intent_for(), serial="xyz")
    with pytest.raises(Refused, match="cannot be read"):
        Intent.from_json(garbled.to_json())
