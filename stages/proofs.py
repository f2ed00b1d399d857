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


def unproven(session: Session, not_before: int = 0) -> tuple[str, ...]:
    """The names without a satisfied challenge of a fitting type whose proof is at least as new as `not_before`."""
    proven = {
        challenge.name
        for challenge in session.challenges
        if (at := proven_at(challenge)) is not None and at >= not_before and fits(challenge.type, challenge.name)
    }
    return tuple(name for name in session.names if name not in proven)
