"""What counts as a proof on record."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stages.proofs import methods, proven_at, unproven
from stages.session import Challenge, ChallengeType, State
from tests.unit.stages.making import DNS, DNS_ACCOUNT, HTTP, NOW, challenge, fault, good, proven, session, tried


def test_any_one_challenge_proves_its_name() -> None:
    """The other challenges of the name do not matter."""
    record = session(State.ISSUE, challenge(1), proven(challenge(2, kind=DNS)), challenge(3, "b.example"))
    assert unproven(record) == ("b.example",)


def test_no_challenges_prove_nothing() -> None:
    """Law 5: no challenges at all is never "all satisfied"."""
    assert unproven(session(State.ISSUE, names=("a.example", "b.example"))) == ("a.example", "b.example")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(challenge(), id="open"),
        pytest.param(replace(challenge(), satisfied=True), id="satisfied without evidence"),
        pytest.param(replace(tried(challenge(), fault()), satisfied=True), id="satisfied with evidence of a fault"),
        pytest.param(replace(proven(challenge()), failed=True), id="failed"),
        pytest.param(replace(proven(challenge()), satisfied=False), id="evidence, but not satisfied"),
        pytest.param(proven(challenge(), at=NOW - 1), id="stale"),
        pytest.param(proven(challenge(name="b.example")), id="another name"),
        pytest.param(proven(challenge(kind=ChallengeType.EMAIL)), id="a type of 2012"),
    ],
)
def test_what_is_no_proof(bad: Challenge) -> None:
    """Each way in which a challenge does not prove a name."""
    assert unproven(session(State.ISSUE, bad, names=("a.example",)), not_before=NOW) == ("a.example",)


@pytest.mark.parametrize(("name", "kind"), [("*.a.example", HTTP), ("192.0.2.1", DNS), ("192.0.2.1", DNS_ACCOUNT)])
def test_a_proof_of_a_type_that_does_not_fit_is_none(name: str, kind: ChallengeType) -> None:
    """A wildcard is not proven over HTTP, nor an address over DNS, whatever the record says."""
    assert unproven(session(State.ISSUE, proven(challenge(1, name, kind)))) == (name,)


def test_a_proof_is_as_fresh_as_its_latest_good_evidence() -> None:
    """Older evidence and later faults do not change when it was seen."""
    seen = replace(challenge(), satisfied=True)
    seen = replace(seen, data=replace(seen.data, attempts=(good(5), good(9), fault(at=12))))
    assert proven_at(seen) == 9


def test_methods_are_those_whose_proof_counts() -> None:
    """CAA may ask for one of them (RFC 8657 4): what is open, stale or does not fit has proven nothing."""
    record = session(
        State.ISSUE,
        proven(challenge(1)),
        proven(challenge(2, kind=DNS)),
        proven(challenge(3, "b.example"), at=NOW - 1),
        proven(challenge(4, "*.a.example", HTTP)),
        challenge(5, "c.example"),
    )
    assert methods(record, not_before=NOW) == {"a.example": ("http-01", "dns-01")}
