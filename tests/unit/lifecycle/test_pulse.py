"""The event loop's pulse, and the watchdog that is fed from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stages.errors import Refused
from supervisor.lifecycle.watchdog import Watchdog, watchdog_interval
from supervisor.term.pulse import Pulse, keep_pulse


class Over(Exception):  # noqa: N818  the end of a test's time
    """The loop of a test ends."""


def test_pulse_counts_how_late_a_beat_is() -> None:
    """The latest and the worst, in seconds; a timer that is early is not late."""
    pulse = Pulse()
    assert (pulse.latest, pulse.worst) == (0.0, 0.0)
    pulse.beat(10.0, 10.25)
    assert (pulse.latest, pulse.worst) == (0.25, 0.25)
    pulse.beat(11.25, 11.249)
    assert (pulse.latest, pulse.worst) == (0.0, 0.25)


def test_pulse_forgets_after_a_minute() -> None:
    """The worst is that of the last sixty seconds."""
    pulse = Pulse()
    pulse.beat(100.0, 102.0)
    pulse.beat(161.5, 162.0)
    assert pulse.worst == 2.0
    pulse.beat(162.75, 163.0)
    assert (pulse.latest, pulse.worst) == (0.25, 0.5)


@pytest.mark.anyio
async def test_keep_pulse_measures_from_the_time_that_was_due() -> None:
    """What sleeps for one second and wakes after three is two seconds late."""
    now, sleeps = [50.0], iter([1.0, 3.0])
    beats: list[tuple[float, float]] = []
    pulse = Pulse()

    async def sleep(_: float) -> None:
        now[0] += next(sleeps, 0.0)
        if len(beats) == 2:
            raise Over

    def beaten(at: float) -> None:
        beats.append((at, pulse.latest))

    with pytest.raises(Over):
        await keep_pulse(pulse, lambda: now[0], beaten, 1.0, sleep)
    assert beats == [(51.0, 0.0), (54.0, 2.0)]


def fed(interval: float, beats: Iterator[tuple[float, float]]) -> list[float]:
    """The times at which the watchdog was fed, of beats (due, now)."""
    pulse = Pulse()
    told: list[str] = []
    dog = Watchdog(interval, pulse, told.append)
    times = []
    for due, now in beats:
        pulse.beat(due, now)
        before = len(told)
        dog.beaten(now)
        times += [now] * (len(told) - before)
    assert set(told) <= {"WATCHDOG=1"}
    return times


def test_watchdog_is_fed_four_times_in_its_interval() -> None:
    """Not with each beat: systemd is woken no more than it asks for."""
    assert fed(12.0, ((float(n), float(n)) for n in range(1, 13))) == [1.0, 4.0, 7.0, 10.0]


def test_watchdog_is_fed_with_each_beat_of_a_short_interval() -> None:
    """An interval that is too short for a beat a second makes the pulse quicker."""
    assert Watchdog(2.0, Pulse(), lambda _: None).period == 0.5
    assert fed(2.0, iter([(0.5, 0.5), (1.0, 1.0), (1.5, 1.5)])) == [0.5, 1.0, 1.5]


def test_watchdog_is_not_fed_by_a_loop_that_is_late() -> None:
    """One stall is forgiven at the next beat in time; a loop that is always late starves the watchdog."""
    assert fed(12.0, iter([(1.0, 1.0), (2.0, 10.0), (11.0, 11.0)])) == [1.0, 11.0]
    assert fed(12.0, ((5.0 * n, 5.0 * n + 3.5) for n in range(1, 20))) == []


def test_watchdog_that_nobody_set_says_nothing() -> None:
    """The pulse beats as ever."""
    assert Watchdog(0.0, Pulse(), lambda _: None).period == 1.0
    assert fed(0.0, ((float(n), float(n)) for n in range(1, 13))) == []


@pytest.mark.parametrize(
    ("seconds", "environ"),
    [
        (0.0, {}),
        (0.0, {"WATCHDOG_PID": "41"}),
        (30.0, {"WATCHDOG_USEC": "30000000"}),
        (30.0, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"}),
        (0.0, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "40"}),
    ],
)
def test_watchdog_interval(seconds: float, environ: dict[str, str]) -> None:
    """Seconds, for this process only (sd_watchdog_enabled(3))."""
    assert watchdog_interval(environ, 41) == seconds


@pytest.mark.parametrize(
    ("variable", "environ"),
    [
        ("WATCHDOG_USEC", {"WATCHDOG_USEC": "0"}),
        ("WATCHDOG_USEC", {"WATCHDOG_USEC": "30s"}),
        ("WATCHDOG_USEC", {"WATCHDOG_USEC": "-1"}),
        ("WATCHDOG_PID", {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "me"}),
    ],
)
def test_watchdog_interval_that_systemd_never_sets(variable: str, environ: dict[str, str]) -> None:
    """The variable is named."""
    with pytest.raises(Refused) as refused:
        watchdog_interval(environ, 41)
    assert (refused.value.kind, refused.value.field) == ("config", variable)
