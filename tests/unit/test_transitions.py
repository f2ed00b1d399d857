"""The state machine: complete, legal, and the same in code, moves and documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.diagram import page
from stages.outcome import Advance, Outcome, Reject, Retry, Wait
from stages.session import Problem, Session, State
from stages.store.moves import IllegalMove, for_outcome
from stages.transitions import TRANSITIONS, Outcomes, Place

ROOT = Path(__file__).parents[2]
SAID: dict[Outcomes, Outcome] = {
    Outcomes.ADVANCE: Advance(),
    Outcomes.WAIT: Wait(9),
    Outcomes.RETRY: Retry(1, "later"),
    Outcomes.REJECT: Reject(Problem("unauthorized", "no")),
}
ILLEGAL = {(State.MAKECHALLENGE, Outcomes.WAIT), (State.DONE, Outcomes.REJECT)}


def session(state: State) -> Session:
    return Session(id="id", created=0, live=True, state=state)


def test_transitions_cover_every_state_and_outcome_but_two() -> None:
    """Challenges are made without the client, and what is issued cannot be rejected; all else is in the table."""
    assert {(state, outcome) for state in State for outcome in Outcomes} - ILLEGAL == set(TRANSITIONS)


def test_transitions_advance_through_the_states_in_order() -> None:
    """Each stage hands on to the next; the last one retires."""
    states = list(State)
    after = [TRANSITIONS[state, Outcomes.ADVANCE] for state in states]
    assert [*((state, Place.PENDING) for state in states[1:]), (None, Place.RETIRED)] == after


@pytest.mark.parametrize(("outcome", "place"), [(Outcomes.WAIT, Place.WAITING), (Outcomes.RETRY, Place.DELAYED)])
def test_transitions_that_do_not_end_a_stage_keep_its_state(outcome: Outcomes, place: Place) -> None:
    """To wait and to try again change the place only."""
    found = {state: after for (state, said), after in TRANSITIONS.items() if said is outcome}
    assert {state: (state, place) for state in found} == found


@pytest.mark.parametrize(("state", "outcome"), sorted(TRANSITIONS))
def test_every_transition_has_a_move(state: State, outcome: Outcomes) -> None:
    """The move names the session, and its word is the outcome's, but for the last advance."""
    move = for_outcome(session(state), SAID[outcome], 100.0, 10)
    word = "retire" if (state, outcome) == (State.DONE, Outcomes.ADVANCE) else outcome.value
    assert [word, "id"] == move[:2]


@pytest.mark.parametrize(("state", "outcome"), sorted(ILLEGAL))
def test_what_is_not_in_the_table_is_illegal(state: State, outcome: Outcomes) -> None:
    """No move is made of it."""
    with pytest.raises(IllegalMove, match=f"stage {state} returned"):
        for_outcome(session(state), SAID[outcome], 100.0, 10)


def test_the_page_is_fresh() -> None:
    """docs/state-machine.md is what `python -m stages.diagram` makes."""
    assert page() == (ROOT / "docs" / "state-machine.md").read_text()
