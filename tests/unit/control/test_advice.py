"""From figures to slots."""

from __future__ import annotations

import pytest

from supervisor.control.advice import Advice, advise
from supervisor.pipeline.measures import Measured

LITTLE = "too little was measured: 19 attempts, 20 are wanted"
AS_STAGE = "enough: the wait is no longer than the stage"
AS_SHORT = "enough: the wait is no longer than 0.1 s"
BUSY = "the program's processor is busy all the time: more slots would only share it"
BURSTS = "the wait comes from bursts that are shorter than the slots are many"


def measured(concurrency: int, arrived: int, stage: float, wait: float, **other: float) -> Measured:
    """A hundred seconds in which all that arrived was done."""
    whole: dict[str, float] = {"attempts": arrived, "longest": 1000, "cpu": 10.0, **other}
    return Measured(
        seconds=100.0,
        concurrency=concurrency,
        arrived=arrived,
        attempts=int(whole["attempts"]),
        busy=stage * whole["attempts"],
        waiting=wait * arrived,
        longest=int(whole["longest"]),
        cpu=whole["cpu"],
    )


@pytest.mark.parametrize(
    ("advised", "why", "seen"),
    [
        (32, "too little was measured: 0 attempts, 20 are wanted", measured(32, 0, 0.0, 0.0)),
        (1, LITTLE, measured(1, 19, 1.0, 60.0)),
        (32, AS_STAGE, measured(32, 500, 1.0, 1.0)),
        (32, AS_SHORT, measured(32, 500, 0.001, 0.1)),
        # 5 sessions in a second, 2 s each: 10 slots are busy on average, and 2 x 3.16 for bursts.
        (17, "arrivals x stage = 10.0 busy slots on average, and 2 x its root for bursts", measured(10, 500, 2.0, 3.0)),
        # One slot, and six seconds in the queue for a stage of 0.3 s: twenty slots bring that down to the stage.
        (20, "the wait is 20.0 times what is bearable (0.3 s)", measured(1, 40, 0.3, 6.0)),
        # A short stage need not bring the wait below a tenth of a second.
        (50, "the wait is 50.0 times what is bearable (0.1 s)", measured(1, 1000, 0.01, 5.0)),
        # Never more slots than there was work for, and never more than the settings allow.
        (8, "the wait is 20.0 times what is bearable (0.3 s)", measured(1, 40, 0.3, 6.0, longest=7)),
        (4096, "the wait is 50.0 times what is bearable (0.3 s)", measured(100, 9000, 0.3, 15.0, longest=9000)),
        (10, BURSTS, measured(10, 40, 0.3, 0.5, longest=0)),
        (1, BUSY, measured(1, 40, 0.3, 6.0, cpu=90.0)),
    ],
)
def test_advice_by_figures(advised: int, why: str, seen: Measured) -> None:
    """Slots and the reason for them, for each kind of queue."""
    [advice] = advise({"issue": seen})
    assert (advised, why) == (advice.advised, advice.why)


def test_advice_shows_its_figures() -> None:
    """Each queue in its order, with what was measured in seconds and sessions a second."""
    found = advise({"makechallenge": measured(32, 0, 0.0, 0.0), "issue": measured(1, 40, 0.3, 6.0)})
    assert found == [
        Advice("makechallenge", 32, 32, 0.0, 0.0, 0.0, 0.0, "too little was measured: 0 attempts, 20 are wanted"),
        Advice("issue", 1, 20, 0.4, 0.3, 6.0, 0.12, "the wait is 20.0 times what is bearable (0.3 s)"),
    ]
