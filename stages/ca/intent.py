"""The issuance intent: everything that a certificate is made of, written down before anything is signed.

It is kept as JSON in the session's `intent`. Whoever signs it, and however often, gets the same bytes
(`stages.ca.certificate`), so it holds the profile's values and not only its name: the configuration may
change between a crash and the next start. Made and read by the issue stage.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from stages.ca.csr import CheckedCsr
from stages.ca.issuer import Issuer
from stages.ca.profiles import Profile
from stages.ca.serial import new_serial, serial_hex
from stages.errors import Refused

VERSION = 1
"""The version of the intent that this program writes; another one is refused, not guessed at."""


class Intent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What will be signed.

    Attributes:
        version: of this record.
        serial: lower-case hex without leading zeros.
        not_before, not_after: unix seconds, both inside the validity (RFC 5280 4.1.2.5).
        names: the SAN, in order.
        profile: the name of the profile, for people.
        key_usages, extended_key_usages, crl_url, ca_issuers_url: the profile's values, the usages as the
            key's type
            allows.
        spki: DER SubjectPublicKeyInfo (base64 in JSON).
        issuer: id of the issuer.
        issuer_spki_sha256: lower-case hex digest of the issuer's key, which an id alone does not pin.
        csr_sha256: lower-case hex digest of the request.
    """

    version: int = VERSION
    serial: str
    not_before: int
    not_after: int
    names: tuple[str, ...]
    profile: str
    key_usages: tuple[str, ...]
    extended_key_usages: tuple[str, ...]
    crl_url: str
    ca_issuers_url: str
    spki: bytes
    issuer: str
    issuer_spki_sha256: str
    csr_sha256: str

    def to_json(self) -> str:
        """The text that is kept; the same intent always gives the same text."""
        return msgspec.json.encode(self).decode("ascii")

    @classmethod
    def from_json(cls, text: str) -> Intent:
        """Read what `to_json` wrote; raises Refused("serverInternal", "intent", ...) for anything else."""
        try:
            intent = msgspec.json.decode(text, type=cls)
            int(intent.serial, 16)
        except (ValueError, msgspec.DecodeError):
            raise Refused("serverInternal", "intent", "the recorded intent cannot be read") from None
        if intent.version != VERSION:
            raise Refused(
                "serverInternal",
                "intent",
                f"the recorded intent has version {intent.version}, this program knows {VERSION}",
            )
        return intent


def make_intent(
    names: tuple[str, ...],
    csr: CheckedCsr,
    profile: Profile,
    issuer: Issuer,
    now: int,
    random_bytes: Callable[[int], bytes],
) -> Intent:
    """Decide on a certificate: valid `profile.validity_seconds` from `now` on, inside the issuer's bounds.

    Raises Refused: badCSR where the key's type does not serve the profile, rejectedIdentifier where a name
    is outside the issuer's name constraints, serverInternal where the issuer has expired or the profile
    refuses to shorten.
    """
    issuer.check_names(names)
    if not issuer.not_before <= now <= issuer.not_after:
        raise Refused("serverInternal", "issuer", f"issuer {issuer.id} is not valid now")
    # A validity includes its last second (RFC 5280 4.1.2.5).
    not_after = now + profile.validity_seconds - 1
    if not_after > issuer.not_after:
        if profile.past_issuer == "refuse":
            raise Refused(
                "serverInternal",
                "validity",
                f"the certificate would outlive issuer {issuer.id} (profile {profile.name})",
            )
        not_after = issuer.not_after
    return Intent(
        serial=serial_hex(new_serial(random_bytes)),
        not_before=max(now - profile.backdate_seconds, issuer.not_before),
        not_after=not_after,
        names=names,
        profile=profile.name,
        key_usages=profile.usages_for(csr.key_type),
        extended_key_usages=profile.extended_key_usages,
        crl_url=profile.crl_url,
        ca_issuers_url=profile.ca_issuers_url,
        spki=csr.spki_der,
        issuer=issuer.id,
        issuer_spki_sha256=issuer.spki_sha256,
        csr_sha256=csr.sha256,
    )
