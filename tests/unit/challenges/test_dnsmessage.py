import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from stages.challenges.dnsmessage import (
    Answer,
    BadAnswer,
    ChainTooLong,
    Question,
    encode_name,
    is_truncated,
    read_answer,
)
from stages.challenges.lookup import match

NAME = "a.example"
QUESTION = Question(7, encode_name(NAME), RdataType.A)
Records = list[tuple[str, str, str]]


def message(*records: tuple[str, str, str], rcode: str = "NOERROR", flags: int = dns.flags.RA) -> dns.message.Message:
    """An answer to the question, as dnspython makes it."""
    made = dns.message.make_response(dns.message.from_wire(QUESTION.encode(edns=True)))
    made.flags |= flags
    made.set_rcode(dns.rcode.from_text(rcode))
    for owner, kind, data in records:
        made.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, data))
    return made


def texts(answer: Answer) -> list[str]:
    """The records as text."""
    return [record.to_text() for record in answer.records]


@pytest.mark.parametrize("edns", [True, False])
def test_question_is_what_dnspython_writes(*, edns: bool) -> None:
    """A question has the very bytes that dnspython makes of it."""
    made = dns.message.make_query(NAME, "A", id=7, use_edns=0 if edns else False, payload=1232)
    assert made.to_wire() == QUESTION.encode(edns=edns)


@pytest.mark.parametrize("name", ["", "a..b", ".a", f"{'a' * 64}.example", ".".join(["a" * 63] * 4)])
def test_encode_name_refused(name: str) -> None:
    """What DNS cannot hold is refused."""
    with pytest.raises(ValueError, match=r"octets"):
        encode_name(name)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], []),
        ([("a.example.", "A", "1.2.3.4")], ["1.2.3.4"]),
        ([("A.EXAMPLE.", "A", "1.2.3.4")], ["1.2.3.4"]),
        ([("a.example.", "A", "1.2.3.4"), ("a.example.", "A", "5.6.7.8")], ["1.2.3.4", "5.6.7.8"]),
        ([("a.example.", "A", "1.2.3.4"), ("a.example.", "A", "1.2.3.4")], ["1.2.3.4"]),
        ([("a.example.", "CNAME", "B.example."), ("b.example.", "A", "1.2.3.4")], ["1.2.3.4"]),
        ([("b.example.", "A", "1.2.3.4"), ("a.example.", "CNAME", "b.example.")], ["1.2.3.4"]),
        ([("other.example.", "A", "1.2.3.4")], []),
        ([("a.example.", "AAAA", "::1")], []),
    ],
)
def test_read_answer_records(records: Records, expected: list[str]) -> None:
    """Records count that belong to the name at the end of the CNAMEs and are of the type; each once."""
    assert expected == texts(read_answer(message(*records).to_wire(), QUESTION))


@pytest.mark.parametrize(
    ("records", "rcode", "flags", "expected"),
    [
        ([("a.example.", "CNAME", "b.example.")], "NOERROR", 0, encode_name("b.example")),
        ([("a.example.", "CNAME", "b.example.")], "NOERROR", dns.flags.RA, b""),
        ([("a.example.", "CNAME", "b.example.")], "NXDOMAIN", 0, b""),
        ([("a.example.", "CNAME", "b.example."), ("b.example.", "A", "1.2.3.4")], "NOERROR", 0, b""),
        ([], "NOERROR", 0, b""),
    ],
)
def test_read_answer_onward(records: Records, rcode: str, flags: int, expected: bytes) -> None:
    """A CNAME is ours to follow where the server is no resolver and did not do it."""
    assert expected == read_answer(message(*records, rcode=rcode, flags=flags).to_wire(), QUESTION).onward


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "BADVERS"])
def test_read_answer_rcode(rcode: str) -> None:
    """The response code is read with the part of it that OPT has."""
    assert dns.rcode.from_text(rcode) == read_answer(message(rcode=rcode).to_wire(), QUESTION).rcode


def test_read_answer_cnames_in_a_circle() -> None:
    """CNAMEs in a circle end."""
    records = [("a.example.", "CNAME", "b.example."), ("b.example.", "CNAME", "a.example.")]
    with pytest.raises(ChainTooLong):
        read_answer(message(*records).to_wire(), QUESTION)


def test_read_answer_that_contradicts_itself() -> None:
    """NXDOMAIN with records is no answer."""
    with pytest.raises(BadAnswer, match="contradicts"):
        read_answer(message(("a.example.", "A", "1.2.3.4"), rcode="NXDOMAIN").to_wire(), QUESTION)


@pytest.mark.parametrize("at", range(13, 45))
def test_read_answer_cut_short(at: int) -> None:
    """A message that ends early is refused."""
    data = message(("a.example.", "A", "1.2.3.4")).to_wire()[:at]
    with pytest.raises(BadAnswer):
        read_answer(data, QUESTION)


def test_read_answer_pointer_that_leads_on() -> None:
    """A pointer to itself or further on is refused."""
    data = message(("a.example.", "A", "1.2.3.4")).to_wire()
    at = data.index(b"\xc0\x0c")
    for target in (at, at + 2):
        with pytest.raises(BadAnswer):
            read_answer(data[:at] + (0xC000 | target).to_bytes(2) + data[at + 2 :], QUESTION)


@pytest.mark.parametrize(
    ("other", "answered"),
    [
        (QUESTION, True),
        (Question(7, encode_name("A.eXample"), RdataType.A), True),
        (Question(8, encode_name(NAME), RdataType.A), False),
        (Question(7, encode_name("b.example"), RdataType.A), False),
        (Question(7, encode_name(NAME), RdataType.AAAA), False),
    ],
)
def test_question_is_answered_by(other: Question, *, answered: bool) -> None:
    """An answer has the id of its question and repeats it, in any case of letters."""
    assert answered == other.is_answered_by(message().to_wire())


def test_question_is_not_answered_by_a_question() -> None:
    """What comes back to us as it was sent is no answer."""
    assert not QUESTION.is_answered_by(QUESTION.encode(edns=True))


@pytest.mark.parametrize(("rcode", "answered"), [("SERVFAIL", True), ("FORMERR", True), ("NOERROR", False)])
def test_question_without_a_question(rcode: str, *, answered: bool) -> None:
    """A server that could not read the question may leave it out."""
    made = message(rcode=rcode)
    made.question.clear()
    assert answered == QUESTION.is_answered_by(made.to_wire())


def test_match_finds_the_question() -> None:
    """Of several open questions it is the one with the same id, name and type."""
    others = [QUESTION._replace(ident=8), QUESTION._replace(kind=RdataType.AAAA)]
    assert match(message().to_wire(), [*others, QUESTION]) == QUESTION
    with pytest.raises(BadAnswer, match="another question"):
        match(message().to_wire(), others)


def test_truncated_answer_may_be_cut_anywhere() -> None:
    """Of a truncated answer only the question must be whole."""
    data = message(("a.example.", "A", "1.2.3.4"), flags=dns.flags.TC).to_wire()[:-3]
    assert match(data, [QUESTION]) == QUESTION
    assert is_truncated(data)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_read_answer_hostile(noise: bytes, at: int) -> None:
    """Any bytes are read or refused, nothing else."""
    data = message(("a.example.", "CNAME", "b.example."), ("b.example.", "A", "1.2.3.4")).to_wire()
    for spoiled in (noise, data[:at], data[:at] + noise, data[:12] + noise, data[:at] + noise + data[at:]):
        try:
            match(spoiled, [QUESTION])
            answer = read_answer(spoiled, QUESTION)
        except (BadAnswer, ChainTooLong):
            continue
        assert all(texts(answer))
