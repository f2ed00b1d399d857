"""Delivery is followed until the client has its certificate or has had its time."""

from __future__ import annotations

import pytest

from stages.done import Done, DoneSettings
from stages.outcome import Advance, Outcome, Wait
from stages.session import Delivery, State
from tests.unit.stages.making import NOW, session

pytestmark = pytest.mark.anyio

GRACE, KEEP = 100, 1000
SENT, NOBODY = "retired: sent, and no word since", "retired: nobody fetched the certificate"


@pytest.mark.parametrize(
    ("delivery", "age", "expected"),
    [
        (Delivery.CONFIRMED, 0, Advance(note="retired: the client confirmed")),
        (Delivery.SENT, 0, Wait(NOW + GRACE)),
        (Delivery.SENT, GRACE - 1, Wait(NOW + GRACE)),
        (Delivery.SENT, GRACE, Advance(note=SENT)),
        (Delivery.ISSUED, 0, Wait(NOW + KEEP)),
        (Delivery.ISSUED, GRACE, Wait(NOW + KEEP)),
        (Delivery.ISSUED, KEEP, Advance(note=NOBODY)),
    ],
)
async def test_done_retires_what_is_confirmed_or_out_of_time(delivery: Delivery, age: int, expected: Outcome) -> None:
    """A confirmed session retires at once, a sent one after the grace, a never fetched one after the keep."""
    stage = Done(lambda: DoneSettings(GRACE, KEEP), lambda: NOW + age)
    assert expected == await stage(session(State.DONE, delivery=delivery, delivered=NOW))
