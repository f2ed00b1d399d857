"""An issuer: a CA certificate, its key and the way up to its root, checked before anything is signed with it.

Made here from files (`load_issuer`) or from what `stages.ca.hierarchy` made; used by `certificate`, `lint`,
`crl` and the issue stage. RSA signatures cost about a millisecond, which is why an issuer says whether it
is `slow`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stages.ca.constraints import why_outside
from stages.ca.files import read_file
from stages.ca.keys import SigningKey, check_signing_key, load, require_deterministic
from stages.errors import Refused
from stages.names import parse_name


@dataclass(frozen=True, eq=False)
class Issuer:
    """What certificates are signed with. Build it with `make_issuer` or `load_issuer`, which check it.

    Attributes:
        id: the configured name, or the first 16 hex digits of the SHA-256 of its SubjectPublicKeyInfo.
        certificate: its own CA certificate.
        above: the CA certificates above it, nearest first, the root last when it is known.
        key: the private key (never shown).
    """

    id: str
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...]
    key: SigningKey = field(repr=False)

    @cached_property
    def slow(self) -> bool:
        """Whether a signature takes so long (RSA) that it belongs in a thread."""
        return isinstance(self.key, rsa.RSAPrivateKey)

    @cached_property
    def spki_sha256(self) -> str:
        """Lower-case hex SHA-256 of the SubjectPublicKeyInfo."""
        return spki_sha256(self.certificate)

    @cached_property
    def not_before(self) -> int:
        """Unix seconds."""
        return int(self.certificate.not_valid_before_utc.timestamp())

    @cached_property
    def not_after(self) -> int:
        """Unix seconds, the last one in which it is valid; no certificate of it may outlive this."""
        return int(self.certificate.not_valid_after_utc.timestamp())

    @cached_property
    def authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """What every certificate and CRL of this issuer carries (RFC 5280 4.2.1.1)."""
        try:
            subject = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject.value)

    @cached_property
    def chain_pem(self) -> str:
        """What follows the leaf in the chain for clients: the issuer, those above it; not the root."""
        chain = (self.certificate, *self.above)
        return "".join(pem(certificate) for certificate in chain if not is_self_issued(certificate))

    @cached_property
    def root_pem(self) -> str:
        """The certificate that clients have to trust: the root, or the highest that is known."""
        return pem((self.certificate, *self.above)[-1])

    @cached_property
    def constraints(self) -> tuple[x509.NameConstraints, ...]:
        """The name constraints of the whole chain; a name must satisfy each (RFC 5280 6.1)."""
        return tuple(
            extension.value
            for certificate in (self.certificate, *self.above)
            for extension in certificate.extensions
            if isinstance(extension.value, x509.NameConstraints)
        )

    def check_names(self, names: Sequence[str]) -> None:
        """Raise Refused("rejectedIdentifier", name, ...) for a name outside the chain's name constraints."""
        if not self.constraints:
            return
        for text in names:
            name = parse_name(text)
            for constraints in self.constraints:
                reason = why_outside(constraints, name)
                if reason:
                    raise Refused(
                        "rejectedIdentifier",
                        text,
                        f"outside the name constraints of issuer {self.id}: {reason}",
                    )


def make_issuer(
    key: SigningKey,
    chain: Sequence[x509.Certificate],
    now: int,
    *,
    issuer_id: str = "",
    where: str = "issuer",
) -> Issuer:
    """Check key and chain (the issuer's certificate first) and make the issuer.

    `where` names the file or setting in errors, which are Refused("config", where, ...).
    """
    require_deterministic(key, where)
    check_chain(key, chain, now, where)
    return Issuer(issuer_id or spki_sha256(chain[0])[:16], chain[0], tuple(chain[1:]), key)


def load_issuer(
    cert_file: Path,
    key_file: Path,
    now: int,
    *,
    chain_files: Sequence[Path] = (),
    passphrase: bytes | None = None,
    issuer_id: str = "",
) -> Issuer:
    """Load an issuer: its certificate (first in `cert_file`), the ones above it in any order, and its key.

    Raises Refused("config", <file>, ...) for whatever is wrong with a file, or with what they are together.
    """
    own, *rest = read_certificates(cert_file)
    pool = [(cert_file, certificate) for certificate in rest]
    for file in chain_files:
        pool += [(file, certificate) for certificate in read_certificates(file)]
    chain = [own]
    while not is_self_issued(chain[-1]):
        found = next((entry for entry in pool if _signed_by(chain[-1], entry[1])), None)
        if found is None:
            break
        pool.remove(found)
        chain.append(found[1])
    for file, certificate in pool:
        if certificate not in chain:
            raise Refused("config", str(file), f"holds a certificate that is not above the one in {cert_file}")
    key = load(key_file, passphrase)
    require_deterministic(key, str(key_file))
    return make_issuer(key, chain, now, issuer_id=issuer_id, where=str(cert_file))


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
        if not _signed_by(lower, upper):
            raise Refused("config", where, "the chain is broken: a certificate is not signed by the one above it")
    if is_self_issued(chain[-1]) and not _signed_by(chain[-1], chain[-1]):
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


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, at least one; raises Refused("config", file, ...)."""
    return parse_certificates(read_file(file), str(file))


def parse_certificates(data: bytes, where: str) -> list[x509.Certificate]:
    """Every certificate of a PEM text, at least one; raises Refused("config", where, ...)."""
    try:
        return x509.load_pem_x509_certificates(data)
    except (ValueError, x509.InvalidVersion):
        raise Refused("config", where, "it holds no readable PEM certificate") from None


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same: a root."""
    return certificate.subject == certificate.issuer


def spki_sha256(certificate: x509.Certificate) -> str:
    """Lower-case hex SHA-256 of the SubjectPublicKeyInfo."""
    return hashlib.sha256(public_bytes(certificate.public_key())).hexdigest()


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    """The DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem(certificate: x509.Certificate) -> str:
    """One PEM block, ending in a newline."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
