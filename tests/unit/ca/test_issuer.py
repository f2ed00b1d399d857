"""Issuers: founded, loaded, and refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from stages.ca.certificate import sign
from stages.ca.hierarchy import accept_intermediate, create_intermediate, create_root, intermediate_csr
from stages.ca.intent import make_intent
from stages.ca.issuer import Issuer, load_issuer, make_issuer
from stages.ca.keys import generate, save
from stages.ca.lint import lint
from stages.ca.pem import pem
from stages.errors import Refused
from tests.unit.ca.making import NOW, PROFILE, YEAR, checked, issuer, key, random_from, root, second_key


def upstream(csr: x509.CertificateSigningRequest, *, ca: bool = True, path_length: int | None = 0) -> x509.Certificate:
    """What another CA would make of a request for an intermediate."""
    usage = csr.extensions.get_extension_for_class(x509.KeyUsage)
    top = key()
    assert isinstance(top, ec.EllipticCurvePrivateKey)
    return (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(root().subject)
        .public_key(csr.public_key())
        .serial_number(99)
        .not_valid_before(root().not_valid_before_utc)
        .not_valid_after(root().not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(usage.value, critical=True)
        .sign(top, hashes.SHA256())
    )


def written(folder: Path, made: Issuer, passphrase: bytes | None = None) -> tuple[Path, Path, Path]:
    """The issuer's certificate, key and root as files."""
    cert_file, key_file, root_file = folder / "ca.crt", folder / "ca.key", folder / "root.crt"
    cert_file.write_text(pem(made.certificate))
    save(key_file, made.key, passphrase)
    root_file.write_text("".join(pem(certificate) for certificate in made.above))
    return cert_file, key_file, root_file


@pytest.mark.parametrize("key_type", ["p256", "p384", "ed25519", "rsa2048"])
def test_load_issuer_gives_what_was_made(tmp_path: Path, key_type: str) -> None:
    """An issuer comes back from its files whole, named after its key, and shows no key."""
    made = issuer(key_type)
    cert_file, key_file, root_file = written(tmp_path, made, b"secret words")
    loaded = load_issuer(cert_file, key_file, NOW, chain_files=[root_file], passphrase=b"secret words")
    assert (made.id, made.certificate, made.above) == (loaded.id, loaded.certificate, loaded.above)
    assert loaded.id == loaded.spki_sha256[:16]
    assert (key_type == "rsa2048") == loaded.slow
    assert "key" not in repr(loaded).replace("keyUsage", "")
    assert pem(root()) == loaded.root_pem
    named = load_issuer(cert_file, key_file, NOW, passphrase=b"secret words", issuer_id="house")
    assert (named.id, named.above) == ("house", ())


def test_root_of_ml_dsa_signs_an_issuer_of_another_type() -> None:
    """A post-quantum root is allowed: it signs intermediates, which sign the rest."""
    made = issuer(root_type="ml-dsa-65")
    intent = make_intent(("a.example",), checked(), PROFILE, made, NOW, random_from(1))
    lint(sign(intent, made), intent, made)


def test_root_may_issue_itself() -> None:
    """A CA without an intermediate works; its chain for clients is the leaf alone."""
    made = make_issuer(key(), [root()], NOW)
    intent = make_intent(("a.example",), checked(), PROFILE, made, NOW, random_from(1))
    lint(sign(intent, made), intent, made)
    assert ("", pem(root())) == (made.chain_pem, made.root_pem)


def test_create_intermediate_has_the_extensions() -> None:
    """An intermediate has path length 0 and its constraints, critical where RFC 5280 asks."""
    found = issuer("p256", ("example", "10.0.0.0/8"), ("no.example",)).certificate.extensions
    assert {extension.oid._name: extension.critical for extension in found} == {
        "basicConstraints": True,
        "keyUsage": True,
        "nameConstraints": True,
        "subjectKeyIdentifier": False,
        "authorityKeyIdentifier": False,
    }
    basic = found.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)


@pytest.mark.parametrize(
    ("permitted", "excluded", "name", "reason"),
    [
        ((), (), "a.example", None),
        (("example",), (), "a.example", None),
        (("example",), (), "example", None),
        (("example",), (), "*.example", None),
        (("example",), (), "xexample", "not under any permitted entry"),
        (("example",), (), "10.0.0.1", "excluded by '0.0.0.0/0'"),
        (("example",), (), "::1", "excluded by '::/0'"),
        (("example", "10.0.0.0/8"), (), "10.0.0.1", None),
        (("example", "10.0.0.0/8"), (), "192.0.2.1", "not under any permitted entry"),
        (("10.0.0.0/8",), (), "a.example", None),
        ((), ("secret.example",), "a.secret.example", "excluded by 'secret.example'"),
        ((), ("secret.example",), "*.example", "excluded by 'secret.example'"),
        ((), ("10.6.6.0/24",), "10.6.6.6", "excluded by '10.6.6.0/24'"),
    ],
)
def test_check_names_applies_the_constraints(
    permitted: tuple[str, ...], excluded: tuple[str, ...], name: str, reason: str | None
) -> None:
    """A name is told which constraint speaks against it; a name that passes here passes the verifier too."""
    made = issuer("p256", permitted, excluded)
    if reason is None:
        intent = make_intent((name,), checked((name,)), PROFILE, made, NOW, random_from(1))
        lint(sign(intent, made), intent, made)
        return
    with pytest.raises(Refused) as caught:
        made.check_names([name])
    assert ("rejectedIdentifier", name) == (caught.value.kind, caught.value.field)
    assert reason in caught.value.reason


