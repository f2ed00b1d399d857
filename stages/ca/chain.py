"""The CA certificates from an issuer up to its root: whether each may sign the one below it (RFC 5280 6.1).

Asked where a CA is founded or renewed, and before an issuer is made of a chain and its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from stages.ca.keys import SigningKey, check_signing_key
from stages.ca.spki import public_bytes
from stages.errors import Refused


def check_chain(key: SigningKey, chain: Sequence[x509.Certificate], now: int, where: str) -> None:
    """Check a CA certificate and those above it (RFC 5280 6.1) and the key.

    Raises Refused("config", where, ...).
    """
    check_signing_key(key, where)
    try:
        certified = public_bytes(chain[0].public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("config", where, "the certificate's key is of no supported type") from None
    if certified != public_bytes(key.public_key()):
        raise Refused("config", where, "the certificate is for another key than the private key given")
    moment = datetime.fromtimestamp(now, UTC)
    for depth, certificate in enumerate(chain):
        which = "the certificate" if depth == 0 else f"certificate {depth} above it"
        _check_ca(certificate, depth, which, where)
        if moment < certificate.not_valid_before_utc:
            raise Refused(
                "config",
                where,
                f"{which} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S}Z",
            )
        if moment > certificate.not_valid_after_utc:
            raise Refused("config", where, f"{which} expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}Z")
    for lower, upper in pairwise(chain):
        if not signed_by(lower, upper):
            raise Refused("config", where, "the chain is broken: a certificate is not signed by the one above it")
    if is_self_issued(chain[-1]) and not signed_by(chain[-1], chain[-1]):
        raise Refused("config", where, "the root's own signature is wrong")


def _check_ca(certificate: x509.Certificate, depth: int, which: str, where: str) -> None:
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.DuplicateExtension):
        raise Refused("config", where, f"{which} has extensions that cannot be read") from None
    except x509.ExtensionNotFound:
        raise Refused(
            "config", where, f"{which} is no CA certificate: basicConstraints or keyUsage is missing"
        ) from None
    if not basic.ca:
        raise Refused("config", where, f"{which} is no CA certificate: basicConstraints says CA:FALSE")
    if not usage.key_cert_sign:
        raise Refused("config", where, f"{which} may not sign certificates: keyUsage lacks keyCertSign")
    # RFC 5280 4.2.1.9: the number of intermediate certificates that may follow; `depth` of them do.
    if basic.path_length is not None and basic.path_length < depth:
        raise Refused(
            "config", where, f"{which} allows {basic.path_length} CA certificates below it, there are {depth}"
        )


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same: a root."""
    return certificate.subject == certificate.issuer


def signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Whether the upper one's key signed the lower one, and its subject is the lower one's issuer."""
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
