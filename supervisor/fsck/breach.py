"""What a look at the store found to be against a law. For `supervisor.fsck` and those who show it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mend(StrEnum):
    """Who mends a breach."""

    RECOVERY = "recovery"
    """The recovery scan: a start, `recover`, `fsck --repair`, or the running supervisor within `recovery.interval`."""
    CRL = "crl --write"
    HAND = "by hand"


class Breach(msgspec.Struct, frozen=True):
    """One breach.

    Attributes:
        law: a short name of what does not hold, always the same for the same fault.
        where: "session <id>", "certificate <serial>", "in-flight list <supervisor>", "account <id>",
            "account key <thumbprint>", "credential <kid>" or "crl".
        detail: one sentence for people.
        mend: who mends it.
    """

    law: str
    where: str
    detail: str
    mend: Mend = Mend.HAND
