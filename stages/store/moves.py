"""The moves, as the group script reads them: one function for each .lua file of `scripts/moves`. Pure.

`for_outcome` is what the runner uses; the others are made by stages (`reserve`), by clients (`submit`, `ready`,
`finalize`, `deliver`, `cancel`), by the operator (`revoke`) and by the committer (`release`, `resync`, `quarantine`).
`stages.store.account_moves` has those of accounts and their orders; `stages.store.following` says what a move makes of
a session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, assert_never

from stages.outcome import Advance, CertificateRecord, Outcome, Reject, Retry, Wait, Writes
from stages.session import SCHEMA, ChallengeData, Problem, Session, State
from stages.store.records import challenge_fields, encode_data, encode_problem
from stages.transitions import TRANSITIONS, Outcomes

Move: TypeAlias = list[Any]


_SAID: dict[type[Outcome], Outcomes] = {
    Advance: Outcomes.ADVANCE,
    Wait: Outcomes.WAIT,
    Retry: Outcomes.RETRY,
    Reject: Outcomes.REJECT,
}

_AHEAD_LENGTH = 9


class IllegalMove(Exception):  # noqa: N818  a fault of a stage, answered by a retry that costs an attempt
    """A stage returned an outcome that the table of transitions does not have."""


def _flat(fields: dict[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]


def _challenges(writes: Writes) -> list[list[Any]]:
    return [[challenge.n, challenge_fields(challenge)] for challenge in writes.challenges]


def _certificate(record: CertificateRecord) -> list[Any]:
    fields = {
        "serial": record.serial,
        "issuer": record.issuer,
        "names": record.names,
        "pem": record.pem,
        "not_before": str(record.not_before),
        "not_after": str(record.not_after),
        "account": record.account,
        "session": record.session,
        "spki": record.spki,
    }
    return [record.serial, record.not_after, _flat(fields)]


def for_outcome(session: Session, outcome: Outcome, now: float, keep: int) -> Move:
    """The move that commits what a stage said about `session`.

    `now` is unix time in seconds; `keep` the seconds for which a finished session can be looked at.
    Raises IllegalMove when `stages.transitions` has no such row.
    """
    state = session.state
    row = TRANSITIONS.get((state, _SAID[type(outcome)]))
    if row is None:
        raise IllegalMove(f"stage {state} returned {type(outcome).__name__}, which the state machine does not have")
    if isinstance(outcome, Advance):
        if row[0] is None:
            return ["retire", session.id, keep, outcome.note or "retired"]
        writes = outcome.writes
        line = f"{state} > {row[0]}" + (f": {outcome.note}" if outcome.note else "")
        certificate = _certificate(writes.certificate) if writes.certificate else False
        return [
            "advance",
            session.id,
            state,
            row[0],
            _with_count(session, writes),
            _challenges(writes),
            certificate,
            line,
        ]
    if isinstance(outcome, Wait):
        fields = _flat(outcome.writes.fields)
        return [
            "wait",
            session.id,
            state,
            str(outcome.until),
            fields,
            _challenges(outcome.writes),
            outcome.note,
        ]
    if isinstance(outcome, Retry):
        costs, due = int(outcome.costs), now + outcome.after
        fields, challenges = _flat(outcome.writes.fields), _challenges(outcome.writes)
        return ["retry", session.id, state, due, costs, fields, challenges, outcome.why]
    if isinstance(outcome, Reject):
        problem, writes = outcome.problem, outcome.writes
        line = f"rejected in {state}: {problem.detail}"
        error = encode_problem(problem)
        return ["reject", session.id, state, error, _flat(writes.fields), _challenges(writes), keep, line]
    assert_never(outcome)


def ahead(move: Move) -> Move:
    """An advance whose mover would go on with the session at once: it then stays in flight (`kept`)."""
    return [*move, True]


def begun(move: Move, becomes: Session) -> Move:
    """A `ready` or `finalize` whose mover would begin the stage at once, with the session as this move makes it.

    The answer ["ok", "kept"] says that it may: the session is in flight here. With ["ok"] it stands in its queue, or is
    worked on already.
    """
    return [*move, "".join(["1" if challenge.satisfied else "0" for challenge in becomes.challenges])]


def is_ahead(move: Move) -> bool:
    """Whether `move` is one of `ahead`."""
    return move[0] == "advance" and len(move) == _AHEAD_LENGTH


def _with_count(session: Session, writes: Writes) -> list[str]:
    flat = _flat(writes.fields)
    if writes.challenges:
        count = max(challenge.n for challenge in writes.challenges)
        if count > len(session.challenges):
            flat += ["challenges", str(count)]
    return flat


def reserve(session: str, serial: str, intent: str) -> Move:
    """Write the intent before the signature; answers the serial and intent on record."""
    return ["reserve", session, serial, intent]


def release(session: str, state: State) -> Move:
    """Give a claimed session back to its queue."""
    return ["release", session, state]


def quarantine(session: str) -> Move:
    """Set a claimed session aside."""
    return ["quarantine", session]


def resync(held: Iterable[str]) -> Move:
    """Give back whatever is in flight for this supervisor and not in `held`."""
    return ["resync", list(held)]


def submit(session: str, names: Sequence[str], fields: dict[str, str], now: int) -> Move:
    """A new session; `fields` are ours beside the note's (csr, profile, account, thumbprint, scheduled, expires)."""
    base = {"created": str(now), "live": "True", "state": State.MAKECHALLENGE.value, "challenges": "0"}
    return [
        "submit",
        session,
        _flat({**base, "csr": "", "cert": "", "schema": str(SCHEMA), **fields}),
        list(names),
    ]


