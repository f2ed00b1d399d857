"""What a stage says has happened. A stage never moves its session: the runner commits the outcome in one script.

Every outcome may carry `writes`: the fields that change together with the move.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from stages.session import Challenge, Problem


class CertificateRecord(msgspec.Struct, frozen=True):
    """What the certificate store keeps under a serial number, written by the move that leaves the issue stage.

    Attributes:
        serial: lower-case hex, no leading zeros.
        issuer: id of the issuer in the configuration.
        names: the SAN, comma-separated.
        pem: the chain, leaf first.
        not_before, not_after: unix seconds.
        account, session: whose it is.
        spki: lower-case hex SHA-256 of the SubjectPublicKeyInfo.
    """

    serial: str
    issuer: str
    names: str
    pem: str
    not_before: int
    not_after: int
    account: str
    session: str
    spki: str


class Writes(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that change together with a move.

    Attributes:
        fields: session fields in their Redis text form.
        challenges: challenges to write whole (new ones too); `challenges` (the count) follows by itself.
        certificate: the certificate to put on record.
    """

    fields: dict[str, str] = {}
    challenges: tuple[Challenge, ...] = ()
    certificate: CertificateRecord | None = None


NOTHING = Writes()


class Advance(msgspec.Struct, frozen=True):
    """This stage is finished; the session goes to the next one (from done: it is retired)."""

    writes: Writes = NOTHING
    note: str = ""


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do until the client moves, or until the unix time `until`, when the stage looks again."""

    until: int
    writes: Writes = NOTHING
    note: str = ""


class Retry(msgspec.Struct, frozen=True):
    """Look again after `after` seconds.

    Attributes:
        after: seconds from now.
        why: one sentence, kept in the session's story.
        costs: whether it counts against `max_attempts`; a schedule's next look does not.
        kind: the RFC 8555 6.7 error type of the rejection, where it is the last try.
    """

    after: float
    why: str
    writes: Writes = NOTHING
    costs: bool = True
    kind: str = "serverInternal"


class Reject(msgspec.Struct, frozen=True):
    """The session ends without a certificate, for this reason."""

    problem: Problem
    writes: Writes = NOTHING


Outcome: TypeAlias = Advance | Wait | Retry | Reject
