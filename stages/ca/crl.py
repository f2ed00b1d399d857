"""Certificate revocation lists (RFC 5280 5): full ones, for all the certificates of one issuer.

A pure function of its arguments; which entries are still on it and which number it has is the caller's
decision. 100,000 entries take about a second, so a long list belongs in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.issuer import Issuer
from stages.ca.keys import sign_with
from stages.ca.revocation import FLAGS, Reason, parse_reason
from stages.errors import Refused

MAX_NUMBER_BITS = 159
"""RFC 5280 5.2.3: a CRL number has at most 20 octets."""


def build_crl(
    issuer: Issuer,
    entries: Iterable[tuple[str, int, int]],
    number: int,
    now: int,
    next_update_seconds: int,
) -> bytes:
    """Sign a CRL; gives its DER, the same for the same arguments.

    Args:
        issuer: whose certificates they are; it needs keyUsage cRLSign.
        entries: for each revoked certificate its serial (hex), when it was revoked (unix seconds), the
            reason code.
        number: higher than that of every CRL before it (RFC 5280 5.2.3).
        now: thisUpdate, unix seconds.
        next_update_seconds: when the next one comes at the latest, from now.
    """
    if not 0 <= number < 1 << MAX_NUMBER_BITS:
        raise Refused("serverInternal", "CRL number", "it must be positive and have at most 20 octets")
    if next_update_seconds <= 0:
        raise Refused("config", "crl.next_update", "it must be positive")
    if not issuer.certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
        raise Refused("config", "issuer", f"issuer {issuer.id} may not sign CRLs: its keyUsage lacks cRLSign")
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=_revoked(entries))
        .issuer_name(issuer.certificate.subject)
        .last_update(datetime.fromtimestamp(now, UTC))
        .next_update(datetime.fromtimestamp(now + next_update_seconds, UTC))
        .add_extension(issuer.authority_key_identifier, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    return sign_with(builder, issuer.key).public_bytes(Encoding.DER)


def crl_pem(der: bytes) -> str:
    """The same list as PEM."""
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM).decode("ascii")


def _revoked(entries: Iterable[tuple[str, int, int]]) -> list[x509.RevokedCertificate]:
    """In the order of serials, so that the bytes do not depend on the order in which the store gives them."""
    numbered = sorted((int(serial, 16), revoked_at, parse_reason(reason)) for serial, revoked_at, reason in entries)
    revoked = []
    previous = 0
    for serial, revoked_at, reason in numbered:
        if serial == previous:
            raise Refused("serverInternal", "CRL entries", f"serial {serial:x} is there twice")
        previous = serial
        builder = x509.RevokedCertificateBuilder(serial, datetime.fromtimestamp(revoked_at, UTC).replace(tzinfo=None))
        # RFC 5280 5.3.1: unspecified should be said by saying nothing.
        if reason is not Reason.UNSPECIFIED:
            builder = builder.add_extension(x509.CRLReason(FLAGS[reason]), critical=False)
        revoked.append(builder.build())
    return revoked
