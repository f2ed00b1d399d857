"""A session seen through the door: its order, authorization and challenge objects (RFC 8555 7.1.3 to 7.1.6). Pure.

Every status is derived from the record, and nothing is stored twice: makechallenge and testchallenge are `pending`;
issue is `ready` without a CSR and `processing` with one; done is `valid`; dead is `invalid`. Since one move writes the
last proof and the next state together, an order is `ready` no later than its last authorization is `valid`.

One authorization serves one order only. So giving up one authorization gives up the order, and with it all of its
authorizations.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from stages.makechallenge import fits
from stages.names import parse_name
from stages.proofs import proven_at
from stages.session import Challenge, Problem, Session, State
from supervisor.acme.certificate_id import certificate_id
from supervisor.acme.problems import error_object
from supervisor.acme.urls import Urls

GIVEN_UP: Final = Problem("unauthorized", "the client gave up an authorization of this order")
"""Why an order is dead whose client deactivated one of its authorizations (RFC 8555 7.5.2)."""

EXPIRED: Final = Problem("unauthorized", "the time in which the names could be proven is over")
"""Shown for an order that has expired and that the stages have not ended yet."""


class View(msgspec.Struct, frozen=True):
    """How a session looks at one moment.

    Attributes:
        urls: every URL.
        now: unix seconds.
        max_age: seconds after its creation in which an order must have been finalized.
        authority: the issuer's key identifier, for certificate ids (RFC 9773 4.1).
    """

    urls: Urls
    now: int
    max_age: int
    authority: bytes

    def ends(self, session: Session) -> int:
        """Unix time from which on the order is over, as things stand: challenges expire, proven orders grow too old."""
        if session.state in {State.MAKECHALLENGE, State.TESTCHALLENGE} and session.expires:
            return session.expires
        return session.created + self.max_age

    def order_status(self, session: Session) -> str:
        """The order's status (RFC 8555 7.1.6)."""
        if session.state is State.DONE:  # a retired session is dead, and its certificate good
            return "valid"
        if not session.live:
            return "invalid"
        if session.csr and session.state is State.ISSUE:
            return "processing"
        if self.now >= self.ends(session):
            return "invalid"
        return "ready" if session.state is State.ISSUE else "pending"

    def authorization_status(self, session: Session, name: str) -> str:
        """The status of the authorization for one of the session's names; never `processing` (RFC 8555 7.1.6)."""
        if session.error == GIVEN_UP:
            return "deactivated"
        over = self.order_status(session) == "invalid"
        own = [challenge for challenge in session.challenges if challenge.name == name]
        if any(_proves(challenge) for challenge in own):
            return "expired" if over and self.now >= self.ends(session) else "valid"
        return "invalid" if over or any(challenge.failed for challenge in own) else "pending"

    def challenge_status(self, session: Session, challenge: Challenge) -> str:
        """The status of a challenge (RFC 8555 7.1.6)."""
        if _proves(challenge):
            return "valid"
        if challenge.failed or self.order_status(session) == "invalid":
            return "invalid"
        return "processing" if challenge.data.ready else "pending"

    def order(self, session: Session) -> dict[str, Any]:
        """The order object; members that have no value are absent."""
        status = self.order_status(session)
        made: dict[str, Any] = {
            "status": status,
            "expires": rfc3339(self.ends(session)),
            "identifiers": [identifier(text) for text in session.asked or session.names],
            "authorizations": [self.urls.authz(session.id, i) for i in range(1, len(session.names) + 1)],
            "finalize": self.urls.finalize(session.id),
        }
        if session.profile:
            made["profile"] = session.profile
        if session.replaces:
            made["replaces"] = certificate_id(self.authority, int(session.replaces, 16))
        if status == "valid":
            made["certificate"] = self.urls.certificate(session.serial)
        if status == "invalid":
            made["error"] = self.problem(session, session.error or EXPIRED)
        return made

    def authorization(self, session: Session, i: int) -> dict[str, Any]:
        """The authorization object of name number `i`, counted from 1."""
        name = session.names[i - 1]
        status = self.authorization_status(session, name)
        own = [challenge for challenge in session.challenges if challenge.name == name]
        # RFC 8555 7.1.4: a decided authorization shows the challenge that decided it.
        decided = {"valid": _proves, "invalid": _has_failed}.get(status)
        shown = [challenge for challenge in own if decided(challenge)] if decided else own
        asked = (session.asked or session.names)[i - 1]
        made: dict[str, Any] = {
            "identifier": identifier(asked.removeprefix("*.")),
            "status": status,
            "expires": rfc3339(self.ends(session)),
            "challenges": [self.challenge(session, challenge) for challenge in shown or own],
        }
        if name.startswith("*."):
            made["wildcard"] = True
        return made

    def challenge(self, session: Session, challenge: Challenge) -> dict[str, Any]:
        """The challenge object (RFC 8555 8)."""
        status = self.challenge_status(session, challenge)
        made: dict[str, Any] = {
            "type": challenge.type.label,
            "url": self.urls.challenge(session.id, challenge.n),
            "status": status,
            "token": challenge.data.token,
        }
        if status == "valid":
            made["validated"] = rfc3339(proven_at(challenge) or challenge.challtime)
        elif challenge.data.error is not None:
            made["error"] = self.problem(session, challenge.data.error)
        elif status == "invalid":  # clients stop at an invalid challenge only if it says why
            made["error"] = self.problem(session, session.error or EXPIRED)
        return made

    def problem(self, session: Session, problem: Problem) -> dict[str, Any]:
        """An error on record; `instance` names the session, whose story `ca-supervisor show` tells."""
        return error_object(problem.kind, problem.detail) | {"instance": self.urls.order(session.id)}


def _proves(challenge: Challenge) -> bool:
    return proven_at(challenge) is not None and fits(challenge.type, challenge.name)


def _has_failed(challenge: Challenge) -> bool:
    return challenge.failed


def identifier(text: str) -> dict[str, str]:
    """The identifier object of a checked name, as it was spelled (RFC 8555 9.7.7, RFC 8738 3)."""
    return {"type": parse_name(text).kind, "value": text}


@lru_cache(maxsize=1024)
def rfc3339(at: int) -> str:
    """A unix time as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
