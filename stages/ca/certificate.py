"""Signing: a certificate as a pure function of its intent and its issuer. The same two give the same bytes.

Used by the issue stage, which has the intent on disk before it calls, and lints (`stages.ca.lint`) what
comes out.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import AuthorityInformationAccessOID

from stages.ca.intent import Intent
from stages.ca.issuer import Issuer
from stages.ca.keys import sign_with
from stages.ca.pem import pem_block
from stages.ca.profiles import EXTENDED_KEY_USAGES, KEY_USAGES
from stages.errors import Refused
from stages.names import parse_name

EMPTY_SUBJECT = x509.Name([])
NOT_A_CA = x509.BasicConstraints(ca=False, path_length=None)


def sign(intent: Intent, issuer: Issuer) -> bytes:
    """Sign; gives the certificate's DER.

    Extensions (RFC 5280 4.2): SAN, critical for the empty subject; basicConstraints and keyUsage, critical;
    EKU, SKI, AKI, and CRL distribution point and AIA where the profile has URLs. Raises
    Refused("serverInternal", "issuer", ...) where the issuer's key is another than the intent's, or the issuer has
    another certificate now, outside whose validity the intent is.
    """
    if intent.issuer_spki_sha256 != issuer.spki_sha256:
        raise Refused("serverInternal", "issuer", f"the intent was made for issuer {intent.issuer} with another key")
    if not issuer.not_before <= intent.not_before <= intent.not_after <= issuer.not_after:
        reason = f"the intent was made for issuer {intent.issuer} with another certificate, valid at other times"
        raise Refused("serverInternal", "issuer", reason)
    # A checked request's key is of a type that certificates carry.
    key = cast("CertificatePublicKeyTypes", load_der_public_key(intent.spki))
    builder = (
        x509.CertificateBuilder()
        .subject_name(EMPTY_SUBJECT)
        .issuer_name(issuer.certificate.subject)
        .public_key(key)
        .serial_number(int(intent.serial, 16))
        .not_valid_before(datetime.fromtimestamp(intent.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(intent.not_after, UTC))
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in intent.names]), critical=True)
        .add_extension(NOT_A_CA, critical=True)
        .add_extension(key_usage(intent.key_usages), critical=True)
        .add_extension(_extended_key_usage(intent.extended_key_usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issuer.authority_key_identifier, critical=False)
    )
    if intent.crl_url:
        builder = builder.add_extension(_crl_distribution_points(intent.crl_url), critical=False)
    if intent.ca_issuers_url:
        builder = builder.add_extension(_authority_information_access(intent.ca_issuers_url), critical=False)
    return sign_with(builder, issuer.key).public_bytes(Encoding.DER)


def chain_pem(der: bytes, issuer: Issuer) -> str:
    """What a client gets (RFC 8555 9.1): the certificate, the issuer, those above it; not the root."""
    return pem_block("CERTIFICATE", der) + issuer.chain_pem


def general_name(text: str) -> x509.GeneralName:
    """One entry of the SAN."""
    name = parse_name(text)
    return x509.DNSName(name.value) if name.kind == "dns" else x509.IPAddress(ipaddress.ip_address(name.value))


@lru_cache(maxsize=64)
def key_usage(usages: tuple[str, ...]) -> x509.KeyUsage:
    """The extension for names of `profiles.KEY_USAGES`."""
    digital_signature, content_commitment, key_encipherment, data_encipherment, key_agreement = (
        usage in usages for usage in KEY_USAGES
    )
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=key_encipherment,
        data_encipherment=data_encipherment,
        key_agreement=key_agreement,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


@lru_cache(maxsize=64)
def _extended_key_usage(usages: tuple[str, ...]) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([EXTENDED_KEY_USAGES[usage] for usage in usages])


@lru_cache(maxsize=64)
def _crl_distribution_points(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point])


@lru_cache(maxsize=64)
def _authority_information_access(url: str) -> x509.AuthorityInformationAccess:
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
    return x509.AuthorityInformationAccess([access])
