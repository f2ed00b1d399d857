"""What the rules judge: what was seen at one look. Pure data; `supervisor.warnings.gathering` fills it in.

A field that is None is not known now; its rule then leaves its warnings as they are.
"""

from __future__ import annotations

import msgspec


class Validity(msgspec.Struct, frozen=True):
    """From when until when a certificate is valid (unix seconds), and what it is called."""

    subject: str
    not_before: int
    not_after: int


class CrlLook(msgspec.Struct, frozen=True):
    """The CRL as it lies there.

    Attributes:
        file: where.
        next_update: unix time, 0 when it cannot be read.
        renew_before: seconds before that in which a new one should have been written.
        problem: why it cannot be read, "" when it can.
        lacking: how many revocations of the store are not in it, and were not at the look before.
    """

    file: str
    next_update: int
    renew_before: int
    problem: str = ""
    lacking: int = 0


class Disk(msgspec.Struct, frozen=True):
    """A file system, in bytes and inodes; `inodes` is 0 where it has no fixed number of them."""

    folder: str
    size: int
    free: int
    inodes: int
    free_inodes: int


class OnRecord(msgspec.Struct, frozen=True):
    """A certificate that somebody should look at; times are unix seconds."""

    serial: str
    names: tuple[str, ...]
    not_before: int
    not_after: int


class Certificates(msgspec.Struct, frozen=True):
    """What a whole round through the certificates on record has found, the most urgent first, and how many in all."""

    undelivered: tuple[OnRecord, ...] = ()
    undelivered_count: int = 0
    unrenewed: tuple[OnRecord, ...] = ()
    unrenewed_count: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one look.

    Attributes:
        now: unix time.
        chain: the issuer and those above it.
        door: the ACME server's own certificates; empty where it has none.
        jump: seconds by which the clock was set within the last hour, the farthest; 0 for not at all.
        differs: the store's clock minus ours, in seconds.
        weak: what the store promises less than it should, one sentence each.
        store_bytes: size of the embedded store's files; 0 where the store is another's.
    """

    now: int
    chain: tuple[Validity, ...] | None = None
    door: tuple[Validity, ...] | None = None
    crl: CrlLook | None = None
    disk: Disk | None = None
    jump: float | None = None
    differs: float | None = None
    certificates: Certificates | None = None
    weak: tuple[str, ...] | None = None
    store_bytes: int | None = None
