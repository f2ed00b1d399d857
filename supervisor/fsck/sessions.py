"""Judges one session as it was seen: its place, its proofs, its intent, its certificate. Pure; for `supervisor.fsck`.

Places are judged by the very table that recovery works by (`supervisor.recovery.decide`), without its rows about age
and about waits that are over: what is due is no breach.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from cryptography import x509

from stages.ca.intent import Intent
from stages.ca.spki import public_bytes
from stages.errors import Refused
from stages.proofs import proven_at, unproven
from stages.session import Session, State
from stages.store.found import Found
from stages.store.records import Garbled, read_session
from supervisor.fsck.breach import Breach, Mend
from supervisor.recovery.decide import DEAD, GONE, Action, Limits, Places, decide

_NO_LIMITS = Limits(0, 0, 0)
_BEFORE_EVERYTHING = 0
_WORDS = {
    Places.INFLIGHT_LIVING: "the in-flight list of a living supervisor",
    Places.INFLIGHT_DEAD: "the in-flight list of a dead supervisor",
    Places.TWICE: "one of them twice",
}
_IN_FLIGHT = int(Places.INFLIGHT_LIVING | Places.INFLIGHT_DEAD)


class SessionLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one session.

    Attributes:
        session: its id.
        fields: its hash, empty when there is none.
        names: its list of names.
        challenges: the hashes of its challenges, in order.
        unreadable: why a key of it cannot be read, "" when all can.
        places: bits of `decide.Places`.
        active: how often it stands in active-requests.
        quarantined: whether it was set aside.
        certificate: the hash of the certificate that its `serial` names, empty when there is none.
        left: names and challenges that lie there without a session, as the ends of their keys.
    """

    session: str
    fields: dict[str, str] = {}
    names: tuple[str, ...] = ()
    challenges: tuple[dict[str, str], ...] = ()
    unreadable: str = ""
    places: int = 0
    active: int = 0
    quarantined: bool = False
    certificate: dict[str, str] = {}
    left: tuple[str, ...] = ()


def judge_session(look: SessionLook, now: int, certificates_keep: int) -> list[Breach]:
    """Every law that the session breaks.

    `now` is in unix seconds; `certificates_keep` the seconds after its expiry for which a certificate is on record.
    """
    where = f"session {look.session}"
    if look.quarantined:
        return []  # set aside, listed by `quarantine`, and nothing of it was changed
    if not look.fields and not look.unreadable:
        return [Breach(*found) for found in _without_record(look, where)]
    try:
        session = _read(look)
    except Garbled as fault:
        mend = Mend.RECOVERY if look.active or look.places else Mend.HAND
        return [Breach("unreadable", where, f"{fault.field}: {fault.why}", mend)]
    breaches = [*_places(look, where), *_active(look, session, where), *_proofs(session, where)]
    if not session.names:
        breaches.append(Breach("no names", where, "its list of names is empty"))
    return breaches + list(_certified(look, session, where, forgotten=now - certificates_keep))


def _without_record(look: SessionLook, where: str) -> Iterator[tuple[str, str, str, Mend]]:
    if look.places:
        yield GONE.row, where, f"there is no such session, and it stands in {_named(look.places)}", Mend.RECOVERY
    if look.left:
        yield "left over", where, f"the session is gone, and {', '.join(look.left[:5])} lie there", Mend.HAND


def _read(look: SessionLook) -> Session:
    if look.unreadable:
        raise Garbled(look.session, "key", look.unreadable)
    return read_session(look.session, look.fields, look.names, look.challenges)


def _places(look: SessionLook, where: str) -> Iterator[Breach]:
    get = look.fields.get
    found = Found(
        look.session,
        live=get("live"),
        state=get("state"),
        created=get("created"),
        waiting=get("waiting"),
        schema=get("schema"),
        serial="serial" in look.fields,
        cert=get("state") == State.ISSUE and bool(get("cert")),
        places=look.places,
    )
    decision = decide(found, _BEFORE_EVERYTHING, _NO_LIMITS)
    if decision.action is Action.LEAVE:
        return
    if decision is DEAD:
        # In flight it may be: it was cancelled under its stage, whose commit will be refused.
        if queued := look.places & ~_IN_FLIGHT & ~int(Places.TWICE):
            yield Breach("dead in a queue", where, f"it is not live, and stands in {_named(queued)}", Mend.RECOVERY)
        return
    # Recovery finds a session through active-requests, or in a list.
    mend = Mend.RECOVERY if look.active or look.places else Mend.HAND
    yield Breach(decision.row, where, f"state {get('state')}, seen in {_named(look.places)}", mend)


