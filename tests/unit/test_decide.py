"""The table of recovery, row by row, and its page in the documentation."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stages.session import State
from stages.store.found import Found
from stages.store.scanning import TWICE
from supervisor.recovery import decide as module
from supervisor.recovery.decide import DELAYED_OF, PENDING_OF, Action, Decision, Limits, Places, decide

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000
LIMITS = Limits(makechallenge=100, testchallenge=200, issue=300)
LIVE = Found("id", live="True", state="testchallenge", created=str(NOW), schema="1")
ISSUE = replace(LIVE, state="issue")
HOME, DELAYED = int(Places.PENDING_TESTCHALLENGE), int(Places.DELAYED_TESTCHALLENGE)
LIVING, DEAD = int(Places.INFLIGHT_LIVING), int(Places.INFLIGHT_DEAD)
LATER, PAST = str(NOW + 1), str(NOW)


def found(base: Found = LIVE, **fields: Any) -> Found:
    return replace(base, **fields)


TABLE: list[tuple[Found, Action, str]] = [
    (Found("id", unreadable="WRONGTYPE"), Action.QUARANTINE, "unreadable"),
    (Found("id", unreadable="WRONGTYPE", places=LIVING), Action.QUARANTINE, "unreadable"),
    (Found("id"), Action.DROP, "gone"),
    (Found("id", places=HOME), Action.DROP, "gone"),
    (found(live="False"), Action.DROP, "dead"),
    (found(live="False", places=HOME | DEAD), Action.DROP, "dead"),
    (found(live="False", state="nonsense", schema="99"), Action.DROP, "dead"),
    (found(live=None), Action.QUARANTINE, "unreadable"),
    (found(live="true"), Action.QUARANTINE, "unreadable"),
    (found(state=None), Action.QUARANTINE, "unreadable"),
    (found(state="finished"), Action.QUARANTINE, "unreadable"),
    (found(created=None), Action.QUARANTINE, "unreadable"),
    (found(created="now"), Action.QUARANTINE, "unreadable"),
    (found(waiting="long"), Action.QUARANTINE, "unreadable"),
    (found(schema="x"), Action.QUARANTINE, "unreadable"),
    (found(schema="2"), Action.QUARANTINE, "from a newer version"),
    (found(schema="2", places=HOME), Action.QUARANTINE, "from a newer version"),
    (found(schema=None, places=HOME), Action.LEAVE, "where it belongs"),
    (found(places=HOME), Action.LEAVE, "where it belongs"),
    (found(places=DELAYED), Action.LEAVE, "where it belongs"),
    (found(places=LIVING), Action.LEAVE, "where it belongs"),
    (found(created="0", places=LIVING), Action.LEAVE, "where it belongs"),
    (found(places=LIVING | HOME), Action.REQUEUE, "in two places"),
    (found(places=LIVING | TWICE), Action.REQUEUE, "in two places"),
    (found(places=HOME | DELAYED), Action.REQUEUE, "in two places"),
    (found(places=HOME | TWICE), Action.REQUEUE, "in two places"),
    (found(places=HOME | int(Places.PENDING_ISSUE)), Action.REQUEUE, "in two places"),
    (found(places=HOME, waiting=LATER), Action.REQUEUE, "in two places"),
    (found(ISSUE, cert=True), Action.ADVANCE, "state issue with a certificate on record"),
    (found(ISSUE, cert=True, serial=True, places=DEAD), Action.ADVANCE, "state issue with a certificate on record"),
    (found(ISSUE, cert=True, created="0"), Action.ADVANCE, "state issue with a certificate on record"),
    (found(created=str(NOW - 201), places=HOME), Action.KILL, "older than its state allows"),
    (found(created=str(NOW - 201), waiting=LATER), Action.KILL, "older than its state allows"),
    (found(created=str(NOW - 201), places=DEAD), Action.KILL, "older than its state allows"),
    (found(created=str(NOW - 200), places=HOME), Action.LEAVE, "where it belongs"),
    (found(ISSUE, created="0", serial=True), Action.REQUEUE, "state issue with an intent and no certificate"),
    (found(LIVE, state="done", created="0", waiting=LATER), Action.LEAVE, "waiting for its client"),
    (found(places=DEAD), Action.REQUEUE, "in flight with a dead supervisor"),
    (found(places=DEAD | HOME), Action.REQUEUE, "in flight with a dead supervisor"),
    (found(ISSUE, serial=True, places=DEAD), Action.REQUEUE, "state issue with an intent and no certificate"),
    (found(ISSUE, places=DEAD), Action.REQUEUE, "in flight with a dead supervisor"),
    (found(waiting=PAST), Action.REQUEUE, "its wait for the client is over"),
    (found(waiting=LATER), Action.LEAVE, "waiting for its client"),
    (found(), Action.REQUEUE, "in no place"),
    (found(waiting="0"), Action.REQUEUE, "in no place"),
    (found(places=int(Places.PENDING_ISSUE)), Action.REQUEUE, "on the queue of another state"),
    (found(places=int(Places.DELAYED_DONE)), Action.REQUEUE, "on the queue of another state"),
]


@pytest.mark.parametrize(("what", "action", "row"), TABLE)
def test_decide_row(what: Found, action: Action, row: str) -> None:
    """Each row of the table, and each edge between two rows."""
    decision = decide(what, NOW, LIMITS)
    assert (action, row) == (decision.action, decision.row)


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_two_places_in_which_it_is_left(state: State) -> None:
    """The queue and the delayed set of its own state, and no other."""
    left = [
        place
        for place in Places
        if place is not Places.TWICE
        and decide(found(state=state.value, places=int(place)), NOW, LIMITS).action is Action.LEAVE
    ]
    assert [PENDING_OF[state], DELAYED_OF[state], LIVING] == [int(place) for place in left]


def test_reasons_name_the_field_and_the_limit() -> None:
    """What is told to people says what is wrong."""
    assert decide(found(live="true"), NOW, LIMITS).reason == "field live is missing or has no legal value"
    assert decide(found(state="x"), NOW, LIMITS).reason == "field state is missing or has no legal value"
    assert decide(found(schema="7"), NOW, LIMITS).reason == "schema 7 is newer than this program's 1"
    assert decide(found(created="0"), NOW, LIMITS).reason == "older than 200 s in state testchallenge"


def test_twice_is_the_same_bit_in_both_rooms() -> None:
    """The store notes it, recovery reads it."""
    assert int(Places.TWICE) == TWICE


def rows_of_the_code() -> set[tuple[str, str]]:
    """(row, action) of every decision that the source can make."""
    rows = set()
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == Decision.__name__:
            action, row = node.args[0], node.args[1]
            assert isinstance(action, ast.Attribute)
            assert isinstance(row, ast.Constant)
            rows.add((str(row.value), Action[action.attr].value))
    return rows


def test_every_row_of_the_code_is_tested() -> None:
    """No decision is without a case above."""
    assert rows_of_the_code() == {(row, action.value) for _, action, row in TABLE}


def test_the_page_has_the_rows_of_the_code() -> None:
    """docs/recovery.md says what the code does: each row with its action, once."""
    lines = (ROOT / "docs" / "recovery.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    rows = [(row[0], row[2]) for row in cells if row[0] != "row"]
    assert rows_of_the_code() == set(rows)
    assert len(rows) == len(set(rows))
