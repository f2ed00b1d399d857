"""Reasons for a revocation (RFC 5280 5.3.1), as far as they are for leaves. Anyone may import it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cryptography import x509

from stages.errors import Refused


class Reason(IntEnum):
    """The reason codes that may be given; the other ones are in `REFUSED` with why not."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    PRIVILEGE_WITHDRAWN = 9

    @property
    def label(self) -> str:
        """RFC 5280's name, such as "keyCompromise"."""
        return LABELS[self]


LABELS: Final = {
    Reason.UNSPECIFIED: "unspecified",
    Reason.KEY_COMPROMISE: "keyCompromise",
    Reason.AFFILIATION_CHANGED: "affiliationChanged",
    Reason.SUPERSEDED: "superseded",
    Reason.CESSATION_OF_OPERATION: "cessationOfOperation",
    Reason.PRIVILEGE_WITHDRAWN: "privilegeWithdrawn",
}

REFUSED: Final = {
    2: "cACompromise is for CA certificates",
    6: "certificateHold is temporary, and a revocation here is for good",
    7: "code 7 is not used (RFC 5280 5.3.1)",
    8: "removeFromCRL is for delta CRLs, which this CA does not make",
    10: "aACompromise is for attribute authorities",
}

FLAGS: Final = {reason: x509.ReasonFlags(label) for reason, label in LABELS.items()}

MAX_CODE_DIGITS: Final = 2
ALLOWED: Final = ", ".join(f"{label} ({reason.value})" for reason, label in LABELS.items())


def parse_reason(reason: int | str, field: str = "reason") -> Reason:
    """Read a code (RFC 8555 7.6) or a name; raises Refused("badRevocationReason", field, ...)."""
    if isinstance(reason, str):
        for known, label in LABELS.items():
            if label.lower() == reason.lower():
                return known
        if not (reason.isascii() and reason.isdecimal() and len(reason) <= MAX_CODE_DIGITS):
            raise Refused("badRevocationReason", field, f"it must be one of {ALLOWED}")
        reason = int(reason)
    # JSON's true is no reason code, although Python counts it as 1.
    if isinstance(reason, bool) or reason not in LABELS:
        why = "" if isinstance(reason, bool) else REFUSED.get(reason, "")
        raise Refused("badRevocationReason", field, f"{why + '; ' if why else ''}it must be one of {ALLOWED}")
    return Reason(reason)
