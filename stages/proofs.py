"""What the record says about proofs: which names are proven, by what, how freshly. Pure.

A name is proven by any one of its challenges. No challenges at all prove nothing (law 5).
"""

from __future__ import annotations

from stages.makechallenge import fits
from stages.session import Challenge, Session


def proven_at(challenge: Challenge) -> int | None:
    """When the proof was seen (unix seconds), from the evidence; None where there is no proof with evidence."""
    if not challenge.satisfied or challenge.failed:
        return None
    return max((record.at for record in challenge.data.attempts if record.ok), default=None)


def methods(session: Session, not_before: int = 0) -> dict[str, tuple[str, ...]]:
    """By what each proven name is proven: labels of fitting challenges whose proof is as new as `not_before`."""
    found: dict[str, tuple[str, ...]] = {}
    for challenge in session.challenges:
        at = proven_at(challenge)
        if at is not None and at >= not_before and fits(challenge.type, challenge.name):
            found[challenge.name] = (*found.get(challenge.name, ()), challenge.type.label)
    return found


def unproven(session: Session, not_before: int = 0) -> tuple[str, ...]:
    """The names without a satisfied challenge of a fitting type whose proof is at least as new as `not_before`."""
    proven = methods(session, not_before)
    return tuple(name for name in session.names if name not in proven)
