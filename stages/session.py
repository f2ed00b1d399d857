"""What a session and a challenge are: the objects that the stages work on. No I/O; anyone may import it.

A session is one request for one certificate. It is kept in Redis as the hash, list and hashes of the 2012 note
(docs/redis.md); `stages.store.records` turns those into these objects and back. Names follow RFC 8555: a session is
what a client sees as an order, and one of its names with that name's challenges is what it sees as an authorization.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

SCHEMA = 1
"""The version of the session record that this program writes; a higher one is set aside, not guessed at."""


class State(StrEnum):
    """The four values of `state`; each is also the name of the queue whose stage works on it."""

    MAKECHALLENGE = "makechallenge"
    TESTCHALLENGE = "testchallenge"
    ISSUE = "issue"
    DONE = "done"


class ChallengeType(IntEnum):
    """The integer in a challenge's `type`. 0, 2 and 3 keep their 2012 meaning and are refused."""

    DVSNI = 0
    TLS_ALPN_01 = 1
    EMAIL = 2
    PAYMENT = 3
    HTTP_01 = 4
    DNS_01 = 5
    DNS_ACCOUNT_01 = 6

    @property
    def label(self) -> str:
        """The name that its RFC or draft gives to the type, such as "http-01"."""
        return self.name.lower().replace("_", "-")


OFFERED = (
    ChallengeType.HTTP_01,
    ChallengeType.DNS_01,
    ChallengeType.TLS_ALPN_01,
    ChallengeType.DNS_ACCOUNT_01,
)
"""The types that can be offered; which of them are, `challenges.types` says."""


class Delivery(StrEnum):
    """How far a certificate is known to have come on its way to its client."""

    ISSUED = "issued"
    SENT = "sent"
    CONFIRMED = "confirmed"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as it is kept and shown: RFC 8555 6.7 type without its URN prefix, and one sentence."""

    kind: str
    detail: str


class Hop(msgspec.Struct, frozen=True, omit_defaults=True):
    """One connection of a validation: what was asked, which address was used, what was seen (never its bytes).

    Attributes:
        target: host and port, or the URL, that was asked.
        addresses: every address that the name resolved to, in the resolver's order.
        used: the address that was dialled, empty when none was.
        seen: one phrase such as "status 404" or "connection refused".
    """

    target: str
    addresses: tuple[str, ...] = ()
    used: str = ""
    seen: str = ""


class ValidationRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The evidence of one attempt at one challenge.

    Attributes:
        at: unix time in seconds at which the attempt began.
        took: its duration in milliseconds.
        ok: whether the proof was found.
        hops: the connections made, in order.
        error: why it failed, None when ok.
        lasting: a failure that the same client will get again without changing something; False for passing faults
            (time-out, connection refused, resolver down).
    """

    at: int
    took: int
    ok: bool
    hops: tuple[Hop, ...] = ()
    error: Problem | None = None
    lasting: bool = False


class ChallengeData(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON object in a challenge's `data`.

    Attributes:
        token: RFC 8555 8.1: base64url text of at least 128 random bits.
        ready: unix time at which the client said that it is ready; 0 before, and for ever in a session of the
            command line, whose challenges are tested on a schedule.
        attempts: the latest validation records, oldest first (bounded).
        error: the last error.
    """

    token: str
    ready: int = 0
    attempts: tuple[ValidationRecord, ...] = ()
    error: Problem | None = None


class Challenge(msgspec.Struct, frozen=True):
    """One way in which one name can be proven: the hash `<sessionid>:<n>`."""

    n: int
    challtime: int
    type: ChallengeType
    name: str
    satisfied: bool
    failed: bool
    data: ChallengeData


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One request for one certificate: the hash `<sessionid>`, its names and its challenges.

    Attributes:
        id: 64 hex digits of 32 random bytes.
        created: unix time in seconds.
        live: False once the session was rejected or retired; never True again.
        state: which stage it belongs to.
        names: DNS names and IP addresses, in the order asked for, lower-case, no duplicates.
        challenges: empty until makechallenge has run, or where the caller did not load them.
        csr: PEM of the PKCS #10 request, empty until the client finalized.
        cert: PEM chain, leaf first, empty until issued.
        serial: lower-case hex of the reserved serial number, empty before.
        intent: JSON of the issuance intent (`stages.ca.intent`), empty before.
        error: why it was rejected, None otherwise.
        account: the ACME account's id, empty for a session of the command line.
        profile: the name of the certificate profile asked for.
        attempts: failed tries of the present stage.
        delivery: None until issued.
        waiting: 0, or the unix time at which its wait for the client ends by itself.
        scheduled: the client will send no "ready" message: challenges are tested on a schedule.
        thumbprint: what key authorizations end in (RFC 8555 8.1): the account key's, or the CSR's SPKI digest.
        expires: unix time after which its challenges no longer count.
        delivered: unix time of the last change of `delivery`.
        story: one line for each move: unix time, a space, what happened.
        asked: the names as the client spelled them, one for each of `names`; empty where it spelled them so.
        replaces: serial (lower-case hex) of the certificate that it is to replace (RFC 9773 5), empty for none.
    """

    id: str
    created: int
    live: bool
    state: State
    names: tuple[str, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    csr: str = ""
    cert: str = ""
    serial: str = ""
    intent: str = ""
    error: Problem | None = None
    account: str = ""
    profile: str = ""
    attempts: int = 0
    delivery: Delivery | None = None
    waiting: int = 0
    scheduled: bool = False
    thumbprint: str = ""
    expires: int = 0
    delivered: int = 0
    story: str = ""
    asked: tuple[str, ...] = ()
    replaces: str = ""

    def key_authorization(self, challenge: Challenge) -> str:
        """The text that proves control (RFC 8555 8.1): token, dot, thumbprint."""
        return f"{challenge.data.token}.{self.thumbprint}"
