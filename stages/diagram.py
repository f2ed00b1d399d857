"""Makes docs/state-machine.md from the table of transitions: `python -m stages.diagram`. A test fails when it is stale.

No I/O but standard output; nothing of the program imports it.
"""

from __future__ import annotations

import sys

from stages.transitions import TRANSITIONS, Outcomes, Place

_HEAD = """\
# The state machine of a session

This page is made by `python -m stages.diagram` from the table in `stages/transitions.py`.

A session has one of the four states of its field `state`; each is also the name of the queue whose stage works on it.
Within a state it is in one of four places:

| place | what that is | who acts next |
|---|---|---|
| pending | in the list `pending-<state>` | the supervisor: it claims from the tail |
| inflight | in the list `inflight:<supervisor>` | the stage: it ends with one of four outcomes |
| delayed | in the sorted set `delayed-<state>`, by due time | the clock, or the client: its move brings it back |
| waiting | in no list; its field `waiting` is set | the client, or recovery once the time in `waiting` is over |

A finished session is in no place and has `live` = "False", for good: it was **retired** (it has its certificate) or
**rejected** (it has an `error`).

A stage does not move its session. It returns an outcome, and one script writes the fields and the new place together.
"""

_MIDDLE = """\
## Every move of a stage

| state | outcome of its stage | then in state | in place |
|---|---|---|---|
"""

_TAIL = """\
A session that advances is kept in flight, without the way through the list, where its supervisor has a slot free for
the next stage and nobody stands before it. So is one that waited, when its ACME client says `ready` or sends its CSR.

An outcome that is not in this table is a fault of the stage. It costs the session an attempt, as an exception or a
time-out does, and the session is tried again later; after `max_attempts` it is rejected. A session in state done is
never rejected, since its certificate exists.

## Moves that are not a stage's

| move | who makes it | from | to |
|---|---|---|---|
| submit | client | nothing | makechallenge, pending |
| order | ACME client | nothing | testchallenge, waiting: its challenges are made with it |
| claim | supervisor | pending, or delayed and due | inflight |
| release | supervisor, at a stop | inflight | pending, to be taken next |
| resync | supervisor, after a lost reply | inflight, but held by nobody | pending |
| reserve | issue stage | inflight in issue | unchanged: serial and intent are on record |
| ready | client | testchallenge, waiting or delayed | testchallenge, pending or inflight |
| finalize | client | issue, waiting or delayed | issue, pending or inflight; serial and intent are on record |
| deliver | client | done, waiting or delayed | done, pending |
| cancel | client or operator | any place, not in done | rejected |
| quarantine | supervisor | inflight, unreadable | `quarantine`, out of the machine |
| recovery | supervisor | whatever a crash left | see [recovery](recovery.md) |

A client that moves while a stage holds the session is not missed: the session is marked `nudged`, and an outcome that
would let it wait or delay it puts it back on its queue.

## As an ACME order

An ACME order (RFC 8555 7.1.6) is a session seen through the door; its status is derived and never stored.

| state | `live` | order status |
|---|---|---|
| makechallenge, testchallenge | True | pending |
| issue, without a CSR | True | ready |
| issue, with a CSR | True | processing |
| done | any | valid |
| any other | False | invalid |
"""


def page() -> str:
    """The text of docs/state-machine.md."""
    return "\n".join([_HEAD, _diagram(), _MIDDLE + _rows(), _TAIL])


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> makechallenge: submit", "    [*] --> testchallenge: order"]
    for (state, outcome), (after, place) in TRANSITIONS.items():
        label = outcome.value if outcome is not Outcomes.RETRY else "retry, later"
        lines.append(f"    {state} --> {after or place}: {label}")
    lines += [f"    {place} --> [*]" for place in (Place.RETIRED, Place.REJECTED)]
    return "\n".join([*lines, "```", ""])


def _rows() -> str:
    return "".join(
        f"| {state} | {outcome} | {after or '(finished)'} | {place} |\n"
        for (state, outcome), (after, place) in TRANSITIONS.items()
    )


if __name__ == "__main__":
    sys.stdout.write(page())
