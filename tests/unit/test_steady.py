"""The clock against one that nobody sets: jumps are seen, and nothing is forgotten by a clock that has just jumped."""

from __future__ import annotations

import pytest

from supervisor.upkeep.steady import DOUBT, KEPT, Steady

NOW = 1_800_000_000.0
YEAR = 365 * 86_400.0


class Hands:
    """A wall clock that can be set, and seconds that pass for it and for the other one."""

    def __init__(self) -> None:
        self.wall = NOW
        self.passed = 5.0
        self.steady = Steady(lambda: self.wall, lambda: self.passed)

    def pass_(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.passed += seconds


@pytest.mark.parametrize("jump", [YEAR, -3600.0, 31.0, -31.0])
def test_jump_is_seen_for_an_hour(jump: float) -> None:
    """Either way, and then no more."""
    hands = Hands()
    hands.wall += jump
    hands.pass_(60)
    hands.steady.look()
    assert hands.steady.jump() == pytest.approx(jump)
    hands.pass_(KEPT - 1)
    hands.steady.look()
    assert hands.steady.jump() == pytest.approx(jump)
    hands.pass_(1)
    hands.steady.look()
    assert hands.steady.jump() == 0.0


def test_time_that_passes_is_no_jump() -> None:
    """Hours of sleep, a clock that is slewed, and small steps are nothing."""
    hands = Hands()
    for step in (0.1, -0.2, 0.3, 0.0):
        hands.pass_(40_000)
        hands.wall += step
        hands.steady.look()
    assert hands.steady.jump() == 0.0
    assert hands.steady.trusted() == pytest.approx(hands.wall)


def test_farthest_of_several_jumps_is_told() -> None:
    """A jump and its correction: the larger stays."""
    hands = Hands()
    for jump in (-40.0, 3600.0, -3500.0):
        hands.wall += jump
        hands.steady.look()
    assert hands.steady.jump() == pytest.approx(3600.0)


def test_store_that_has_seen_a_later_time() -> None:
    """The clock went back while the program was stopped, or another supervisor's is ahead."""
    hands = Hands()
    hands.steady.seen(NOW + 3600)
    assert hands.steady.jump() == pytest.approx(-3600.0)
    assert hands.steady.trusted() == pytest.approx(NOW)


def test_forgetting_waits_a_day_after_a_jump_forwards() -> None:
    """The time before the jump counts on; when the jump has stood for a day, it is believed."""
    hands = Hands()
    hands.wall += YEAR
    assert hands.steady.trusted() == pytest.approx(NOW)
    hands.pass_(DOUBT - 1)
    assert hands.steady.trusted() == pytest.approx(NOW + DOUBT - 1)
    hands.pass_(1)
    assert hands.steady.trusted() == pytest.approx(hands.wall)


def test_forgetting_after_a_jump_that_was_mended() -> None:
    """It goes by the right time, which is the earlier one."""
    hands = Hands()
    hands.wall += YEAR
    hands.steady.look()
    hands.wall -= YEAR
    assert hands.steady.trusted() == pytest.approx(NOW)


def test_forgetting_waits_a_day_after_a_start() -> None:
    """A clock that is a year ahead of the last run may be wrong, or the program was stopped for a year."""
    hands = Hands()
    hands.steady.seen(NOW - YEAR)
    assert (hands.steady.jump(), hands.steady.ticked) == (0.0, True)
    assert hands.steady.trusted() == pytest.approx(NOW - YEAR)
    hands.steady.seen(NOW - 60)  # the next look's
    hands.pass_(DOUBT)
    assert hands.steady.trusted() == pytest.approx(hands.wall)


def test_first_run_trusts_its_clock() -> None:
    """A store that has never been looked at says nothing."""
    hands = Hands()
    assert not hands.steady.ticked
    hands.steady.seen(0.0)
    assert hands.steady.trusted() == pytest.approx(NOW)


def test_backwards_is_counted_once() -> None:
    """Each jump back, and that since the last run; jumps forwards and other supervisors' clocks are not ours."""
    hands = Hands()
    hands.steady.seen(NOW + 100)
    assert hands.steady.went_back() == pytest.approx(100)
    for jump in (-30.0, 5000.0, -0.2, -70.0):
        hands.wall += jump
        hands.steady.look()
        hands.steady.seen(hands.wall + 9)
    assert hands.steady.went_back() == pytest.approx(100)
    assert hands.steady.went_back() == 0.0
    hands.steady.owe(7.0)
    assert hands.steady.went_back() == 7.0
