"""The parts of an overview as they go out in JSON. No I/O; whoever shows an overview may import it.

Times are unix seconds unless a field says otherwise. Texts may come from strangers: whoever shows one makes it safe.
"""

from __future__ import annotations

from typing import Any

import msgspec


class QueueNow(msgspec.Struct, frozen=True):
    """One queue: who stands in it, who is at work, and what was done in this term.

    Attributes:
        queue: its name.
        pending, delayed: as of the last exchange with the store.
        at_work: sessions in flight.
        concurrency: how many may be; 0 where nobody knows.
        waiting: sessions among the newest that wait for their client; None where the store was not asked.
        advanced, waited, retried, rejected: outcomes since the lease was taken.
        mean_ms: what a try took in the last minute, in milliseconds; None where there was none.
    """

    queue: str
    pending: int = 0
    delayed: int = 0
    at_work: int = 0
    concurrency: int = 0
    waiting: int | None = None
    advanced: int = 0
    waited: int = 0
    retried: int = 0
    rejected: int = 0
    mean_ms: float | None = None


class Samples(msgspec.Struct, frozen=True):
    """The last minutes: one column for each sample, the oldest first, `step` seconds apart, the last one at `at`.

    The lists of four have one row for each queue. `issued`, `retired`, `rejected` and `retried` are what happened in
    the step that ends with the sample; `up` is 1 where the store answered.
    """

    step: float
    at: float
    pending: list[list[int]]
    delayed: list[list[int]]
    at_work: list[list[int]]
    issued: list[int]
    retired: list[int]
    rejected: list[int]
    retried: list[int]
    up: list[int]


class ProgramNow(msgspec.Struct, frozen=True):
    """The program that answers. `supervisor` and `fence` are those of its lease, "" and 0 without one."""

    version: str
    uptime: float
    ready: bool
    faults: tuple[str, ...]
    supervisor: str
    fence: int


class SupervisorNow(msgspec.Struct, frozen=True):
    """One that has sessions in flight, or may have; `alive` is whether its lease is."""

    id: str
    alive: bool
    in_flight: int


class StoreNow(msgspec.Struct, frozen=True):
    """How the store stands, as of `at`.

    Attributes:
        supervisors: all that are on record.
        active: entries of active-requests; finished ones are among them until the next sweep.
        certificates, revoked, retired, rejected, quarantined: totals.
        looked: how many of the newest sessions were looked at for the counts below.
        waiting: sessions that wait for their client, by queue.
        undelivered: certificates that their client has not confirmed.
        failed: rejected sessions.
    """

    at: float
    supervisors: tuple[SupervisorNow, ...]
    active: int
    certificates: int
    revoked: int
    retired: int
    rejected: int
    quarantined: int
    looked: int
    waiting: dict[str, int]
    undelivered: int
    failed: int


class Timeline(msgspec.Struct, frozen=True):
    """How many certificates end when: `counts[n]` from `start + n * width` on, for `width` seconds."""

    start: int
    width: int
    counts: list[int]
    expired: int


class SessionRow(msgspec.Struct, frozen=True):
    """A session in a table. `place` says where it stands, in a word; `last` is the latest line of its story.

    `due` is when it is tried again, 0 for never. Of the names there are the first 20.
    """

    id: str
    state: str
    place: str
    created: int
    names: tuple[str, ...]
    names_count: int
    account: str
    profile: str
    attempts: int
    waiting: int
    due: float
    serial: str
    delivery: str
    delivered: int
    error: str
    detail: str
    last: str
    last_at: int


class SessionList(msgspec.Struct, frozen=True):
    """Rows of one kind as of `at`. `looked` of `active` sessions were looked at; `more`: rows were left out."""

    at: float
    show: str
    rows: list[SessionRow]
    more: bool
    looked: int
    active: int


class CertificateRow(msgspec.Struct, frozen=True):
    """A certificate in a table. Of the names there are the first 20; `problem` says why it cannot be read."""

    serial: str
    names: tuple[str, ...] = ()
    names_count: int = 0
    issuer: str = ""
    not_before: int = 0
    not_after: int = 0
    account: str = ""
    session: str = ""
    delivery: str = ""
    revoked: int = 0
    reason: str = ""
    replaced: str = ""
    successor: str = ""
    problem: str = ""


class CertificateList(msgspec.Struct, frozen=True):
    """Certificates that end from `start` until before `end`, the first to end first; `offset` of them left out."""

    at: float
    start: int
    end: int
    offset: int
    rows: list[CertificateRow]
    more: bool


class Authority(msgspec.Struct, frozen=True):
    """A certificate of the CA; serial and SHA-256 fingerprint are lower-case hex. `role` is a word for people."""

    role: str
    subject: str
    serial: str
    key: str
    not_before: int
    not_after: int
    fingerprint: str
    file: str


class CrlNow(msgspec.Struct, frozen=True):
    """The CRL that lies there; `problem` says why there is none."""

    file: str
    number: int = 0
    this_update: int = 0
    next_update: int = 0
    entries: int = 0
    size: int = 0
    problem: str = ""


class Tree(msgspec.Struct, frozen=True):
    """The CA: its chains from the root down to the issuer, the first one being what clients get; and its CRL."""

    issuer: str
    chains: tuple[tuple[Authority, ...], ...]
    crl: CrlNow
    problems: tuple[str, ...] = ()


class WarningNow(msgspec.Struct, frozen=True):
    """Something that somebody ought to look at (docs/warnings.md); `severity` is "warning" or "error"."""

    name: str
    severity: str
    subject: str
    text: str
    since: int


class Overview(msgspec.Struct, frozen=True):
    """All of it. `store` is the last that was seen, with its time; `store_fault` says why there is nothing newer."""

    at: float
    program: ProgramNow | None
    store_available: bool
    store_fault: str
    store: StoreNow | None
    queues: tuple[QueueNow, ...]
    samples: Samples | None
    timeline: Timeline | None
    ending: tuple[CertificateRow, ...]
    tree: Tree
    warnings: tuple[WarningNow, ...] = ()


class Detail(msgspec.Struct, frozen=True):
    """One session with all that is told of it: `session` as `ca-supervisor show --json` has it, without PEM."""

    at: float
    session: dict[str, Any]
    subject: str
    contact: tuple[str, ...]