def test_accept_intermediate_takes_what_another_ca_signed() -> None:
    """The round trip of a request: another CA's root above, our key below, and certificates that verify."""
    own = second_key()
    csr = x509.load_pem_x509_csr(intermediate_csr(own, "House CA").encode())
    chain = accept_intermediate(own, pem(upstream(csr)).encode(), pem(root()).encode(), NOW)
    made = make_issuer(own, chain, NOW)
    intent = make_intent(("a.example",), checked(), PROFILE, made, NOW, random_from(1))
    lint(sign(intent, made), intent, made)


def house_csr() -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(intermediate_csr(second_key(), "House CA").encode())


@pytest.mark.parametrize(
    ("make", "now", "reason"),
    [
        (lambda: pem(issuer("p384").certificate), NOW, "another key"),
        (lambda: pem(upstream(house_csr(), ca=False)), NOW, "basicConstraints says CA:FALSE"),
        (lambda: pem(upstream(house_csr())), NOW + 11 * YEAR, "expired at"),
        (lambda: pem(upstream(house_csr())), NOW - YEAR, "not valid before"),
        (lambda: "hello", NOW, "no readable PEM"),
        (
            lambda: pem(create_root("Own", second_key(), YEAR, NOW, random_from(1))),
            NOW,
            "the chain is broken",
        ),
    ],
)
def test_accept_intermediate_refuses(make: Callable[[], str], now: int, reason: str) -> None:
    """A certificate that is not what was asked for is refused with the check that failed."""
    with pytest.raises(Refused) as caught:
        accept_intermediate(second_key(), make().encode(), pem(root()).encode(), now)
    assert caught.value.kind == "config"
    assert reason in caught.value.reason


def test_make_issuer_refuses_a_leaf() -> None:
    """A certificate that this CA issued cannot issue."""
    intent = make_intent(("a.example",), checked(), PROFILE, issuer(), NOW, random_from(1))
    leaf = x509.load_der_x509_certificate(sign(intent, issuer()))
    with pytest.raises(Refused, match="says CA:FALSE"):
        make_issuer(key(), [leaf, issuer().certificate, root()], NOW)


def test_make_issuer_refuses_a_path_that_is_too_long() -> None:
    """An intermediate with path length 0 has no CA below it."""
    below_key = generate("p256")
    middle = issuer()
    below = create_intermediate("Below", below_key, middle.certificate, middle.key, YEAR, NOW, random_from(1))
    with pytest.raises(Refused, match="allows 0 CA certificates below it, there are 1"):
        make_issuer(below_key, [below, middle.certificate, root()], NOW)


def test_load_issuer_refuses_a_foreign_chain(tmp_path: Path) -> None:
    """A chain file whose certificate is not above the issuer is the wrong file, and named."""
    cert_file, key_file, root_file = written(tmp_path, issuer())
    root_file.write_text(pem(root("p384")))
    with pytest.raises(Refused, match="not above the one in") as caught:
        load_issuer(cert_file, key_file, NOW, chain_files=[root_file])
    assert str(root_file) == caught.value.field


@pytest.mark.parametrize(
    ("subject", "key_type", "validity", "field"),
    [
        ("", "p256", YEAR, "subject"),
        ("x" * 65, "p256", YEAR, "subject"),
        ("a\nb", "p256", YEAR, "subject"),
        ("Test Root", "p256", YEAR, "subject"),
        ("Fine", "ml-dsa-65", YEAR, "key_type"),
        ("Fine", "p256", 0, "validity"),
        ("Fine", "p256", 11 * YEAR, "validity"),
    ],
)
def test_create_intermediate_refuses(subject: str, key_type: str, validity: int, field: str) -> None:
    """What an intermediate cannot be is refused by the name of its part."""
    with pytest.raises(Refused) as caught:
        create_intermediate(subject, second_key(key_type), root(), key(), validity, NOW, random_from(1))
    assert ("config", field) == (caught.value.kind, caught.value.field)


@pytest.mark.parametrize("entry", ["*.example", "10.0.0.1", "10.0.0.1/8", "not a name", ""])
def test_create_root_refuses_bad_constraints(entry: str) -> None:
    """A constraint is a domain or a network."""
    with pytest.raises(Refused) as caught:
        create_root("Fine", key(), YEAR, NOW, random_from(1), permitted=["example", entry])
    assert (caught.value.kind, caught.value.field) == ("config", "name_constraints.permitted[1]")


def test_issuer_cannot_be_changed() -> None:
    """An issuer is what was checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        issuer().id = "other"  # type: ignore[misc]  # the claim
