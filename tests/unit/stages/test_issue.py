"""The issue stage with a real CA: what is checked, what is written before the signature, and the same bytes twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from cryptography import x509
from msgspec.structs import replace

from stages.ca.csr import check_csr
from stages.ca.intent import Intent, make_intent
from stages.ca.issuer import Issuer
from stages.ca.key_policy import KeyPolicy
from stages.issue import Issue, IssueSettings, Permits
from stages.name_policy import NamePolicy
from stages.outcome import Advance, CertificateRecord, Reject, Retry, Wait
from stages.session import Challenge, ChallengeType, Delivery, Problem, Session, State
from tests.unit.ca import making as ca
from tests.unit.stages.making import DNS, HTTP, NOW, challenge, proven, session

pytestmark = pytest.mark.anyio

CSR = ca.to_pem(ca.make_csr())
SETTINGS = IssueSettings(
    profiles={"server": ca.PROFILE, "full": ca.FULL_PROFILE},
    default_profile="server",
    names=NamePolicy(),
    keys=KeyPolicy(),
    proof_max_age=100,
    max_age=1000,
)


class Records:
    """What a store does with a reservation: the first one stays."""

    def __init__(self, serial: str = "", intent: str = "") -> None:
        self.serial, self.intent = serial, intent
        self.calls = 0

    async def reserve(self, session: str, serial: str, intent: str) -> tuple[str, str]:
        """Keep the first."""
        assert session == "id"
        self.calls += 1
        if not self.intent:
            self.serial, self.intent = serial, intent
        return self.serial, self.intent

    async def on_disk(self, session: str, intent: str) -> None:
        """What came with the CSR is there."""
        assert (session, intent[:1]) == ("id", "{")


async def everything(_session: Session, _methods: Mapping[str, tuple[str, ...]]) -> Retry | Reject | None:
    """No owner of a name has anything against it."""
    return None


def stage(
    records: Records | None = None,
    *,
    settings: IssueSettings = SETTINGS,
    issuer: Issuer | None = None,
    now: float = NOW,
    seed: int = 1,
    permits: Permits = everything,
) -> Issue:
    random = ca.random_from(seed)
    return Issue(issuer or ca.issuer(), records or Records(), lambda: settings, lambda: now, random, permits)


def issuing(*challenges: Challenge, csr: str = CSR, **fields: Any) -> Session:
    return session(State.ISSUE, *(challenges or (proven(challenge()),)), csr=csr, account="me", **fields)


async def test_a_proven_session_gets_its_certificate() -> None:
    """The chain, its record and the begin of delivery are written in one step."""
    records = Records()
    outcome = await stage(records)(issuing())
    assert isinstance(outcome, Advance)
    pem = outcome.writes.fields["cert"]
    leaf, intermediate = x509.load_pem_x509_certificates(pem.encode())
    leaf.verify_directly_issued_by(intermediate)
    assert f"{leaf.serial_number:x}" == records.serial
    assert {"cert": pem, "delivery": "issued", "delivered": str(NOW)} == outcome.writes.fields
    intent = Intent.from_json(records.intent)
    assert (
        CertificateRecord(
            serial=records.serial,
            issuer=ca.issuer().id,
            names="a.example",
            pem=pem,
            not_before=intent.not_before,
            not_after=intent.not_after,
            account="me",
            session="id",
            spki=check_csr(CSR, ("a.example",), KeyPolicy()).spki_sha256,
        )
        == outcome.writes.certificate
    )
    assert outcome.note == f"serial {records.serial}"


@pytest.mark.parametrize("key_type", ["p256", "p384", "rsa2048", "ed25519"])
async def test_the_same_intent_gives_the_same_bytes(key_type: str) -> None:
    """Law 3: a stage that died after its signature, started again later, reserves nothing and makes the same bytes."""
    records, issuer = Records(), ca.issuer(key_type)
    first = await stage(records, issuer=issuer)(issuing())
    again = issuing(serial=records.serial, intent=records.intent)
    second = await stage(records, issuer=issuer, now=NOW + 50, seed=2)(again)
    assert isinstance(first, Advance)
    assert isinstance(second, Advance)
    assert first.writes.fields["cert"] == second.writes.fields["cert"]
    assert first.writes.certificate == second.writes.certificate
    assert records.calls == 1


async def test_an_intent_recorded_by_another_is_the_one_that_is_signed() -> None:
    """When the reservation answers with an earlier intent, that one counts."""
    records = Records()
    first = await stage(records)(issuing())
    second = await stage(records, seed=2)(issuing())
    assert records.calls == 2
    assert first == second


async def test_a_changed_profile_does_not_change_a_recorded_intent() -> None:
    """The intent holds the profile's values, not its name."""
    records = Records()
    first = await stage(records)(issuing())
    changed = replace(SETTINGS, profiles={"server": replace(ca.PROFILE, validity_seconds=60)})
    second = await stage(records, settings=changed)(issuing(intent=records.intent))
    assert first == second


