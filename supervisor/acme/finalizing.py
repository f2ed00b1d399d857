"""finalize (RFC 8555 7.4): the CSR is checked before anything moves, so a bad one leaves the order `ready`.

What the issue stage will ask, this asks first: names, key policy, blocked keys, the profile; and it writes the intent
with the CSR, so that the stage has it on disk when it begins (docs/decisions/0016-intent-with-csr.md). The reply is 200
with the order, `processing` or further, never `ready`; asked again for an order that has its CSR, it is 200 too.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from stages.ca.csr import CheckedCsr, check_csr, csr_pem
from stages.ca.intent import make_intent
from stages.ca.profiles import Profile
from stages.errors import Refused
from stages.session import Session
from stages.store import moves
from stages.store.following import moved
from supervisor.acme.desk import Asked, Desk, own_session
from supervisor.acme.jose.encoding import from_base64url
from supervisor.acme.problems import AcmeProblem
from supervisor.acme.replies import order_response, read_again, view
from supervisor.http.message import Response

GOES_ON = frozenset({"processing", "valid"})


async def finalize(desk: Desk, asked: Asked) -> Response:
    """Take the CSR, then wait for the certificate for a moment."""
    session = own_session(asked)
    if asked.sent is None:
        raise AcmeProblem("malformed", "payload: it is empty; finalize needs a JSON object with a csr (RFC 8555 7.4)")
    status = view(desk).order_status(session)
    with desk.waiting.watch(session.id, desk.settings().wait) as watch:
        if status == "ready":
            csr, profile = _check(desk, asked, session)
            session = await _take(desk, session, csr, profile)
            status = view(desk).order_status(session)
        elif status not in GOES_ON:
            raise _not_ready(status)
        if status == "processing":
            session = await watch.until(
                lambda: read_again(desk, session),
                lambda found: not _is_processing(desk, found),
                lambda made: moved(session, made),
            )
    return order_response(desk, session)


def _is_processing(desk: Desk, session: Session) -> bool:
    return view(desk).order_status(session) == "processing"


def _check(desk: Desk, asked: Asked, session: Session) -> tuple[CheckedCsr, Profile]:
    domain = desk.domain()
    csr = check_csr(_der(asked.sent or {}), session.names, domain.keys)
    if csr.spki_der == asked.key.spki_der:
        raise AcmeProblem("badCSR", "public key: it is the account's key; a certificate needs its own (RFC 8555 11.1)")
    profile = domain.profiles.get(session.profile or domain.settings.default_profile)
    if profile is None:
        raise AcmeProblem("invalidProfile", "profile: this CA has no profile of that name any more; make a new order")
    profile.usages_for(csr.key_type)
    return csr, profile


def _der(sent: dict[str, Any]) -> bytes:
    """The CSR: base64url of its DER, without padding (RFC 8555 7.4)."""
    text = sent.get("csr")
    if not isinstance(text, str) or not text:
        raise AcmeProblem("malformed", "csr: it is missing or no text (RFC 8555 7.4)")
    der = from_base64url(text, "csr")
    if not der.startswith(b"\x30"):
        raise AcmeProblem("badCSR", "csr: it is not the DER of a PKCS #10 request; PEM is not taken here")
    return der


async def _take(desk: Desk, session: Session, csr: CheckedCsr, profile: Profile) -> Session:
    """Put the CSR and its intent on record; of several at once one is taken, and all get the order that it makes."""
    pem = csr_pem(csr.der)
    serial, intent = _intent(desk, session, csr, profile)
    made = replace(session, csr=pem, serial=serial, intent=intent)
    move = moves.finalize(session.id, pem, csr.spki_sha256, serial, intent)
    answer = await desk.move(move, made if intent and not session.intent else None)
    if answer == ["refused", "blocked"]:
        raise AcmeProblem("badCSR", "public key: the key is on this CA's list of blocked keys")
    if answer[0] == "ok":
        return replace(session, csr=pem)  # the intent on record may be an earlier one
    session = await read_again(desk, session)
    status = view(desk).order_status(session)
    if status not in GOES_ON:
        raise _not_ready(status)
    return session


def _intent(desk: Desk, session: Session, csr: CheckedCsr, profile: Profile) -> tuple[str, str]:
    """The serial and the intent (law 3), one round trip early; both "" where the issue stage has to wait for them."""
    try:
        intent = make_intent(session.names, csr, profile, desk.issuer, int(desk.clock()), desk.random_bytes)
    except Refused as refused:
        if refused.kind != "serverInternal":
            raise
        return "", ""  # such as an issuer that has expired: an operator may mend it in time
    return intent.serial, intent.to_json()


def _not_ready(status: str) -> AcmeProblem:
    return AcmeProblem(
        "orderNotReady", f"the order is {status}; only one that is ready can be finalized (RFC 8555 7.4)"
    )
