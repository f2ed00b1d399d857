"""The last look at a certificate before anyone sees it: it is what was intended, and it verifies.

It reads the certificate back and shares no code with what built it beyond the names of usages. A failure is
a fault of
this program or of its memory, never of a client: the certificate must not leave. Used by the issue stage.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification

from stages.ca.intent import Intent
from stages.ca.issuer import Issuer
from stages.ca.profiles import EXTENDED_KEY_USAGES
from stages.ca.spki import public_bytes
from stages.errors import Refused

USAGE_ATTRIBUTES: Final = {
    "digitalSignature": "digital_signature",
    "contentCommitment": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}

LEAF_POLICY: Final = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
    x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, None
)
"""The verifier's own rules for leaves, but for serverAuth, which it would insist on."""

ISSUER_POLICY: Final = verification.ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
)
"""The issuer was checked when it was loaded (`chain.check_chain`)."""

UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,
)
"""What `cryptography` raises for a certificate that is damaged; the last one where warnings are errors."""

ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)


class LintError(Exception):
    """The certificate is not what was intended. `args[0]` is one sentence that names the part."""


def lint(cert_der: bytes, intent: Intent, issuer: Issuer) -> None:
    """Raise LintError unless the certificate is the intent, field by field, and verifies."""
    try:
        certificate = x509.load_der_x509_certificate(cert_der)
        _compare(certificate, intent, issuer)
    except UNREADABLE as error:
        raise LintError("certificate: cannot be read") from error
    _verify(certificate, intent, issuer)


def _compare(certificate: x509.Certificate, intent: Intent, issuer: Issuer) -> None:
    _same("version", x509.Version.v3, certificate.version)
    _same("serial", int(intent.serial, 16), certificate.serial_number)
    _same("notBefore", intent.not_before, certificate.not_valid_before_utc.timestamp())
    _same("notAfter", intent.not_after, certificate.not_valid_after_utc.timestamp())
    _same("issuer", issuer.certificate.subject, certificate.issuer)
    _same("subject", 0, len(certificate.subject.rdns))
    _same("public key", intent.spki, public_bytes(certificate.public_key()))
    if not issuer.not_before <= intent.not_before <= intent.not_after <= issuer.not_after:
        raise LintError("validity: it is not inside the issuer's")

    extensions = {type(each.value): each for each in certificate.extensions}
    san = _extension(extensions, x509.SubjectAlternativeName, critical=True)
    _same("subjectAltName", [_typed(name) for name in intent.names], [(type(e), str(e.value)) for e in san])
    basic = _extension(extensions, x509.BasicConstraints, critical=True)
    _same("basicConstraints", (False, None), (basic.ca, basic.path_length))
    usage = _extension(extensions, x509.KeyUsage, critical=True)
    found = {name for name, attribute in USAGE_ATTRIBUTES.items() if getattr(usage, attribute)}
    _same("keyUsage", set(intent.key_usages), found)
    extended = _extension(extensions, x509.ExtendedKeyUsage, critical=False)
    _same("extendedKeyUsage", [EXTENDED_KEY_USAGES[name] for name in intent.extended_key_usages], list(extended))
    authority = _extension(extensions, x509.AuthorityKeyIdentifier, critical=False)
    _same("authorityKeyIdentifier", issuer.authority_key_identifier, authority)
    _extension(extensions, x509.SubjectKeyIdentifier, critical=False)
    expected = 6 + bool(intent.crl_url) + bool(intent.ca_issuers_url)
    _same("number of extensions", expected, len(certificate.extensions))
    if intent.crl_url:
        points = _extension(extensions, x509.CRLDistributionPoints, critical=False)
        _same("crlDistributionPoints", [intent.crl_url], [n.value for p in points for n in p.full_name or ()])
    if intent.ca_issuers_url:
        access = _extension(extensions, x509.AuthorityInformationAccess, critical=False)
        _same("authorityInfoAccess", [intent.ca_issuers_url], [entry.access_location.value for entry in access])


def _verify(certificate: x509.Certificate, intent: Intent, issuer: Issuer) -> None:
    """Verify with the issuer as the anchor: its own chain was verified when it was loaded."""
    try:
        issuer.check_names(intent.names)
    except Refused as refused:
        raise LintError(f"nameConstraints: {refused.reason}") from refused
    try:
        if isinstance(issuer.key, ed25519.Ed25519PrivateKey):
            # The verifier follows the Web PKI, which knows no Ed25519 issuers.
            certificate.verify_directly_issued_by(issuer.certificate)
            return
        kind, text = _typed(intent.names[0])
        # A verifier asks for one host: any that the wildcard stands for.
        subject = x509.DNSName(text.replace("*", "any", 1)) if kind is x509.DNSName else _ip(text)
        builder = _policy(issuer).time(datetime.fromtimestamp(intent.not_before, UTC))
        builder.build_server_verifier(subject).verify(certificate, [])
    except (verification.VerificationError, InvalidSignature, *UNREADABLE) as error:
        raise LintError(f"verification: {error}") from error


@lru_cache(maxsize=16)
def _policy(issuer: Issuer) -> verification.PolicyBuilder:
    builder = verification.PolicyBuilder().store(verification.Store([issuer.certificate]))
    return builder.extension_policies(ca_policy=ISSUER_POLICY, ee_policy=LEAF_POLICY)


def _typed(text: str) -> tuple[type[x509.GeneralName], str]:
    """A name of the intent, told apart by what only addresses have, not by the parser that let it in."""
    is_address = ":" in text or text.replace(".", "").isdigit()
    return (x509.IPAddress if is_address else x509.DNSName), text


def _ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


_Extensions: TypeAlias = dict[type[x509.ExtensionType], x509.Extension[x509.ExtensionType]]
"""By their class; those that `cryptography` does not know are one, and too few then."""


def _extension(extensions: _Extensions, kind: type[ExtensionT], *, critical: bool) -> ExtensionT:
    extension = extensions.get(kind)
    if extension is None:
        raise LintError(f"{kind.__name__}: the extension is missing")
    if extension.critical != critical:
        raise LintError(f"{kind.__name__}: critical is {extension.critical}, must be {critical}")
    return cast("ExtensionT", extension.value)


def _same(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise LintError(f"{what}: it is not what was intended")