async def test_a_profile_that_is_gone_issues_nothing_that_was_decided_on_before() -> None:
    """Who takes a profile away means every certificate from then on; a crash or a wait may lie in between."""
    gone = replace(SETTINGS, profiles={"full": ca.FULL_PROFILE}, default_profile="full")
    outcome = await stage(settings=gone)(issuing(profile="server", intent=intent_for(("a.example",), CSR)))
    assert Reject(Problem("invalidProfile", "profile: there is no profile of that name any more")) == outcome


@pytest.mark.parametrize("late", [0, 1])
async def test_a_certificate_that_is_over_is_not_issued(late: int) -> None:
    """The program may have been away for longer than a short certificate is valid; its last second is still good."""
    intent = intent_for(("a.example",), CSR)
    now = Intent.from_json(intent).not_after + late
    outcome = await stage(now=now)(issuing(proven(challenge(), at=now), intent=intent))
    over = Reject(Problem("unauthorized", "intent: the time for which the certificate was to be valid is over"))
    assert outcome == over if late else isinstance(outcome, Advance)


async def test_a_session_waits_for_its_csr() -> None:
    """Until it is too old."""
    assert Wait(NOW + 1000, note="waits for the CSR") == await stage()(issuing(csr=""))


async def test_a_certificate_on_record_is_not_made_again() -> None:
    """The stage asks first whether it is done; delivery that has not begun begins now."""
    records = Records()
    outcome = await stage(records)(issuing(cert="PEM"))
    assert isinstance(outcome, Advance)
    assert {"delivery": "issued", "delivered": str(NOW)} == outcome.writes.fields
    outcome = await stage(records)(issuing(cert="PEM", delivery=Delivery.SENT))
    assert Advance(note="the certificate was on record") == outcome
    assert records.calls == 0


NO_PROOF = "there is no fresh proof on record"


@pytest.mark.parametrize(
    ("challenges", "name"),
    [
        pytest.param([challenge()], "a.example", id="not satisfied"),
        pytest.param([replace(challenge(), satisfied=True)], "a.example", id="no evidence"),
        pytest.param([replace(proven(challenge()), failed=True)], "a.example", id="failed"),
        pytest.param([proven(challenge(), at=NOW - 101)], "a.example", id="stale"),
        pytest.param([proven(challenge(name="b.example"))], "a.example", id="another name"),
        pytest.param([proven(challenge()), challenge(2, "b.example")], "b.example", id="one of two names"),
        pytest.param([proven(challenge(1, "*.a.example", HTTP))], "*.a.example", id="wildcard by http-01"),
        pytest.param([proven(challenge(1, "192.0.2.1", DNS))], "192.0.2.1", id="address by dns-01"),
        pytest.param([proven(challenge(kind=ChallengeType.PAYMENT))], "a.example", id="a type of 2012"),
    ],
)
async def test_no_proof_no_certificate(challenges: Sequence[Challenge], name: str) -> None:
    """Law 5: the stage reads the proofs from the record itself; nothing is reserved without them."""
    records = Records()
    names = (name,) if name not in {"a.example", "b.example"} else ("a.example", "b.example")[: len(challenges)]
    outcome = await stage(records)(issuing(*challenges, csr=ca.to_pem(ca.make_csr(names)), names=names))
    assert Reject(Problem("unauthorized", f"{name}: {NO_PROOF}")) == outcome
    assert records.calls == 0


