"""What the service manager is told, and when."""

from __future__ import annotations

from typing import cast

from supervisor.lifecycle.standing import REFUSED, Standing
from supervisor.pipeline.committer import Committer
from supervisor.term.health import Health


class Store:
    """A committer, as far as the health asks."""

    def __init__(self) -> None:
        self.available = True


def standing() -> tuple[Standing, Health, list[str]]:
    health, told = Health(), list[str]()
    return Standing(told.append, health, lambda: 7_654_321), health, told


def reload(of: Standing, *, taken: bool) -> None:
    with of.reloading() as reloaded:
        reloaded(taken)


def test_start_and_stop_are_told_step_by_step() -> None:
    """Each step once; beats say nothing that has been said."""
    told_of, health, told = standing()
    told_of.step("starting the store")
    told_of.step("starting the store")
    told_of.beaten()
    told_of.step("waiting for the lease")
    health.ready = True
    told_of.ready()
    told_of.beaten()
    health.stop()
    told_of.stopping()
    told_of.beaten()
    assert told == [
        "STATUS=starting the store",
        "STATUS=waiting for the lease",
        "READY=1\nSTATUS=ready",
        "STOPPING=1\nSTATUS=stopping: work in flight may end",
    ]


def test_an_outage_is_in_the_status_while_it_lasts() -> None:
    """Not READY=0, which systemd does not know: the service runs, and waits."""
    told_of, health, told = standing()
    store = Store()
    health.ready, health.committer = True, cast("Committer", store)
    told_of.ready()
    store.available = False
    told_of.beaten()
    told_of.beaten()
    store.available = True
    told_of.beaten()
    assert told[1:] == ["STATUS=the store cannot be reached; stages wait", "STATUS=ready"]


def test_a_reload_is_told_from_its_beginning_to_its_end() -> None:
    """With the time that systemd compares (microseconds of CLOCK_MONOTONIC); a refused file stays in the status."""
    told_of, health, told = standing()
    health.ready = True
    told_of.ready()
    reload(told_of, taken=False)
    told_of.beaten()
    reload(told_of, taken=True)
    begun = "RELOADING=1\nMONOTONIC_USEC=7654"
    assert told[1:] == [begun, f"READY=1\nSTATUS={REFUSED}", begun, "READY=1\nSTATUS=ready"]


def test_a_reload_before_the_program_is_ready_tells_nothing() -> None:
    """READY=1 would say that it is."""
    told_of, _, told = standing()
    reload(told_of, taken=True)
    assert told == []
