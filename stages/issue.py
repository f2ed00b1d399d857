"""The third stage: checks proofs, CSR and CAA, reserves the serial, writes the intent, signs, records.

The intent is durable before anything is signed (law 3), and the certificate is a pure function of it: a stage that died
after its signature makes the same bytes again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec

from stages.ca.csr import CheckedCsr, check_csr
from stages.ca.intent import Intent, make_intent
from stages.ca.issuer import Issuer
from stages.ca.key_policy import KeyPolicy
from stages.ca.profiles import Profile
from stages.certifying import certify
from stages.errors import Refused
from stages.name_policy import NamePolicy
from stages.outcome import NOTHING, Advance, Outcome, Reject, Retry, Wait, Writes
from stages.proofs import methods, unproven
from stages.session import Delivery, Problem, Session

OWN_FAULT_AFTER = 30.0
"""Seconds until the next try after a fault of the CA's own."""


class IssueSettings(msgspec.Struct, frozen=True):
    """What certificates are made by.

    Attributes:
        profiles: by name; `default_profile` is that of a session that names none.
        names, keys: the policies.
        proof_max_age: seconds for which a proof counts.
        max_age: seconds after its creation until which a session may wait for its CSR.
    """

    profiles: dict[str, Profile]
    default_profile: str
    names: NamePolicy
    keys: KeyPolicy
    proof_max_age: int
    max_age: int


class Reserves(Protocol):
    """Makes an intent durable."""

    async def reserve(self, session: str, serial: str, intent: str) -> tuple[str, str]:
        """Return the serial and intent on record: an earlier one if there was one."""
        ...

    async def on_disk(self, session: str, intent: str) -> None:
        """Wait for an intent that came with the CSR and may be on its way. Raises where it did not arrive."""
        ...


Permits: TypeAlias = Callable[[Session, Mapping[str, tuple[str, ...]]], Awaitable[Retry | Reject | None]]
"""Asks what others permit: the owners of the names (CAA, RFC 8659) and the operator, for single accounts.

It gets the session and, for each name, the labels of the challenges that proved it; None is a permission.
"""


class Issue:
    """The stage."""

    def __init__(
        self,
        issuer: Issuer,
        reserves: Reserves,
        settings: Callable[[], IssueSettings],
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
        permits: Permits,
    ) -> None:
        self._issuer = issuer
        self._reserves = reserves
        self._settings = settings
        self._clock = clock
        self._random_bytes = random_bytes
        self._permits = permits

    async def __call__(self, session: Session) -> Outcome:
        """Advance with the certificate; Wait for the CSR; Reject what may not be certified."""
        if session.cert:
            return Advance(self._delivered(session), note="the certificate was on record")
        settings, now = self._settings(), int(self._clock())
        if not session.csr:
            return Wait(session.created + settings.max_age, note="waits for the CSR")
        try:
            csr = self._check(session, settings, now)
            # Last of all checks, and asked again after a crash: a permission is never older than this run of the stage.
            not_before = now - settings.proof_max_age
            if refusal := await self._permits(session, methods(session, not_before)):
                return refusal
            intent = await self._intent(session, csr, settings, now)
            record = await certify(intent, self._issuer, account=session.account, session=session.id)
        except Refused as refused:
            if refused.kind == "serverInternal":
                # A fault of the CA's own (issuer expired, intent unreadable): an operator may mend it in time.
                return Retry(OWN_FAULT_AFTER, f"{refused.field}: {refused.reason}")
            return Reject(Problem(refused.kind, f"{refused.field}: {refused.reason}"))
        fields = {"cert": record.pem, "delivery": Delivery.ISSUED.value, "delivered": str(now)}
        return Advance(Writes(fields=fields, certificate=record), note=f"serial {intent.serial}")

    def _delivered(self, session: Session) -> Writes:
        """The delivery starts now, unless it has started."""
        if session.delivery is not None:
            return NOTHING
        return Writes(fields={"delivery": Delivery.ISSUED.value, "delivered": str(int(self._clock()))})

    def _check(self, session: Session, settings: IssueSettings, now: int) -> CheckedCsr:
        if not session.names:
            raise Refused("unauthorized", "names", "the session has none")
        missing = unproven(session, not_before=now - settings.proof_max_age)
        if missing:
            raise Refused("unauthorized", missing[0], "there is no fresh proof on record")
        settings.names.check(session.names)
        return check_csr(session.csr, session.names, settings.keys)

    async def _intent(self, session: Session, csr: CheckedCsr, settings: IssueSettings, now: int) -> Intent:
        profile = settings.profiles.get(session.profile or settings.default_profile)
        if profile is None:
            raise Refused("invalidProfile", "profile", "there is no profile of that name any more")
        if session.intent:
            intent = Intent.from_json(session.intent)
            await self._reserves.on_disk(session.id, session.intent)
        else:
            intent = make_intent(session.names, csr, profile, self._issuer, now, self._random_bytes)
            _, recorded = await self._reserves.reserve(session.id, intent.serial, intent.to_json())
            intent = Intent.from_json(recorded)
        if intent.names != session.names or intent.csr_sha256 != csr.sha256:
            raise Refused("serverInternal", "intent", "it was made for another request")
        if now > intent.not_after:
            raise Refused("unauthorized", "intent", "the time for which the certificate was to be valid is over")
        return intent