async def test_no_challenges_no_certificate() -> None:
    """None at all is a failure, never "all satisfied"."""
    outcome = await stage()(replace(issuing(), challenges=()))
    assert Reject(Problem("unauthorized", f"a.example: {NO_PROOF}")) == outcome


async def test_no_names_no_certificate() -> None:
    """Nothing asked for is nothing proven."""
    outcome = await stage()(issuing(names=()))
    assert Reject(Problem("unauthorized", "names: the session has none")) == outcome


@pytest.mark.parametrize(
    "asked", [("b.example",), ("a.example", "b.example")], ids=["another name", "one name too many"]
)
async def test_the_names_of_the_csr_are_exactly_the_sessions(asked: tuple[str, ...]) -> None:
    """A CSR for other names than those proven is refused, and nothing is reserved."""
    records = Records()
    outcome = await stage(records)(issuing(csr=ca.to_pem(ca.make_csr(asked))))
    assert isinstance(outcome, Reject)
    assert outcome.problem.kind == "badCSR"
    assert records.calls == 0


async def test_a_csr_that_lacks_a_proven_name_is_refused() -> None:
    """The order asked for two names; the CSR must too."""
    outcome = await stage()(issuing(proven(challenge()), proven(challenge(2, "b.example"))))
    assert isinstance(outcome, Reject)
    assert outcome.problem.kind == "badCSR"


async def test_a_csr_that_is_none_is_refused() -> None:
    """It costs its sender the session."""
    outcome = await stage()(issuing(csr="not a request"))
    assert isinstance(outcome, Reject)
    assert outcome.problem.kind == "badCSR"


async def test_the_name_policy_is_asked_again_at_the_end() -> None:
    """A name that was denied meanwhile is not certified."""
    settings = replace(SETTINGS, names=NamePolicy.from_settings(deny_domains=["a.example"]))
    outcome = await stage(settings=settings)(issuing())
    assert isinstance(outcome, Reject)
    assert outcome.problem.kind == "rejectedIdentifier"


async def test_a_key_that_is_blocked_meanwhile_is_refused() -> None:
    """The key policy is that of now."""
    blocked = check_csr(CSR, ("a.example",), KeyPolicy()).spki_sha256
    settings = replace(SETTINGS, keys=KeyPolicy(blocked_spki=frozenset({blocked})))
    outcome = await stage(settings=settings)(issuing())
    assert isinstance(outcome, Reject)
    assert outcome.problem.kind == "badCSR"


async def test_a_profile_that_is_gone_is_refused() -> None:
    """The configuration no longer has what the order asked for."""
    outcome = await stage()(issuing(profile="gone"))
    assert Reject(Problem("invalidProfile", "profile: there is no profile of that name any more")) == outcome


async def test_the_profile_asked_for_is_used() -> None:
    """By its name in the configuration."""
    records = Records()
    await stage(records)(issuing(profile="full"))
    assert ca.FULL_PROFILE.extended_key_usages == Intent.from_json(records.intent).extended_key_usages


def intent_for(names: tuple[str, ...], csr: bytes | str) -> str:
    checked = check_csr(csr, names, KeyPolicy())
    return make_intent(names, checked, ca.PROFILE, ca.issuer(), NOW, ca.random_from(3)).to_json()


@pytest.mark.parametrize(
    ("intent", "why"),
    [
        pytest.param("{}", "intent: the recorded intent cannot be read", id="unreadable"),
        pytest.param(
            intent_for(("b.example",), ca.make_csr(("b.example",))),
            "intent: it was made for another request",
            id="other names",
        ),
        pytest.param(
            intent_for(("a.example",), ca.make_csr(signer=ca.second_key())),
            "intent: it was made for another request",
            id="another key",
        ),
    ],
)
async def test_an_intent_that_does_not_fit_is_not_signed(intent: str, why: str) -> None:
    """It is a fault of the CA's own, which an operator may mend: the session is tried again later."""
    outcome = await stage()(issuing(intent=intent))
    assert Retry(30.0, why) == outcome


