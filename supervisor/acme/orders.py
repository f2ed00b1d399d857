"""newOrder and the order resource (RFC 8555 7.4, RFC 9773 5, draft-ietf-acme-profiles). The door's table has them.

An order is a session. newOrder makes its challenges too, and answers as soon as all of it is durable: the session
then waits for its client (docs/decisions/0015-order-with-challenges.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from stages.errors import Refused
from stages.makechallenge import fits, make_challenges
from stages.outcome import Advance
from stages.session import Delivery, Session, State
from stages.store import account_moves
from stages.store.account_moves import Limit
from stages.store.certificates import Certificate
from stages.store.records import advanced
from supervisor.acme.binding import credential_of
from supervisor.acme.certificate_id import is_named, parse_certificate_id
from supervisor.acme.desk import Asked, Desk, only_reads, own_session
from supervisor.acme.identifiers import Identifiers, parse_identifiers
from supervisor.acme.policy import Bound, bounds_of, check_names, check_profile
from supervisor.acme.problems import AcmeProblem, Subproblem, from_status
from supervisor.acme.replies import order_response
from supervisor.acme.views import identifier
from supervisor.http.message import Response

OPEN_AGAIN: Final = 60
"""Seconds until a client that has too many unfinished orders may ask again; it has to do something about them first."""


async def order(desk: Desk, asked: Asked) -> Response:
    """Show an order."""
    only_reads(asked)
    return order_response(desk, own_session(asked))


async def new_order(desk: Desk, asked: Asked) -> Response:
    """Make a session of what the client asks for: 201 with the order."""
    account, sent = asked.account, asked.sent
    if account is None or sent is None:
        raise AcmeProblem("malformed", "payload: it is empty; newOrder needs a JSON object (RFC 8555 7.4)")
    domain, now = desk.domain(), int(desk.clock())
    _check_validity(sent)
    identifiers = parse_identifiers(sent.get("identifiers"), domain.names.max_names)
    bounds = bounds_of(account, await credential_of(desk.store, account))
    _check_names(desk, identifiers, bounds)
    profile = check_profile(_text(sent, "profile"), domain.profiles, domain.settings.default_profile, bounds)
    replaced = await _replaced(desk, _text(sent, "replaces"))
    session = Session(
        id=desk.random_bytes(32).hex(),
        created=now,
        live=True,
        state=State.MAKECHALLENGE,
        names=identifiers.names,
        account=account.id,
        profile=profile,
        thumbprint=account.thumbprint,
        asked=identifiers.asked if identifiers.asked != identifiers.names else (),
        replaces=replaced.serial if replaced else "",
    )
    made = make_challenges(session, domain.makechallenge, now, desk.random_bytes)
    await _submit(desk, session, made)
    session = advanced(session, made.writes, State.TESTCHALLENGE)
    desk.recent.made(session)
    if replaced:  # who renews a certificate has it
        desk.deliveries.note(replaced.session, replaced.serial, Delivery.CONFIRMED)
    return order_response(desk, session, 201)


def _check_validity(sent: dict[str, Any]) -> None:
    """RFC 8555 7.4: a server that does not honour these must say so."""
    for member in ("notBefore", "notAfter"):
        if member in sent:
            raise AcmeProblem(
                "malformed", f"{member}: the profile decides how long a certificate is valid; leave it out"
            )


def _check_names(desk: Desk, identifiers: Identifiers, bounds: Sequence[Bound]) -> None:
    domain, names = desk.domain(), identifiers.names
    spelled = dict(zip(names, identifiers.asked, strict=True))
    check_names(names, domain.names, bounds, spelled)
    reasons = [(name, _why_not(desk, name)) for name in names]
    refused = [
        Subproblem("rejectedIdentifier", reason, identifier(spelled[name])) for name, reason in reasons if reason
    ]
    if refused:
        detail = f"identifiers: {len(refused)} of {len(names)} are not issued here; the subproblems say which, and why"
        raise AcmeProblem("rejectedIdentifier", detail, subproblems=refused)


def _why_not(desk: Desk, name: str) -> str:
    """Why this CA cannot certify the name: it cannot be proven, or the issuer's own certificate excludes it."""
    if not any(fits(kind, name) for kind in desk.domain().makechallenge.types):
        return "no challenge type on offer can prove it"
    try:
        desk.issuer.check_names([name])
    except Refused as refused:
        return refused.reason
    return ""


def _text(sent: dict[str, Any], member: str) -> str:
    value = sent.get(member, "")
    if not isinstance(value, str) or (not value and member in sent):
        raise AcmeProblem("malformed", f"{member}: it must be a text")
    return value


async def _replaced(desk: Desk, wanted: str) -> Certificate | None:
    """The certificate that the order is to replace; the store's step checks owner, names and other orders."""
    if not wanted:
        return None
    authority, serial = parse_certificate_id(wanted, "replaces")
    found = await desk.reader.certificate(f"{serial:x}")
    if found is None or not is_named(found.pem, authority):
        raise _unknown()
    return found


async def _submit(desk: Desk, session: Session, made: Advance) -> None:
    fields = {"profile": session.profile, "thumbprint": session.thumbprint, "scheduled": "False"}
    answer = await desk.move(
        account_moves.order(
            session.id,
            session.names,
            fields,
            session.created,
            session.account,
            _limits(desk, session.account),
            session.replaces,
            asked=session.asked,
            most_open=desk.settings().limits.open_orders,
            made=made,
        )
    )
    if answer[0] != "ok":
        raise _refused(answer)


def _limits(desk: Desk, account: str) -> list[Limit]:
    limit = desk.settings().limits.new_orders
    return [Limit("new_orders", account, limit.count, limit.per)] if limit.count else []


def _refused(answer: list[Any]) -> AcmeProblem:
    """What the store's step refused; nothing was made, and no limit was spent."""
    match answer[1]:
        case "limited":
            return from_status(429, "this account has made too many orders lately", [("Retry-After", str(answer[3]))])
        case "open":
            detail = "this account has too many orders without a certificate; finish some, or deactivate authorizations"
            return from_status(429, detail, [("Retry-After", str(OPEN_AGAIN))])
        case "replaced":
            return AcmeProblem("alreadyReplaced", "replaces: another order replaces this certificate (RFC 9773 5)")
        case "other names":
            return AcmeProblem("malformed", "replaces: the certificate has no name in common with the order")
        case "unknown certificate":
            return _unknown()
    return AcmeProblem("unauthorized", "the account is not valid any more (RFC 8555 7.3.6)", status=401)


def _unknown() -> AcmeProblem:
    return AcmeProblem("malformed", "replaces: there is no such certificate, or it is another account's (RFC 9773 5)")
