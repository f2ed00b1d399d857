"""An issuer: a CA certificate, its key and the way up to its root, checked before anything is signed with it.

Made here from files (`load_issuer`) or from what `stages.ca.hierarchy` made; used by `certificate`, `lint`,
`crl` and the issue stage. RSA signatures cost about a millisecond, which is why an issuer says whether it
is `slow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from stages.ca.chain import check_chain, is_self_issued, signed_by
from stages.ca.constraints import why_outside
from stages.ca.keys import SigningKey, load, require_deterministic
from stages.ca.pem import pem, read_certificates
from stages.ca.spki import spki_sha256
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
        found = next((entry for entry in pool if signed_by(chain[-1], entry[1])), None)
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
