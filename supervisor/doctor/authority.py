"""Checks of the issuer, its root and the CRL. For `supervisor.doctor` only."""

from __future__ import annotations

from typing import Final

from cryptography import x509

from stages.errors import Refused
from supervisor import build
from supervisor.config import Settings
from supervisor.doctor.finding import Finding, error, note, ok, warning
from supervisor.upkeep.crl import read_crl

_DAY: Final = 86_400
_SOON: Final = 90 * _DAY
"""Seconds before its expiry from which a CA certificate is to be renewed."""


def check_issuer(settings: Settings, now: int) -> list[Finding]:
    """Certificate, key and chain fit, verify, and will not expire soon."""
    if not settings.ca.certificate.exists():
        return [error("issuer", f"{settings.ca.certificate} is not there", "`ca-supervisor init` makes a CA")]
    try:
        made = build.issuer(settings, now)
    except Refused as refused:
        return [error("issuer", f"{refused.field}: {refused.reason}", _advice(refused))]
    chain = (made.certificate, *made.above)
    findings = [ok("issuer", f"key, certificate and chain of {len(chain)} fit and verify")]
    longest = max(int(profile.validity) for profile in settings.profiles.values())
    for depth, certificate in enumerate(chain):
        findings += _expiry("issuer expiry" if depth == 0 else "root expiry", certificate, now, longest)
    return findings


def _advice(refused: Refused) -> str:
    if "not valid before" in refused.reason:
        return "set the clock of this host: the CA was made later than it says now"
    if "expired" in refused.reason:
        return "make a new intermediate: `init csr` asks the root for one"
    return "mend what the sentence names; `ca-supervisor check-config` looks again"


def _expiry(check: str, certificate: x509.Certificate, now: int, longest: int) -> list[Finding]:
    left = int(certificate.not_valid_after_utc.timestamp()) - now
    seen = f"{left // _DAY} days until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < longest:
        advice = "certificates are shortened or refused by then already: make its successor now"
        return [warning(check, seen, advice)]
    if left < longest + _SOON:
        return [note(check, seen, "make its successor soon")]
    return [ok(check, seen)]


def check_crl(settings: Settings, now: int) -> list[Finding]:
    """The CRL is there and fresh."""
    file = settings.crl.file
    if not file.exists():
        return [note("crl", f"{file} is not there yet", "the supervisor writes it when it starts")]
    try:
        found = read_crl(file)
    except Refused as refused:
        return [error("crl", refused.reason, f"move {file} away; the supervisor writes a new one")]
    left = found.next_update - now
    if left <= 0:
        seen = f"number {found.number} has expired: clients that look at it refuse every certificate"
        return [error("crl", seen, "`ca-supervisor crl --write`, or start the supervisor")]
    if left < settings.crl.renew_before / 2:
        advice = "the supervisor should have renewed it: look for crl.failed in its logs"
        return [warning("crl", f"number {found.number} expires in {left // 3600} h", advice)]
    return [ok("crl", f"number {found.number}, {len(found.serials)} entries, next update in {left // 3600} h")]
