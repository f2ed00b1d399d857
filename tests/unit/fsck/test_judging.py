"""What fsck says of sessions that have a certificate, of certificates on record, and of the CRL."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stages.ca.certificate import chain_pem, sign
from stages.ca.intent import Intent, make_intent
from stages.session import ChallengeData, ChallengeType, State, ValidationRecord
from stages.store.records import encode_data
from supervisor.fsck.breach import Mend
from supervisor.fsck.certificates import CertificateLook, CrlLook, judge_certificate, judge_crl
from supervisor.fsck.sessions import SessionLook, judge_session
from supervisor.recovery.decide import PENDING_OF
from tests.unit.ca.making import DAY, NOW, PROFILE, checked, issuer, random_from

ID = "ab" * 32
KEEP = 90 * DAY
NAMES = ("a.example", "10.0.0.1", "2001:db8::1")


def intent_of(seed: int = 7) -> Intent:
    return make_intent(NAMES, checked(NAMES), PROFILE, issuer(), NOW, random_from(seed))


INTENT = intent_of()
PEM = chain_pem(sign(INTENT, issuer()), issuer())
OTHER_PEM = chain_pem(sign(intent_of(8), issuer()), issuer())
RECORD = {
    "serial": INTENT.serial,
    "names": ",".join(NAMES),
    "pem": PEM,
    "not_before": str(INTENT.not_before),
    "not_after": str(INTENT.not_after),
    "session": ID,
    "spki": checked(NAMES).spki_sha256,
}
FIELDS = {
    "created": str(NOW),
    "live": "True",
    "state": "done",
    "challenges": "3",
    "cert": PEM,
    "serial": INTENT.serial,
    "intent": INTENT.to_json(),
    "delivery": "issued",
}
PROOF = ChallengeData("token", attempts=(ValidationRecord(at=NOW, took=1, ok=True),))
CHALLENGES = tuple(
    {"challtime": str(NOW), "type": str(int(ChallengeType.HTTP_01)), "name": name, "satisfied": "True"}
    | {"failed": "False", "data": encode_data(PROOF)}
    for name in NAMES
)
SESSION = SessionLook(
    session=ID,
    fields=FIELDS,
    names=NAMES,
    challenges=CHALLENGES,
    places=PENDING_OF[State.DONE],
    active=1,
    certificate=RECORD,
)
CERTIFICATE = CertificateLook(
    serial=INTENT.serial, fields=RECORD, indexed=float(INTENT.not_after), session_serial=INTENT.serial
)
CRL = CrlLook(revoked=frozenset({"a1"}), counter=3, number=3, entries={"a1": NOW})


def laws(look: SessionLook, now: int = NOW) -> list[str]:
    return [breach.law for breach in judge_session(look, now, KEEP)]


def test_done_session_as_the_program_leaves_it() -> None:
    """Nothing is wrong with it."""
    assert laws(SESSION) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cert": ""}, ["done without certificate"]),
        ({"cert": "PEM"}, ["certificate against its intent", "two certificates"]),
        ({"cert": OTHER_PEM}, ["certificate against its intent", "two certificates"]),
        ({"serial": "ab"}, ["two serials"]),
        ({"serial": ""}, ["serial without intent", "two serials"]),
        ({"intent": ""}, ["serial without intent", "certificate without intent"]),
        ({"intent": "{"}, ["unreadable intent"]),
        ({"intent": intent_of(8).to_json()}, ["two serials", "certificate against its intent"]),
        ({"state": "issue"}, ["state issue with a certificate on record"]),
    ],
)
def test_done_session_with_a_changed_field(fields: dict[str, str], expected: list[str]) -> None:
    """Every contradiction is named."""
    assert laws(replace(SESSION, fields=FIELDS | fields)) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, ["certificate not on record"]),
        (RECORD | {"session": "cd" * 32}, ["certificate of another session"]),
        (RECORD | {"pem": OTHER_PEM}, ["two certificates"]),
    ],
)
def test_done_session_beside_the_certificate_store(record: dict[str, str], expected: list[str]) -> None:
    """The session and the record of its serial must say the same."""
    assert laws(replace(SESSION, certificate=record)) == expected


def test_certificate_that_was_forgotten() -> None:
    """Long after its expiry the record may be gone, a second before that it may not."""
    gone = replace(SESSION, certificate={})
    assert laws(gone, INTENT.not_after + KEEP) == ["certificate not on record"]
    assert laws(gone, INTENT.not_after + KEEP + 1) == []


def test_proof_of_only_some_names() -> None:
    """A done session needs evidence for every name."""
    data = encode_data(ChallengeData("token"))
    without = (CHALLENGES[0] | {"data": data}, *CHALLENGES[1:])
    assert laws(replace(SESSION, challenges=without)) == ["satisfied without evidence", "no proof"]
    both = (CHALLENGES[0] | {"failed": "True"}, *CHALLENGES[1:])
    assert laws(replace(SESSION, challenges=both)) == ["satisfied and failed", "no proof"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"fields": {}}, ["indexed and not on record"]),
        ({"fields": {}, "indexed": None, "revoked": f"{NOW} 1"}, ["revoked and not on record"]),
        ({"fields": {}, "unreadable": "why"}, ["unreadable"]),
        ({"fields": RECORD | {"pem": ""}}, ["unreadable"]),
        ({"fields": RECORD | {"names": "b.example"}}, ["record against its certificate"]),
        ({"fields": RECORD | {"spki": "00"}}, ["record against its certificate"]),
        ({"serial": "ab", "session_serial": "ab"}, ["record against its key"]),
        ({"indexed": None}, ["not in the index"]),
        ({"indexed": 5.0}, ["index against its record"]),
        ({"revoked": f"{NOW} 1"}, ["revocation on one side"]),
        ({"fields": RECORD | {"revoked": str(NOW), "reason": "1"}}, ["revocation on one side"]),
        ({"fields": RECORD | {"revoked": str(NOW), "reason": "1"}, "revoked": f"{NOW} 1"}, []),
        ({"session_serial": None}, ["certificate without session"]),
        ({"session_serial": None, "fields": RECORD | {"delivery": "sent"}}, []),
        ({"session_serial": "ab"}, ["session has another serial"]),
        ({"twin": "ab"}, ["two certificates of one session"]),
    ],
)
def test_certificate_on_record(change: dict[str, object], expected: list[str]) -> None:
    """One fault, one breach."""
    assert [breach.law for breach in judge_certificate(replace(CERTIFICATE, **change))] == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"revoked": frozenset({"a1", "b2"})}, ["revoked and not in the crl"]),
        ({"revoked": frozenset()}, ["in the crl and not revoked"]),
        ({"revoked": frozenset(), "entries": {"a1": NOW - KEEP}}, []),
        ({"counter": 2}, ["crl number behind"]),
        ({"counter": 4}, []),
        ({"number": None, "entries": {}}, ["no crl"]),
        ({"number": None, "entries": {}, "revoked": frozenset()}, []),
        ({"problem": "no CRL"}, ["crl unreadable"]),
    ],
)
def test_crl(change: dict[str, object], expected: list[str]) -> None:
    """What it lacks, what it says too much, and its number."""
    found = judge_crl(replace(CRL, **change), NOW, KEEP)
    assert [breach.law for breach in found] == expected
    assert {breach.mend for breach in found if breach.law != "in the crl and not revoked"} <= {Mend.CRL}
