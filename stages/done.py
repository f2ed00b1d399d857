"""The last stage: follows the delivery of the certificate, then retires the session. Pure.

It answers the question that the 2012 note leaves open, so that neither bad case does harm: delivery is a three-step
fact, issued, sent, confirmed. A confirmed session retires at once, a sent one after `grace`, a never fetched one after
`keep`; the certificate stays on record in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from stages.outcome import Advance, Outcome, Wait
from stages.session import Delivery, Session

CONFIRMED: Final = "retired: the client confirmed"
"""The last line of a story that ends well; the front door writes it too, with the confirmation itself."""


class DoneSettings(msgspec.Struct, frozen=True):
    """Seconds: `grace` after sending, `keep` for a certificate that nobody fetched."""

    grace: int
    keep: int


class Done:
    """The stage."""

    def __init__(self, settings: Callable[[], DoneSettings], clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock

    async def __call__(self, session: Session) -> Outcome:
        """Advance (retire) when the client has it or has had its time; Wait until then."""
        settings = self._settings()
        if session.delivery is Delivery.CONFIRMED:
            return Advance(note=CONFIRMED)
        if session.delivery is Delivery.SENT:
            until, note = session.delivered + settings.grace, "retired: sent, and no word since"
        else:
            until, note = session.delivered + settings.keep, "retired: nobody fetched the certificate"
        if self._clock() >= until:
            return Advance(note=note)
        return Wait(until)