def _active(look: SessionLook, session: Session, where: str) -> Iterator[Breach]:
    if session.live and not look.active:
        yield Breach("not in active-requests", where, "push its id there: recovery finds sessions through that list")
    if look.active > 1:
        yield Breach("twice in active-requests", where, f"it stands there {look.active} times; LREM all but one")


def _proofs(session: Session, where: str) -> Iterator[Breach]:
    for challenge in session.challenges:
        if challenge.satisfied and challenge.failed:
            yield Breach("satisfied and failed", where, f"challenge {challenge.n} is both")
        elif challenge.satisfied and proven_at(challenge) is None:
            yield Breach("satisfied without evidence", where, f"challenge {challenge.n} has no good validation record")
    if session.state in {State.ISSUE, State.DONE} and (missing := unproven(session)):
        detail = f"state {session.state}, and nothing proves {missing[0]}"
        yield Breach("no proof", where, detail)


def _certified(look: SessionLook, session: Session, where: str, forgotten: int) -> Iterator[Breach]:
    """Intent, certificate and certificate store say the same; expired before `forgotten`, the store may say nothing."""
    if bool(session.serial) != bool(session.intent):
        yield Breach("serial without intent", where, "only one of serial and intent is on record")
    if session.state is State.DONE and not session.cert:
        yield Breach("done without certificate", where, "its certificate is not on record with it")
    if session.cert and not session.intent:
        yield Breach("certificate without intent", where, "it has a certificate, and nothing was written down before")
    if not session.intent:
        return
    try:
        intent = Intent.from_json(session.intent)
    except Refused as refused:
        yield Breach("unreadable intent", where, refused.reason)
        return
    yield from _intended(session, intent, where)
    if session.cert and (look.certificate or intent.not_after >= forgotten):
        yield from _on_record(look.certificate, session, where)


def _intended(session: Session, intent: Intent, where: str) -> Iterator[Breach]:
    if intent.serial != session.serial:
        yield Breach("two serials", where, f"the intent says {intent.serial}, the session {session.serial}")
    if intent.names != session.names:
        yield Breach("intent for other names", where, f"the intent is for {', '.join(intent.names[:3])}")
    if session.cert and (wrong := differs(session.cert, intent)):
        yield Breach("certificate against its intent", where, f"its {wrong} is not that of the intent")


def _on_record(record: dict[str, str], session: Session, where: str) -> Iterator[Breach]:
    if not record:
        yield Breach("certificate not on record", where, f"there is no certificate {session.serial}")
    elif record.get("session") != session.id:
        yield Breach("certificate of another session", where, f"certificate {session.serial} names another session")
    elif record.get("pem") != session.cert:
        yield Breach("two certificates", where, f"certificate {session.serial} on record is not the session's")


def differs(pem: str, intent: Intent) -> str:
    """What of a certificate is not as the intent says; "" when all is."""
    try:
        leaf = x509.load_pem_x509_certificate(pem.encode())
        spki = public_bytes(leaf.public_key())
        names = leaf_names(leaf)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return "certificate (which cannot be read)"
    if f"{leaf.serial_number:x}" != intent.serial:
        return "serial number"
    if names != intent.names:
        return "subject alternative names"
    if spki != intent.spki:
        return "public key"
    bounds = int(leaf.not_valid_before_utc.timestamp()), int(leaf.not_valid_after_utc.timestamp())
    return "" if bounds == (intent.not_before, intent.not_after) else "validity"


def leaf_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and IP addresses of a certificate, in their order, as sessions have them."""
    entries = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(str(entry.value) for entry in entries)


def _named(places: int) -> str:
    """Places in words; the names of queues are those of their keys."""
    found = [_WORDS.get(place, (place.name or "").lower().replace("_", "-")) for place in Places if place & places]
    return " and ".join(found) or "no list"
