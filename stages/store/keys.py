"""Every Redis key of the program is made here, and nowhere else. No I/O.

The names are those of the 2012 note, behind an optional prefix. A prefix with a hash tag, such as "{ca}:", puts every
key into one slot, as Redis Cluster and Valkey Cluster ask for. Lua scripts receive the fixed keys as KEYS and derive a
session's own keys from the prefix in the same way (`prelude.lua`); a test compares the two.
"""

from __future__ import annotations

from stages.session import State

QUEUES = tuple(State)
"""The queues in the order of the pipeline; scripts know them by their position, counted from 1."""


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.active = f"{prefix}active-requests"
        self.pending = tuple(f"{prefix}pending-{queue}" for queue in QUEUES)
        self.delayed = tuple(f"{prefix}delayed-{queue}" for queue in QUEUES)
        self.quarantine = f"{prefix}quarantine"
        self.supervisors = f"{prefix}supervisors"
        self.fencing = f"{prefix}fencing"
        self.certificates = f"{prefix}certificates"
        self.revoked = f"{prefix}revoked"
        self.crl_number = f"{prefix}crl-number"
        self.clock = f"{prefix}clock"
        self.finished = f"{prefix}finished"
        self.groups = f"{prefix}groups"
        self.credentials = f"{prefix}eab"
        self.blocked = f"{prefix}blocked-keys"
        self.reads = f"{prefix}reads"
        self.door = f"{prefix}door-certificate"
        self.restored = f"{prefix}restored"
        self.wake = f"{prefix}wake"

    def session(self, session: str) -> str:
        """The hash of a session."""
        return f"{self.prefix}{session}"

    def names(self, session: str) -> str:
        """The list of the names asked for."""
        return f"{self.prefix}{session}:names"

    def challenge(self, session: str, n: int) -> str:
        """The hash of challenge `n`, counted from 1."""
        return f"{self.prefix}{session}:{n}"

    def inflight(self, supervisor: str) -> str:
        """The list of what a supervisor has taken."""
        return f"{self.prefix}inflight:{supervisor}"

    def lease(self, supervisor: str) -> str:
        """The string with expiry that says that a supervisor is alive; its value is the fencing number."""
        return f"{self.prefix}supervisor:{supervisor}"

    def certificate(self, serial: str) -> str:
        """The hash of a certificate on record, by serial number in lower-case hex."""
        return f"{self.prefix}certificate:{serial}"

    def account(self, account: str) -> str:
        """The hash of an ACME account."""
        return f"{self.prefix}account:{account}"

    def account_key(self, thumbprint: str) -> str:
        """The string with the id of the account that has the key with this thumbprint."""
        return f"{self.prefix}account-key:{thumbprint}"

    def orders(self, account: str) -> str:
        """The sorted set of an account's sessions by creation."""
        return f"{self.prefix}account:{account}:orders"

    def credential(self, kid: str) -> str:
        """The hash of a credential for an external account."""
        return f"{self.prefix}eab:{kid}"

    def rate(self, which: str, who: str) -> str:
        """The string that keeps a rate limit; it goes by itself when nothing of the limit is used."""
        return f"{self.prefix}rate:{which}:{who}"

    def group(self, supervisor: str) -> list[str]:
        """KEYS of `group.lua`, in its order."""
        return [
            self.lease(supervisor),
            self.inflight(supervisor),
            self.active,
            *self.pending,
            *self.delayed,
            self.quarantine,
            self.certificates,
            self.revoked,
            self.finished,
            self.groups,
        ]