def ready(session: str, n: int, as_read: ChallengeData, as_written: ChallengeData) -> Move:
    """The client says that challenge `n` can be tested."""
    return ["ready", session, n, encode_data(as_read), encode_data(as_written)]


def finalize(session: str, csr: str, spki: str = "", serial: str = "", intent: str = "") -> Move:
    """The CSR (PEM) of a session in state issue, with the serial (hex) and the intent (JSON) of its certificate.

    `spki` is the SHA-256 (lower-case hex) of its SubjectPublicKeyInfo: ["refused", "blocked"] is the answer when that
    key was revoked as compromised. Without an intent the issue stage makes one (`reserve`).
    """
    return ["finalize", session, csr, spki, serial, intent]


def deliver(session: str, step: str, serial: str = "", until: int = 0, retired: tuple[int, str] | None = None) -> Move:
    """How far the certificate has come: "sent" or "confirmed"; it never goes back.

    It may be told after the session has retired, and with the certificate's `serial` after the session is gone. A
    session that waits goes back to its stage; with `until`, a unix time, it waits until then instead: what the done
    stage would say of a certificate that was sent, without being asked. With `retired`, the seconds for which it can be
    looked at and what its story says, a waiting session retires in the same step: what the stage would say of one that
    is confirmed. Answers ["ok"], ["ok", "retired"] or ["refused", "state is another"].
    """
    return ["deliver", session, step, serial, str(until) if until else "", list(retired) if retired else False]


def made_with(move: Move, answer: list[Any]) -> Move | None:
    """The move of a stage that a client's move has made with it; None for most."""
    if move[0] == "deliver" and answer[1:] == ["retired"]:
        return ["retire", move[1], *move[5]]
    return None


def cancel(session: str, problem: Problem, keep: int) -> Move:
    """Give a session up, wherever it is."""
    return ["cancel", session, encode_problem(problem), keep, f"cancelled: {problem.detail}"]


def revoke(serial: str, reason: int, at: int, spki: str = "") -> Move:
    """Revoke a certificate on record; `reason` is a CRLReason code of RFC 5280 5.3.1.

    `spki` is the SHA-256 (lower-case hex) of a SubjectPublicKeyInfo for which nothing is to be issued any more, or "":
    the caller decides, and gives one where the key is compromised. Answers ["ok"] or
    ["refused", "unknown" | "already"]; a key given with the latter is blocked all the same, its certificate being on
    record.
    """
    return ["revoke", serial, str(reason), str(at), spki]
