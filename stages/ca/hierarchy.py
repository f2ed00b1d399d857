"""Founding a CA: roots, intermediates, and intermediates that another CA signs. Not used at issue.

Validity counts from `now`; starts are backdated by an hour, for clocks that go wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.chain import check_chain
from stages.ca.constraints import name_constraints
from stages.ca.keys import SigningKey, require_deterministic, sign_with
from stages.ca.pem import parse_certificates
from stages.ca.serial import new_serial
from stages.errors import Refused

BACKDATE_SECONDS: Final = 3600
MAX_COMMON_NAME: Final = 64
"""RFC 5280 appendix A: ub-common-name."""

CA_KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def create_root(
    subject: str,
    key: SigningKey,
    validity_seconds: int,
    now: int,
    random_bytes: Callable[[int], bytes],
    *,
    permitted: Sequence[str] = (),
    excluded: Sequence[str] = (),
) -> x509.Certificate:
    """A self-signed root named `subject` (its CN), with name constraints where given."""
    name = subject_name(subject)
    builder = _builder(name, key, name, now, validity_seconds, random_bytes)
    builder = _ca_extensions(builder, key, None, name_constraints(permitted, excluded))
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return sign_with(builder, key)


def create_intermediate(  # noqa: PLR0913  what an intermediate is made of
    subject: str,
    key: SigningKey,
    root: x509.Certificate,
    root_key: SigningKey,
    validity_seconds: int,
    now: int,
    random_bytes: Callable[[int], bytes],
    *,
    permitted: Sequence[str] = (),
    excluded: Sequence[str] = (),
) -> x509.Certificate:
    """An intermediate for issuing: path length 0, name constraints where given.

    Raises Refused("config", <field>, ...): "key_type" for a key that may not issue, "validity" where it would
    outlive its root, "subject" where it would have its root's name.
    """
    require_deterministic(key, "key_type")
    check_chain(root_key, [root], now, "root")
    name = subject_name(subject)
    if name == root.subject:
        raise Refused("config", "subject", "the intermediate needs another name than its root")
    if now + validity_seconds > int(root.not_valid_after_utc.timestamp()):
        raise Refused("config", "validity", "the intermediate would outlive its root")
    builder = _builder(name, key, root.subject, now, validity_seconds, random_bytes)
    builder = _ca_extensions(builder, key, 0, name_constraints(permitted, excluded))
    root_ski = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_ski)
    return sign_with(builder.add_extension(aki, critical=False), root_key)


def intermediate_csr(key: SigningKey, subject: str) -> str:
    """A PEM request that asks another CA for an intermediate with path length 0."""
    require_deterministic(key, "key_type")
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject_name(subject))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(CA_KEY_USAGE, critical=True)
    )
    return sign_with(builder, key).public_bytes(Encoding.PEM).decode("ascii")


def accept_intermediate(key: SigningKey, cert_pem: bytes, chain_pem: bytes, now: int) -> list[x509.Certificate]:
    """Check what another CA made of `intermediate_csr`; gives the chain, the intermediate first.

    `cert_pem` may bring its chain along; `chain_pem` is the rest, nearest first, to the root.
    Raises Refused("config", "intermediate", ...).
    """
    require_deterministic(key, "intermediate")
    chain = parse_certificates(cert_pem, "intermediate")
    chain += [above for above in parse_certificates(chain_pem, "intermediate chain") if above not in chain]
    check_chain(key, chain, now, "intermediate")
    if len(chain) == 1:
        raise Refused("config", "intermediate", "it is self-signed, or the certificate that signed it is not given")
    return chain


def subject_name(common_name: str) -> x509.Name:
    """The subject of a CA certificate; raises Refused("config", "subject", ...)."""
    if not common_name.strip() or not common_name.isprintable() or len(common_name) > MAX_COMMON_NAME:
        raise Refused("config", "subject", f"it must be 1 to {MAX_COMMON_NAME} printable characters")
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    key: SigningKey,
    issuer: x509.Name,
    now: int,
    validity_seconds: int,
    random_bytes: Callable[[int], bytes],
) -> x509.CertificateBuilder:
    if validity_seconds <= 0:
        raise Refused("config", "validity", "it must be positive")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(new_serial(random_bytes))
        .not_valid_before(datetime.fromtimestamp(now - BACKDATE_SECONDS, UTC))
        .not_valid_after(datetime.fromtimestamp(now + validity_seconds, UTC))
    )


def _ca_extensions(
    builder: x509.CertificateBuilder,
    key: SigningKey,
    path_length: int | None,
    limits: x509.NameConstraints | None,
) -> x509.CertificateBuilder:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(CA_KEY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder if limits is None else builder.add_extension(limits, critical=True)
