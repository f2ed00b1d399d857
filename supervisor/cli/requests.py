"""Checks a request for a certificate before it becomes a session, with the rules of the issue stage. For `submit`."""

from __future__ import annotations

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stages.ca.csr import check_csr, csr_names, thumbprint
from stages.errors import Refused
from stages.makechallenge import fits
from supervisor.build import Domain, issuer


class Request(msgspec.Struct, frozen=True):
    """A request that passed: its names, its PEM, its profile's name, and what its key authorizations end in.

    `spki` is the SHA-256 (lower-case hex) of its key, which the caller still has to look up among the blocked ones.
    """

    names: tuple[str, ...]
    csr: str
    profile: str
    thumbprint: str
    spki: str

    def fields(self) -> dict[str, str]:
        """The session's fields."""
        return {"csr": self.csr, "profile": self.profile, "thumbprint": self.thumbprint, "scheduled": "True"}


def check_request(csr: bytes, profile: str | None, domain: Domain, now: int) -> Request:
    """Check a CSR (PEM or DER) and the profile asked for; raises Refused for the first thing that is wrong."""
    wanted = profile or domain.settings.default_profile
    if wanted not in domain.profiles:
        known = ", ".join(domain.profiles)
        raise Refused("malformed", "profile", f"there is no such profile in the settings; there are: {known}")
    names = csr_names(csr)
    domain.names.check(names)
    for name in names:
        if not any(fits(kind, name) for kind in domain.makechallenge.types):
            reason = "no challenge type of challenges.types can prove it"
            raise Refused("rejectedIdentifier", name, reason)
    checked = check_csr(csr, names, domain.keys)
    domain.profiles[wanted].usages_for(checked.key_type)
    _check_constraints(domain, names, now)
    pem = x509.load_der_x509_csr(checked.der).public_bytes(Encoding.PEM).decode("ascii")
    return Request(names, pem, wanted, thumbprint(csr), checked.spki_sha256)


def _check_constraints(domain: Domain, names: tuple[str, ...], now: int) -> None:
    try:
        issuing = issuer(domain.settings, now)
    except Refused:
        return  # whoever submits need not be able to read the CA's key; the issue stage asks again
    issuing.check_names(names)
