import dns.message
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from stages.challenges.lookup import BadAnswer, match, parse, read_answer

QUERY = dns.message.make_query("a.example.", "A", id=7)


def reply(*records: tuple[str, str, str]) -> bytes:
    """An answer to the query, with compressed names."""
    message = dns.message.make_response(QUERY)
    for owner, kind, data in records:
        message.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, data))
    return message.to_wire()


@given(st.binary(max_size=80), st.integers(0, 80))
def test_answer_hostile(noise: bytes, at: int) -> None:
    """Any bytes are read or refused, nothing else."""
    message = reply(("a.example.", "CNAME", "b.example."), ("b.example.", "A", "1.2.3.4"))
    for data in (noise, message[:at], message[:at] + noise, message[:12] + noise, message[:at] + noise + message[at:]):
        try:
            match(data, [QUERY])
            answer = read_answer(parse(data))
        except (BadAnswer, dns.message.ChainTooLong):
            continue
        assert all(record.to_text() for record in answer.records)


def test_match_finds_the_query_by_id_and_question() -> None:
    """Of several open queries it is the one with the same id and question."""
    others = [dns.message.make_query("a.example.", "A", id=8), dns.message.make_query("a.example.", "AAAA", id=7)]
    assert match(reply(), [*others, QUERY]) == (QUERY, False)


def test_match_truncated_may_be_cut_anywhere() -> None:
    """Of a truncated answer only the question must be whole."""
    message = bytearray(reply(("a.example.", "A", "1.2.3.4"))[:-3])
    message[2] |= 0x02
    assert match(bytes(message), [QUERY]) == (QUERY, True)
