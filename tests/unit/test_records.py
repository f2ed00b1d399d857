"""The format in Redis: the note's fields and values, there and back, and what cannot be read."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.session import (
    Challenge,
    ChallengeData,
    ChallengeType,
    Delivery,
    Hop,
    Problem,
    Session,
    State,
    ValidationRecord,
)
from stages.store import moves
from stages.store.records import (
    Garbled,
    challenge_fields,
    encode_data,
    encode_problem,
    pairs,
    read_challenge,
    read_session,
)

RECORD = {"created": "1800000000", "live": "True", "state": "testchallenge"}
CHALLENGE = {
    "challtime": "1800000000",
    "type": "4",
    "name": "a.example",
    "satisfied": "False",
    "failed": "True",
    "data": '{"token":"t"}',
}
FULL_DATA = ChallengeData(
    "token",
    ready=7,
    attempts=(
        ValidationRecord(1, 2, ok=True),
        ValidationRecord(
            3, 4, ok=False, hops=(Hop("a:80", ("::1",), "::1", "status 404"),), error=Problem("dns", "no"), lasting=True
        ),
    ),
    error=Problem("unauthorized", "no"),
)


def test_a_session_is_written_as_the_note_says() -> None:
    """The note's six fields in its formats: integers as strings, "True"."""
    _, session, fields, names = moves.submit("id", ["a.example"], {"csr": "PEM"}, 1_800_000_000)
    assert (session, names) == ("id", ["a.example"])
    assert pairs(fields) == {
        "created": "1800000000",
        "live": "True",
        "csr": "PEM",
        "state": "makechallenge",
        "challenges": "0",
        "cert": "",
        "schema": "1",
    }


def test_a_challenge_is_written_as_the_note_says() -> None:
    """The note's six fields in its formats: integers as strings, "True" and "False", data as one text."""
    challenge = read_challenge("id", 1, CHALLENGE)
    assert pairs(challenge_fields(challenge)) == CHALLENGE


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (ChallengeType.TLS_ALPN_01, "1"),
        (ChallengeType.HTTP_01, "4"),
        (ChallengeType.DNS_01, "5"),
        (ChallengeType.DNS_ACCOUNT_01, "6"),
    ],
)
def test_a_challenge_type_is_an_integer(kind: ChallengeType, number: str) -> None:
    """The numbers of the types are part of the format."""
    challenge = Challenge(
        n=1, challtime=1, type=kind, name="a.example", satisfied=True, failed=False, data=ChallengeData("t")
    )
    assert pairs(challenge_fields(challenge))["type"] == number


def test_a_session_with_every_field_is_read() -> None:
    """Ours beside the note's."""
    hash_ = {
        **RECORD,
        "csr": "CSR",
        "cert": "CERT",
        "challenges": "1",
        "serial": "0a",
        "intent": "{}",
        "error": '{"kind":"dns","detail":"no"}',
        "account": "me",
        "profile": "server",
        "attempts": "3",
        "delivery": "sent",
        "waiting": "4",
        "scheduled": "True",
        "thumbprint": "tp",
        "expires": "5",
        "delivered": "6",
        "story": "7 submitted\n",
        "nudged": "1",
        "schema": "1",
    }
    expected = Session(
        id="id",
        created=1_800_000_000,
        live=True,
        state=State.TESTCHALLENGE,
        names=("a.example",),
        challenges=(read_challenge("id", 1, CHALLENGE),),
        csr="CSR",
        cert="CERT",
        serial="0a",
        intent="{}",
        error=Problem("dns", "no"),
        account="me",
        profile="server",
        attempts=3,
        delivery=Delivery.SENT,
        waiting=4,
        scheduled=True,
        thumbprint="tp",
        expires=5,
        delivered=6,
        story="7 submitted\n",
    )
    assert expected == read_session("id", hash_, ["a.example"], [CHALLENGE])


def test_a_session_of_the_note_alone_is_read() -> None:
    """A record with nothing but what the note names is a session."""
    hash_ = {**RECORD, "csr": "CSR", "challenges": "0", "cert": ""}
    expected = Session(id="id", created=1_800_000_000, live=True, state=State.TESTCHALLENGE, csr="CSR")
    assert expected == read_session("id", hash_)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"state": "x"}, "state"),
        ({"state": ""}, "state"),
        ({"live": "true"}, "live"),
        ({"live": "1"}, "live"),
        ({"schema": "2"}, "schema"),
        ({"schema": "x"}, "schema"),
        ({"error": "x"}, "error"),
        ({"error": "[]"}, "error"),
        ({"delivery": "x"}, "delivery"),
        ({"created": "x"}, "created, attempts, waiting, expires or delivered"),
        ({"attempts": "1.5"}, "created, attempts, waiting, expires or delivered"),
        ({"expires": ""}, "created, attempts, waiting, expires or delivered"),
    ],
)
def test_a_garbled_session_names_its_field_and_not_its_value(changes: dict[str, str], field: str) -> None:
    """What is logged holds no text of the record."""
    with pytest.raises(Garbled) as raised:
        read_session("id", {**RECORD, **changes})
    assert ("id", field) == (raised.value.session, raised.value.field)


@pytest.mark.parametrize("field", ["created", "live", "state"])
def test_a_session_without_a_field_of_the_note_is_garbled(field: str) -> None:
    """What every session has cannot be guessed."""
    with pytest.raises(Garbled) as raised:
        read_session("id", {key: value for key, value in RECORD.items() if key != field})
    assert field == raised.value.field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("challtime", "x"),
        ("type", "7"),
        ("type", "http-01"),
        ("satisfied", "true"),
        ("failed", "0"),
        ("data", "{}"),
        ("data", ""),
        ("data", '{"token":1}'),
        *((field, None) for field in CHALLENGE),
    ],
)
def test_a_garbled_challenge_names_its_number(field: str, value: str | None) -> None:
    """A challenge that breaks the format makes its session garbled."""
    hash_ = {key: text for key, text in {**CHALLENGE, field: value}.items() if text is not None}
    with pytest.raises(Garbled) as raised:
        read_challenge("id", 2, hash_)
    assert raised.value.field == "2"


def test_data_keeps_all_evidence() -> None:
    """What is written of a challenge's data is read again."""
    hash_ = {**CHALLENGE, "data": encode_data(FULL_DATA)}
    assert read_challenge("id", 1, hash_).data == FULL_DATA


def test_a_problem_is_one_json_object() -> None:
    """The text of `error`."""
    assert encode_problem(Problem("dns", "no")) == '{"kind":"dns","detail":"no"}'


@given(st.dictionaries(st.sampled_from([*RECORD, "schema", "error", "delivery", "attempts"]), st.text(max_size=20)))
def test_whatever_the_record_reading_gives_a_session_or_garbled(hash_: dict[str, str]) -> None:
    """No text of any field raises anything else."""
    with suppress(Garbled):
        assert read_session("id", {**RECORD, **hash_}).id == "id"


@given(st.dictionaries(st.sampled_from(list(CHALLENGE)), st.text(max_size=20)))
def test_whatever_the_challenge_reading_gives_a_challenge_or_garbled(hash_: dict[str, str]) -> None:
    """No text of any field raises anything else."""
    with suppress(Garbled):
        assert read_challenge("id", 1, {**CHALLENGE, **hash_}).n == 1