async def test_an_intent_of_another_issuer_key_is_not_signed() -> None:
    """The key that the intent was made for is pinned."""
    outcome = await stage(issuer=ca.issuer("p384"))(issuing(intent=intent_for(("a.example",), CSR)))
    assert isinstance(outcome, Retry)
    assert "issuer" in outcome.why


async def test_an_intent_from_before_the_issuers_certificate_is_not_signed() -> None:
    """The key was given a new certificate meanwhile, and the certificate would begin before its issuer's."""
    checked = check_csr(CSR, ("a.example",), KeyPolicy())
    old = ca.issuer()
    intent = make_intent(("a.example",), checked, ca.PROFILE, old, NOW, ca.random_from(3))
    intent = replace(intent, not_before=old.not_before - 1)
    outcome = await stage(issuer=old)(issuing(intent=intent.to_json()))
    why = f"issuer: the intent was made for issuer {old.id} with another certificate, valid at other times"
    assert Retry(30.0, why) == outcome


async def test_an_issuer_that_has_expired_is_a_fault_of_the_ca() -> None:
    """The client can do nothing about it."""
    later = NOW + 6 * ca.YEAR
    outcome = await stage(now=later)(issuing(proven(challenge(), at=later)))
    assert isinstance(outcome, Retry)
    assert outcome.costs


async def test_the_intent_is_durable_before_anything_is_signed() -> None:
    """A reservation that fails leaves no certificate."""

    class Away(Records):
        async def reserve(self, session: str, serial: str, intent: str) -> tuple[str, str]:
            assert session
            assert serial == msgspec.json.decode(intent)["serial"]
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await stage(Away())(issuing())


async def test_an_intent_that_came_with_the_csr_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not on disk yet, or never comes there, is not signed."""
    told: list[str] = []

    class OnItsWay(Records):
        async def on_disk(self, session: str, intent: str) -> None:
            told.extend([session, intent])
            raise ConnectionError

    async def certify(*_: object, **__: object) -> None:
        told.append("signed")

    monkeypatch.setattr("stages.issue.certify", certify)
    intent = intent_for(("a.example",), CSR)
    with pytest.raises(ConnectionError):
        await stage(OnItsWay())(issuing(intent=intent))
    assert told == ["id", intent]


@pytest.mark.parametrize("refusal", [Reject(Problem("caa", "forbidden")), Retry(10, "DNS is down", kind="dns")])
@pytest.mark.parametrize("reserved", [False, True])
async def test_nothing_is_reserved_or_signed_that_is_not_permitted(
    refusal: Reject | Retry,
    reserved: bool,  # noqa: FBT001  a table
) -> None:
    """The owners of the names are asked last, with what proved each name, and again where an intent is on record."""
    asked: list[tuple[str, Mapping[str, tuple[str, ...]]]] = []

    async def forbids(session: Session, methods: Mapping[str, tuple[str, ...]]) -> Retry | Reject | None:
        asked.append((session.id, methods))
        return refusal

    records = Records()
    intent = intent_for(("a.example",), CSR) if reserved else ""
    both = (proven(challenge()), proven(challenge(2, kind=DNS)), challenge(3, kind=ChallengeType.TLS_ALPN_01))
    outcome = await stage(records, permits=forbids)(issuing(*both, intent=intent))
    assert (refusal, 0) == (outcome, records.calls)
    assert asked == [("id", {"a.example": ("http-01", "dns-01")})]


async def test_what_cannot_be_certified_anyway_asks_no_owner() -> None:
    """A stale proof costs no lookup, and is no method by which a name is proven."""

    async def fails(_session: Session, _methods: Mapping[str, tuple[str, ...]]) -> Retry | Reject | None:
        raise AssertionError

    outcome = await stage(permits=fails)(issuing(proven(challenge(), at=NOW - 101)))
    assert isinstance(outcome, Reject)
